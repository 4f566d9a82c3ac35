import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { Authenticator, type JwtOptions } from './authenticate.ts';

const SECRET = 's'.repeat(32);
const clock = new ManualClock();
const NOW = Math.floor(clock.now().wallMs / 1_000);
const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise<void>((resolve) => server.close(() => resolve()));
});

const encode = (secret: string) => new TextEncoder().encode(secret);
const token = (claims: Record<string, unknown>, alg = 'HS256', secret = SECRET) =>
  new SignJWT(claims).setProtectedHeader({ alg }).sign(encode(secret));

function identify(bearer: string | undefined, room = 'lobby', jwt: Partial<JwtOptions> = {}) {
  const authenticator = new Authenticator({ clock, jwt: { keys: { secret: SECRET }, ...jwt } });
  return authenticator.identify({ room, user: 'mallory', bearer, guest: 'guest-1' });
}

describe('without authentication', () => {
  const authenticator = new Authenticator({ clock });

  it('a client names itself, or is a guest', async () => {
    const base = { room: 'lobby', bearer: undefined, guest: 'guest-1' };
    expect(await authenticator.identify({ ...base, user: 'ann' })).toEqual({ ok: true, user: 'ann' });
    expect(await authenticator.identify({ ...base, user: undefined })).toEqual({ ok: true, user: 'guest-1' });
    expect(await authenticator.identify({ ...base, user: 'a b' })).toMatchObject({ code: 'bad_user' });
    expect(await authenticator.identify({ ...base, user: '' })).toMatchObject({ code: 'bad_user' });
  });
});

describe('a token', () => {
  it('names the user and the rooms; what the client calls itself does not count', async () => {
    const good = await token({ sub: 'auth0|ann', rooms: ['team-*', 'lobby'] });
    expect(await identify(good)).toEqual({ ok: true, user: 'auth0|ann' });
    expect(await identify(good, 'team-7')).toEqual({ ok: true, user: 'auth0|ann' });
    expect(await identify(good, 'secret')).toMatchObject({ code: 'not_allowed' });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['without rooms', { sub: 'ann' }, 'not_allowed'],
    ['with rooms that are no list', { sub: 'ann', rooms: '*' }, 'not_allowed'],
    ['with rooms that are no patterns', { sub: 'ann', rooms: [7, '[a-z]+', ''] }, 'not_allowed'],
    ['without sub', { rooms: ['*'] }, 'not_authenticated'],
    ['with a sub that is no user', { sub: 'a b', rooms: ['*'] }, 'bad_user'],
    ['that has expired', { sub: 'ann', rooms: ['*'], exp: NOW - 60 }, 'not_authenticated'],
    ['that is not valid yet', { sub: 'ann', rooms: ['*'], nbf: NOW + 60 }, 'not_authenticated'],
  ])('%s is refused', async (_name, claims, code) => {
    expect(await identify(await token(claims))).toMatchObject({ ok: false, code });
  });

  it('signed with another secret, another algorithm or none is refused', async () => {
    const claims = { sub: 'ann', rooms: ['*'] };
    expect(await identify(await token(claims, 'HS256', 'x'.repeat(32)))).toMatchObject({ code: 'not_authenticated' });
    expect(await identify(await token(claims, 'HS512'))).toMatchObject({ code: 'not_authenticated' });
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    expect(await identify(`${part({ alg: 'none' })}.${part(claims)}.`)).toMatchObject({ code: 'not_authenticated' });
    expect(await identify('garbage')).toMatchObject({ code: 'not_authenticated' });
    expect(await identify(undefined)).toMatchObject({ code: 'not_authenticated' });
  });

  it('is for this audience and of this issuer, where they are set', async () => {
    const jwt = { audience: 'bellhop', issuer: 'https://id.example' };
    const claims = { sub: 'ann', rooms: ['*'] };
    const good = await token({ ...claims, aud: 'bellhop', iss: 'https://id.example' });
    expect(await identify(good, 'lobby', jwt)).toMatchObject({ ok: true });
    for (const other of [
      claims,
      { ...claims, aud: 'other', iss: 'https://id.example' },
      { ...claims, aud: 'bellhop' },
    ]) {
      expect(await identify(await token(other), 'lobby', jwt)).toMatchObject({ code: 'not_authenticated' });
    }
  });

  it('is not taken on a short secret', () => {
    expect(() => new Authenticator({ clock, jwt: { keys: { secret: 'short' } } })).toThrow(RangeError);
  });
});

describe('keys of an issuer', () => {
  async function serveKeys(status: number, body: unknown): Promise<string> {
    const server = createServer((_request, response) => {
      response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close' }).end(JSON.stringify(body));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  }

  it('check a token, and refuse one under a key they do not hold', async () => {
    const held = await generateKeyPair('ES256');
    const other = await generateKeyPair('ES256');
    const jwksUrl = await serveKeys(200, {
      keys: [{ ...(await exportJWK(held.publicKey)), kid: 'one', alg: 'ES256' }],
    });
    const sign = (key: typeof held.privateKey, kid: string) =>
      new SignJWT({ sub: 'ann', rooms: ['*'] }).setProtectedHeader({ alg: 'ES256', kid }).sign(key);
    const keys = { keys: { jwksUrl } };
    expect(await identify(await sign(held.privateKey, 'one'), 'lobby', keys)).toEqual({ ok: true, user: 'ann' });
    for (const forged of [await sign(other.privateKey, 'one'), await sign(other.privateKey, 'two')]) {
      expect(await identify(forged, 'lobby', keys)).toMatchObject({ code: 'not_authenticated' });
    }
  });

  it('that cannot be read are no fault of the client', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const bearer = await new SignJWT({ sub: 'ann' }).setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(privateKey);
    for (const jwksUrl of [await serveKeys(500, {}), await serveKeys(200, 'nonsense'), 'http://127.0.0.1:1/keys']) {
      expect(await identify(bearer, 'lobby', { keys: { jwksUrl } })).toMatchObject({ code: 'unavailable' });
    }
  });
});
