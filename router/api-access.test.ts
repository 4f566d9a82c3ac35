import { createHash } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ApiToken, parseApiToken, type Scope } from '../shared/api-token.ts';
import { ManualClock } from '../shared/clock.ts';
import { type FakeApiPorts, summary } from './fake-api-ports.ts';
import { ROUTES } from './http-api.ts';
import { errorOf, HttpApiBench, type Question } from './http-api-fixture.ts';

/** Every answer below is held against the description of its route. */
const bench = new HttpApiBench();
let ports: FakeApiPorts;

beforeEach(async () => {
  await bench.start();
  ports = bench.ports;
});
afterEach(() => bench.stop());

function shownTwice(path: string, shown: readonly (string | undefined)[]): Promise<IncomingMessage> {
  const headers = ['Host', '127.0.0.1', ...shown.flatMap((value) => ['Authorization', value ?? ''])];
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { host: '127.0.0.1', port: bench.port, method: 'POST', path, headers, agent: false },
      (response) => {
        response.resume().on('end', () => resolve(response));
      },
    );
    sent.on('error', reject);
    sent.end();
  });
}

const call = (method: string, path: string, question?: Question) => bench.call(method, path, question);
const get = (path: string, headers: Record<string, string> = {}) => call('GET', path, { headers });
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  call('POST', path, { body: JSON.stringify(body), headers });

describe('31 tokens with scopes', () => {
  const [reads, publishes, operates, backend] = ['read:', 'publish:', 'operate:', 'read+publish:'].map((scope, i) =>
    parseApiToken(`${scope}${String(i).repeat(16)}`),
  );
  const by = (token: ApiToken | undefined) => ({ Authorization: `Bearer ${token?.token}` });
  const rights = { authenticates: true, tokenLifeMsMax: 3_600_000 };
  const all = [reads, publishes, operates, backend].filter((token) => token !== undefined);

  beforeEach(async () => {
    await bench.restart({ apiTokens: all, rights });
    ports.addNode('n1', [summary('a')]);
    ports.answers.set('n1', () => ({ seq: 1, epoch: 9, moving: true, closed: true }));
    ports.owners.set('a', 'n1');
  });

  it('31 may do what they name, and get 403 for the rest', async () => {
    const statuses = async (method: string, path: string, body?: unknown) => {
      const found = [];
      for (const token of all) {
        const text = body === undefined ? undefined : JSON.stringify(body);
        found.push((await call(method, path, { body: text, headers: by(token) })).status);
      }
      return found;
    };
    expect(await statuses('GET', '/api/v1/nodes')).toEqual([200, 403, 403, 200]);
    expect(await statuses('HEAD', '/api/v1/nodes')).toEqual([200, 403, 403, 200]);
    expect(await statuses('POST', '/api/v1/rooms/a/messages', { data: 1 })).toEqual([403, 200, 403, 200]);
    expect(await statuses('POST', '/api/v1/users/ann/revoke')).toEqual([403, 403, 200, 403]);
    expect(await statuses('POST', '/api/v1/tickets', { user: 'ann', rooms: ['*'] })).toEqual([403, 403, 403, 201]);
    for (const path of ['/api/v1/rooms/a', '/api/v1/users/ann/sessions', '/api/v1/nodes/n1/drain']) {
      const [read, publish, , both] = await statuses('DELETE', path);
      expect([path, read, publish, both]).toEqual([path, 403, 403, 403]);
    }
  });

  it('31 that are missing or wrong get 401, by whatever way they are shown', async () => {
    const token = operates?.token ?? '';
    for (const headers of [
      {},
      { Cookie: `token=${token}; Authorization=Bearer ${token}` },
      { Authorization: `Bearer ${token}x` },
      { Authorization: `Bearer ${token.slice(1)}` },
      { Authorization: `Basic ${token}` },
      { 'X-Api-Token': token },
    ]) {
      const reply = await call('POST', `/api/v1/users/ann/revoke?token=${token}`, { headers });
      expect([reply.status, errorOf(reply)]).toEqual([401, 'not_authenticated']);
      expect(reply.text).not.toContain(token);
    }
    expect(ports.revoked.size).toBe(0);
  });

  it('31 get 401 where they are shown twice, whichever comes first', async () => {
    const [right, wrong] = [operates, reads].map((token) => `Bearer ${token?.token}`);
    for (const shown of [
      [right, wrong],
      [wrong, right],
      [right, right],
    ]) {
      expect((await shownTwice('/api/v1/users/ann/revoke', shown)).statusCode).toBe(401);
    }
    expect(ports.revoked.size).toBe(0);
  });

  it('31 are asked for by every route there is, whatever it does', async () => {
    let seen = 0;
    for (const { method, path, scopes: named } of ROUTES) {
      if (!path.startsWith('/api/')) continue;
      seen += 1;
      const scopes: readonly Scope[] = named ?? [method === 'GET' ? 'read' : 'operate'];
      const there = path.replace(/:[a-z]+/g, 'a');
      expect([method, path, (await call(method, there)).status]).toEqual([method, path, 401]);
      expect(scopes.length, path).toBeGreaterThan(0);
      for (const token of all) {
        if (scopes.every((scope) => token.scopes.includes(scope))) continue;
        expect([method, path, (await call(method, there, { headers: by(token) })).status]).toEqual([method, path, 403]);
      }
    }
    expect(seen).toBeGreaterThan(20);
    expect(ports.revoked.size + ports.tickets.length + ports.asked.length).toBe(0);
  });

  it('31 are of no use to a page of another origin', async () => {
    for (const origin of ['https://evil.example', 'null', `http://127.0.0.1:${bench.port + 1}`]) {
      const reply = await call('POST', '/api/v1/users/ann/revoke', { headers: { ...by(operates), Origin: origin } });
      expect([reply.status, errorOf(reply)]).toEqual([403, 'not_allowed']);
    }
    const own = { ...by(operates), Origin: `http://127.0.0.1:${bench.port}` };
    expect((await call('POST', '/api/v1/users/ann/revoke', { headers: own })).status).toBe(200);
  });

  it('31 change nothing by GET', async () => {
    for (const path of ['users/ann/revoke', 'tickets', 'rooms/a/move', 'rooms/a/pin', 'users/ann/sessions']) {
      expect([path, (await get(`/api/v1/${path}`, by(reads))).status]).toEqual([path, 405]);
    }
  });

  it('32 ask at most so often, each for itself', async () => {
    const clock = new ManualClock();
    await bench.restart({ apiTokens: all, readRate: 3, clock });
    const ask = async (token: ApiToken | undefined) => (await get('/api/v1/users/nobody', by(token))).status;
    expect([await ask(reads), await ask(reads), await ask(reads)]).toEqual([404, 404, 404]);
    const refused = await get('/api/v1/rooms/a/presence', by(reads));
    expect([refused.status, errorOf(refused), refused.headers['retry-after']]).toEqual([429, 'rate_limited', '1']);
    expect(await ask(backend)).toBe(404);
    clock.advance(1_000);
    expect(await ask(reads)).toBe(404);
  });
});

describe('31 without a token', () => {
  it('31 a page of another origin is refused on this machine too', async () => {
    const reply = await call('POST', '/api/v1/nodes/n1/drain', { headers: { Origin: 'https://evil.example' } });
    expect([reply.status, errorOf(reply)]).toEqual([403, 'not_allowed']);
  });
});

describe('rights', () => {
  const rights = { authenticates: true, tokenLifeMsMax: 3_600_000 };
  beforeEach(async () => {
    await bench.restart({ rights });
  });

  it('22 tickets are made for a user, rooms and an origin; Redis gets their hash alone', async () => {
    const wanted = { user: 'ann', rooms: ['team-*'], publish: [], origin: 'https://app.example' };
    const reply = await post('/api/v1/tickets', wanted);
    expect([reply.status, reply.body['expiresInMs']]).toEqual([201, 30_000]);
    const ticket = String(reply.body['ticket']);
    expect(Buffer.from(ticket, 'base64url')).toHaveLength(32);
    const hash = createHash('sha256').update(ticket).digest('hex');
    expect(ports.tickets).toEqual([{ ticket: hash, grant: wanted, lifeMs: 30_000 }]);
    await post('/api/v1/tickets', { user: 'ann', rooms: ['*'], ttlMs: 5 });
    expect(ports.tickets[1]).toMatchObject({ grant: { user: 'ann', rooms: ['*'] }, lifeMs: 5 });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['no user', { rooms: ['*'] }, 'bad_user'],
    ['a user that is none', { user: 'a\u0000', rooms: ['*'] }, 'bad_user'],
    ['no rooms', { user: 'ann' }, 'bad_request'],
    ['an empty list of rooms', { user: 'ann', rooms: [] }, 'bad_request'],
    ['rooms that are no patterns', { user: 'ann', rooms: ['a b'] }, 'bad_request'],
    ['too many rooms', { user: 'ann', rooms: Array.from({ length: 101 }, (_, i) => `r${i}`) }, 'bad_request'],
    ['a right to publish that is no list', { user: 'ann', rooms: ['*'], publish: '*' }, 'bad_request'],
    ['an origin with a path', { user: 'ann', rooms: ['*'], origin: 'https://a.example/x' }, 'bad_request'],
    ['the origin null', { user: 'ann', rooms: ['*'], origin: 'null' }, 'bad_request'],
    ['too long a life', { user: 'ann', rooms: ['*'], ttlMs: 300_001 }, 'bad_request'],
    ['no life', { user: 'ann', rooms: ['*'], ttlMs: 0 }, 'bad_request'],
  ])('tickets with %s are refused', async (_name, body, code) => {
    const reply = await post('/api/v1/tickets', body);
    expect([reply.status, errorOf(reply)]).toEqual([400, code]);
    expect(ports.tickets).toEqual([]);
  });

  it('28 are revoked for as long as a token may live, which is written down', async () => {
    const reply = await post('/api/v1/users/ann/revoke', {}, { 'X-Bellhop-Operator': 'eve' });
    expect([reply.status, reply.body]).toEqual([200, { user: 'ann', at: 7 }]);
    expect([...ports.revoked]).toEqual([['ann', 3_600_000]]);
    expect(ports.audit).toMatchObject([{ by: 'eve', action: 'revoke', user: 'ann' }]);
  });

  it('cannot be given or revoked where users name themselves', async () => {
    await bench.restart();
    expect((await post('/api/v1/tickets', { user: 'ann', rooms: ['*'] })).status).toBe(409);
    expect((await post('/api/v1/users/ann/revoke', {})).status).toBe(409);
  });
});
