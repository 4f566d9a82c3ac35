import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
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
    expect(await identify(good)).toMatchObject({ ok: true, user: 'auth0|ann' });
    expect(await identify(good, 'team-7')).toMatchObject({ ok: true, user: 'auth0|ann' });
    expect(await identify(good, 'secret')).toMatchObject({ code: 'not_allowed' });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['without rooms', { sub: 'ann' }, 'not_allowed'],
    ['with rooms that are no list', { sub: 'ann', rooms: '*' }, 'not_allowed'],
    ['with rooms that are no patterns', { sub: 'ann', rooms: [7, '[a-z]+', ''] }, 'not_allowed'],
    ['without sub', { rooms: ['*'] }, 'not_authenticated'],
    ['with a sub that is no user', { sub: 'a b', rooms: ['*'] }, 'bad_user'],
    ['with a number for a sub', { sub: 7, rooms: ['*'] }, 'bad_user'],
    ['with a list for a sub', { sub: ['ann'], rooms: ['*'] }, 'bad_user'],
    ['with null for a sub', { sub: null, rooms: ['*'] }, 'bad_user'],
    ['that has expired', { sub: 'ann', rooms: ['*'], exp: NOW - 60 }, 'not_authenticated'],
    ['that is not valid yet', { sub: 'ann', rooms: ['*'], nbf: NOW + 60 }, 'not_authenticated'],
  ])('%s is refused', async (_name, claims, code) => {
    expect(await identify(await token(claims))).toMatchObject({ ok: false, code });
  });

  it('24 signed with another secret, another algorithm or none is refused', async () => {
    const claims = { sub: 'ann', rooms: ['*'] };
    expect(await identify(await token(claims, 'HS256', 'x'.repeat(32)))).toMatchObject({ code: 'not_authenticated' });
    expect(await identify(await token(claims, 'HS512'))).toMatchObject({ code: 'not_authenticated' });
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    expect(await identify(`${part({ alg: 'none' })}.${part(claims)}.`)).toMatchObject({ code: 'not_authenticated' });
    // A decoder passes over these, and one token would have many spellings.
    const good = await token(claims);
    for (const blank of [' ', '\n', '=']) {
      expect(await identify(`${good}${blank}`)).toMatchObject({ code: 'not_authenticated' });
      expect(await identify(good.replace('.', `.${blank}`))).toMatchObject({ code: 'not_authenticated' });
    }
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

/** Each is the only fault of a token that is good otherwise. */
describe('24 a token is refused', () => {
  const jwt = { audience: 'bellhop', issuer: 'https://id.example' };
  const claims = { sub: 'ann', rooms: ['*'], aud: 'bellhop', iss: 'https://id.example', iat: NOW, exp: NOW + 60 };

  it('24 but one without a fault is taken, and says until when it counts', async () => {
    expect(await identify(await token(claims), 'lobby', jwt)).toEqual({
      ok: true,
      user: 'ann',
      grant: { issuedAtMs: NOW * 1_000, expiresAtMs: (NOW + 60) * 1_000, mayPublish: true },
    });
  });

  it.each<[string, Record<string, unknown>]>([
    ['for another audience', { aud: 'other' }],
    ['for no audience', { aud: undefined }],
    ['of another issuer', { iss: 'https://id.example.evil' }],
    ['of no issuer', { iss: undefined }],
    ['that has expired', { exp: NOW - 4 }],
    ['whose end is no number', { exp: 'never' }],
    ['that is not valid yet', { nbf: NOW + 4 }],
    ['that says it is from later than a minute from now', { iat: NOW + 61 }],
    ['that says when it was issued in milliseconds', { iat: NOW * 1_000 }],
    ['that says it is from the end of time', { iat: Number.MAX_VALUE }],
    ['without a user', { sub: undefined }],
  ])('24 %s', async (_name, changes) => {
    expect(await identify(await token({ ...claims, ...changes }), 'lobby', jwt)).toMatchObject({
      ok: false,
      code: 'not_authenticated',
    });
  });

  it('24 a clock that is three seconds off is forgiven', async () => {
    for (const changes of [{ exp: NOW - 2 }, { nbf: NOW + 2 }]) {
      expect(await identify(await token({ ...claims, ...changes }), 'lobby', jwt)).toMatchObject({ ok: true });
    }
  });

  it('24 that is older than any token may be, whatever its end', async () => {
    const options = { clock, jwt: { keys: { secret: SECRET } }, lifeMsMax: 3_600_000 };
    const authenticator = new Authenticator(options);
    const show = async (iat: number) => {
      const bearer = await token({ sub: 'ann', rooms: ['*'], iat, exp: NOW + 86_400 });
      return authenticator.identify({ room: 'lobby', user: undefined, bearer, guest: '' });
    };
    expect(await show(NOW - 3_601)).toMatchObject({ code: 'not_authenticated' });
    expect(await show(NOW - 60)).toMatchObject({ ok: true, grant: { expiresAtMs: (NOW + 3_540) * 1_000 } });
  });
});

it('26 the answer is the same for every room that is not allowed', async () => {
  const bearer = await token({ sub: 'ann', rooms: ['lobby'] });
  const answers = await Promise.all(['hall', 'no-such-room', 'x'.repeat(128)].map((room) => identify(bearer, room)));
  expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  expect(answers[0]).toMatchObject({ ok: false, code: 'not_allowed' });
});

it('27 the right to publish is that to enter, unless the token names it apart', async () => {
  const mayPublish = async (publish: unknown) => {
    const identity = await identify(
      await token({ sub: 'ann', rooms: ['*'], ...(publish === undefined ? {} : { publish }) }),
    );
    return identity.ok ? identity.grant?.mayPublish : identity;
  };
  expect(await mayPublish(undefined)).toBe(true);
  expect(await mayPublish(['lob*'])).toBe(true);
  for (const none of [[], ['hall'], '*', null, [7, '[a-z]+']]) expect(await mayPublish(none)).toBe(false);
});

it('28 what was issued before its user was revoked is refused; without a time it counts as older', async () => {
  const isRevoked = (user: string, issuedAtMs: number) => user === 'ann' && issuedAtMs <= NOW * 1_000;
  const authenticator = new Authenticator({ clock, jwt: { keys: { secret: SECRET } }, isRevoked });
  const show = async (claims: Record<string, unknown>) => {
    const bearer = await token({ rooms: ['*'], ...claims });
    return authenticator.identify({ room: 'lobby', user: undefined, bearer, guest: '' });
  };
  expect(await show({ sub: 'ann', iat: NOW })).toMatchObject({ code: 'not_authenticated' });
  expect(await show({ sub: 'ann' })).toMatchObject({ code: 'not_authenticated' });
  expect(await show({ sub: 'ann', iat: NOW + 1 })).toMatchObject({ ok: true });
  expect(await show({ sub: 'bob' })).toMatchObject({ ok: true });
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

  it('24 check a token, and refuse one under a key they do not hold', async () => {
    const held = await generateKeyPair('ES256');
    const other = await generateKeyPair('ES256');
    const jwksUrl = await serveKeys(200, {
      keys: [{ ...(await exportJWK(held.publicKey)), kid: 'one', alg: 'ES256' }],
    });
    const sign = (key: typeof held.privateKey, kid: string) =>
      new SignJWT({ sub: 'ann', rooms: ['*'] }).setProtectedHeader({ alg: 'ES256', kid }).sign(key);
    const keys = { keys: { jwksUrl } };
    expect(await identify(await sign(held.privateKey, 'one'), 'lobby', keys)).toMatchObject({ ok: true, user: 'ann' });
    for (const forged of [await sign(other.privateKey, 'one'), await sign(other.privateKey, 'two')]) {
      expect(await identify(forged, 'lobby', keys)).toMatchObject({ code: 'not_authenticated' });
    }
  });

  it('24 are read anew when a token names one that is not among them, and not more often than that', async () => {
    const [old, next] = [await generateKeyPair('ES256'), await generateKeyPair('RS256')];
    const published: unknown[] = [{ ...(await exportJWK(old.publicKey)), kid: 'old', alg: 'ES256' }];
    let reads = 0;
    const server = createServer((_request, response) => {
      reads += 1;
      response.writeHead(200, { Connection: 'close' }).end(JSON.stringify({ keys: published }));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    const sign = (key: typeof old.privateKey, alg: string, kid: string) =>
      new SignJWT({ sub: 'ann', rooms: ['*'] }).setProtectedHeader({ alg, kid }).sign(key);
    const show = async (authenticator: Authenticator, bearer: string) =>
      authenticator.identify({ room: 'lobby', user: undefined, bearer, guest: '' });
    const byNext = await sign(next.privateKey, 'RS256', 'next');

    const eager = new Authenticator({ clock, jwt: { keys: { jwksUrl }, jwksCooldownMs: 0 } });
    expect(await show(eager, await sign(old.privateKey, 'ES256', 'old'))).toMatchObject({ ok: true });
    expect(await show(eager, byNext)).toMatchObject({ code: 'not_authenticated' });
    published.splice(0, 1, { ...(await exportJWK(next.publicKey)), kid: 'next', alg: 'RS256' });
    expect(await show(eager, byNext)).toMatchObject({ ok: true });
    expect(await show(eager, await sign(old.privateKey, 'ES256', 'old'))).toMatchObject({ code: 'not_authenticated' });

    reads = 0;
    const calm = new Authenticator({ clock, jwt: { keys: { jwksUrl }, jwksCooldownMs: 60_000 } });
    for (let i = 0; i < 20; i++) {
      const unknown = await sign(old.privateKey, 'ES256', `unknown-${i}`);
      expect(await show(calm, unknown)).toMatchObject({ code: 'not_authenticated' });
    }
    expect(reads).toBe(1);
  });

  it('24 are not taken for a shared secret, nor is a token without a signature', async () => {
    const { publicKey } = await generateKeyPair('RS256', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' };
    const keys = { keys: { jwksUrl: await serveKeys(200, { keys: [jwk] }) } };
    const claims = { sub: 'ann', rooms: ['*'] };
    const pem = await exportSPKI(publicKey);
    for (const secret of [pem, pem.trim(), JSON.stringify(jwk), jwk.n ?? '']) {
      const confused = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'one' }).sign(encode(secret));
      expect(await identify(confused, 'lobby', keys)).toMatchObject({ code: 'not_authenticated' });
    }
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const alg of ['none', 'None', 'NONE', '']) {
      const bare = `${part({ alg, kid: 'one' })}.${part(claims)}.`;
      expect(await identify(bare, 'lobby', keys)).toMatchObject({ code: 'not_authenticated' });
      expect(await identify(bare)).toMatchObject({ code: 'not_authenticated' });
    }
  });

  it('that cannot be read are no fault of the client', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const bearer = await new SignJWT({ sub: 'ann' }).setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(privateKey);
    for (const jwksUrl of [await serveKeys(500, {}), await serveKeys(200, 'nonsense'), 'http://127.0.0.1:1/keys']) {
      expect(await identify(bearer, 'lobby', { keys: { jwksUrl } })).toMatchObject({ code: 'unavailable' });
    }
  });

  it('24 are not asked for again at once, however many tokens come, where the issuer answers with a fault or without end', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const bearer = await new SignJWT({ sub: 'ann' }).setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(privateKey);
    let reads = 0;
    const answers: ((response: ServerResponse) => void)[] = [
      (response) => response.writeHead(500).end(),
      (response) => response.writeHead(302, { Location: '/keys' }).end(),
      (response) => response.end('{"keys":[null,7]}'),
      (response) => pipeline(Readable.from(endless()), response, () => undefined),
    ];
    const server = createServer((_request, response) => {
      answers[Math.floor(reads++ / 2)]?.(response);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    for (const [position] of answers.entries()) {
      const waiting = new ManualClock();
      const authenticator = new Authenticator({ clock: waiting, jwt: { keys: { jwksUrl } } });
      const show = () => authenticator.identify({ room: 'lobby', user: undefined, bearer, guest: '' });
      for (let i = 0; i < 20; i++) expect(await show()).toMatchObject({ code: 'unavailable' });
      expect(reads).toBe(2 * position + 1);
      waiting.advance(1_000);
      expect(await show()).toMatchObject({ code: 'unavailable' });
      expect(reads).toBe(2 * position + 2);
    }
  });
});

function* endless(): Generator<Buffer> {
  for (;;) yield Buffer.alloc(65_536, ' ');
}
