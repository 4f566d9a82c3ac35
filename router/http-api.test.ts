import { request as httpRequest } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SCOPES } from '../shared/api-token.ts';
import { BellhopError } from '../shared/errors.ts';
import { type FakeApiPorts, incarnationOf, summary } from './fake-api-ports.ts';
import { errorOf, HttpApiBench, type Question, type Reply } from './http-api-fixture.ts';

const MESSAGE = { seq: 4, tag: '9.aa', from: null, session: null, at: 7, data: 1 };

/** Every answer below is held against the description of its route. */
const bench = new HttpApiBench();
let ports: FakeApiPorts;

beforeEach(async () => {
  await bench.start();
  ports = bench.ports;
});
afterEach(() => bench.stop());

const call = (method: string, path: string, question?: Question) => bench.call(method, path, question);
const get = (path: string, headers: Record<string, string> = {}) => call('GET', path, { headers });
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  call('POST', path, { body: JSON.stringify(body), headers });

describe('requests', () => {
  it('get errors in one shape', async () => {
    const reply = await get('/api/v1/nothing');
    expect(reply.status).toBe(404);
    expect(reply.body).toEqual({ error: { code: 'not_found', message: 'there is no such path', retryable: false } });
  });

  it('with a wrong method are told the right ones', async () => {
    const reply = await call('PUT', '/api/v1/rooms/a');
    expect([reply.status, reply.headers['allow']]).toEqual([405, 'GET, HEAD, DELETE']);
    expect((await call('DELETE', '/livez')).headers['allow']).toBe('GET, HEAD');
  });

  it('by HEAD get everything but the body', async () => {
    const [full, head] = [await get('/api/v1/nodes'), await call('HEAD', '/api/v1/nodes')];
    expect([head.status, head.text]).toEqual([200, '']);
    expect(head.headers['content-length']).toBe(full.headers['content-length']);
  });

  it('for a room without an upgrade are told what is missing', async () => {
    const reply = await get('/rooms/lobby');
    expect([reply.status, reply.headers['upgrade']]).toEqual([426, 'websocket']);
  });

  it('answer liveness, readiness and metrics', async () => {
    expect((await get('/livez')).status).toBe(200);
    expect((await get('/readyz')).status).toBe(200);
    ports.isReady = false;
    expect((await get('/readyz')).status).toBe(503);
    expect((await get('/livez')).status).toBe(200);
    expect((await get('/metrics')).headers['content-type']).toContain('text/plain');
  });

  it('are refused above the number answered at once', async () => {
    await bench.restart({ requestsMax: 1 });
    ports.addNode('n1', [summary('a')]);
    let go: (() => void) | undefined;
    const asked = new Promise<void>((resolve) => {
      ports.answers.set('n1', () => {
        resolve();
        return new Promise((done) => {
          go = () => done(summary('a'));
        });
      });
    });
    const first = get('/api/v1/rooms/a');
    await asked;
    const second = await get('/api/v1/nodes');
    expect([second.status, second.headers['retry-after']]).toEqual([429, '1']);
    go?.();
    expect((await first).status).toBe(200);
  });

  it('57 show nothing of a fault inside', async () => {
    ports.addNode('n1', [summary('a')]);
    ports.answers.set('n1', () => {
      throw new TypeError('secret detail');
    });
    const reply = await get('/api/v1/rooms/a');
    expect([reply.status, errorOf(reply)]).toEqual([500, 'internal']);
    expect(reply.text).not.toContain('secret');
  });
});

describe('access', () => {
  it('without a token is for this machine, under its own name', async () => {
    for (const host of ['127.0.0.1:80', 'localhost', 'LOCALHOST:1', '[::1]:80']) {
      expect((await get('/api/v1/nodes', { Host: host })).status).toBe(200);
    }
    for (const host of ['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example']) {
      expect((await get('/api/v1/nodes', { Host: host })).status).toBe(403);
      expect((await get('/livez', { Host: host })).status).toBe(200);
    }
    // A proxy on this machine hands on whatever Host it was asked under.
    for (const by of [{ 'X-Forwarded-For': '192.0.2.1' }, { Forwarded: 'for=192.0.2.1' }]) {
      expect((await get('/api/v1/nodes', { Host: 'localhost', ...by })).status).toBe(403);
    }
  });

  it('31 with a token needs it', async () => {
    await bench.restart({ apiTokens: [{ scopes: SCOPES, token: 'the-right-token' }] });
    expect((await get('/api/v1/nodes')).status).toBe(401);
    expect((await get('/api/v1/nodes', { Authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await get('/api/v1/nodes', { Authorization: 'Basic the-right-token' })).status).toBe(401);
    const right = { Authorization: 'Bearer the-right-token', Host: 'edge.example' };
    expect((await get('/api/v1/nodes', right)).status).toBe(200);
    expect((await get('/api/v1/nothing')).status).toBe(401);
    expect((await get('/readyz')).status).toBe(200);
  });
});

describe('rooms', () => {
  beforeEach(() => {
    ports.addNode(
      'n1',
      ['a', 'c', 'e', 'team-1'].map((room) => summary(room)),
    );
    ports.addNode(
      'n2',
      ['b', 'd', 'f'].map((room) => summary(room)),
      { state: 'draining' },
    );
    ports.addNode('n3', [], { state: 'dead' });
  });

  const names = (reply: Reply) => (reply.body['rooms'] as { room: string }[]).map(({ room }) => room);

  it('are listed from all their owners, page by page, each once', async () => {
    const seen: string[] = [];
    let cursor = '';
    for (let page = 0; page < 10; page++) {
      const reply = await get(`/api/v1/rooms?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
      seen.push(...names(reply));
      const next = reply.body['next'];
      if (typeof next !== 'string') break;
      cursor = next;
    }
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'team-1']);
    expect(ports.asked.some(({ node }) => node === 'n3')).toBe(false);
  });

  it('are listed by prefix', async () => {
    const reply = await get('/api/v1/rooms?prefix=team-');
    expect(reply.body).toEqual({
      rooms: [
        {
          ...{ room: 'team-1', node: 'n1', incarnation: incarnationOf('n1'), epoch: 9, head: 4, sessions: 2 },
          ...{ since: 77, program: 'relay' },
        },
      ],
    });
  });

  it('are not passed over when a node gives short pages', async () => {
    const short = ports.answers.get('n1');
    ports.answers.set('n1', (op, args) => short?.(op, { ...args, limit: 1 }));
    const first = await get('/api/v1/rooms?limit=10');
    expect(names(first)).toEqual(['a']);
    const second = await get(`/api/v1/rooms?limit=10&cursor=${String(first.body['next'])}`);
    expect(names(second)).toEqual(['b', 'c']);
  });

  it('that two nodes name are shown at the later owner', async () => {
    ports.addNode('n4', [summary('a', { epoch: 10 })]);
    const rooms = (await get('/api/v1/rooms?limit=1')).body['rooms'];
    expect(rooms).toMatchObject([{ room: 'a', node: 'n4', epoch: 10 }]);
  });

  it('of a node that does not answer are missing, and the list says so', async () => {
    ports.answers.delete('n1');
    const reply = await get('/api/v1/rooms');
    expect(reply.status).toBe(200);
    expect(names(reply)).toEqual(['b', 'd', 'f']);
    expect(reply.body['incomplete']).toEqual(['n1']);
  });

  it.each(['limit=0', 'limit=x', 'limit=-1', 'cursor=nonsense', 'prefix=%2F'])(
    'are not listed by %s',
    async (query) => {
      expect((await get(`/api/v1/rooms?${query}`)).status).toBe(400);
    },
  );

  it('are described by their owner; one that nobody owns is not there', async () => {
    expect((await get('/api/v1/rooms/%61')).body).toMatchObject({ room: 'a', node: 'n1', epoch: 9, program: 'relay' });
    const unknown = await get('/api/v1/rooms/nobody');
    expect([unknown.status, errorOf(unknown)]).toEqual([404, 'not_found']);
    const bad = await get('/api/v1/rooms/a%2Fb');
    expect([bad.status, errorOf(bad)]).toEqual([400, 'bad_room']);
    ports.settling.add('a');
    const settling = await get('/api/v1/rooms/a');
    expect([settling.status, errorOf(settling), settling.headers['retry-after']]).toEqual([503, 'settling', '2']);
  });

  it('whose node answers nonsense are a fault, not nonsense', async () => {
    ports.answers.set('n1', () => ({ room: 'a', epoch: 'nine' }));
    expect((await get('/api/v1/rooms/a')).status).toBe(500);
  });

  it('are closed', async () => {
    ports.answers.set('n1', () => ({ closed: true }));
    expect((await call('DELETE', '/api/v1/rooms/a')).body).toEqual({ room: 'a', closed: true });
    expect(ports.asked.at(-1)).toEqual({ node: 'n1', op: 'close-room', args: { room: 'a' } });
    ports.answers.set('n1', () => ({ closed: false }));
    expect((await call('DELETE', '/api/v1/rooms/a')).status).toBe(404);
  });

  it('are explained, also where nothing works', async () => {
    const owner = { node: 'n1', incarnation: incarnationOf('n1') };
    ports.records.set('a', { owner, epoch: 9, nonce: '0'.repeat(16), head: 4, tags: [] });
    const reply = await get('/api/v1/rooms/a/explain');
    expect(reply.body).toMatchObject({
      room: 'a',
      record: { owner, ownerLives: true, epoch: 9 },
      heldBy: [{ node: 'n1', epoch: 9 }],
      recentMoves: [{ from: 'n1', to: 'n2' }],
      cachedRoute: owner,
    });
    expect((reply.body['placement'] as unknown[]).length).toBe(3);
    ports.redisAway = true;
    ports.answers.clear();
    expect((await get('/api/v1/rooms/a/explain')).body).toMatchObject({
      record: null,
      recordError: 'unavailable',
      heldBy: [],
      incomplete: ['n1', 'n2'],
    });
  });
});

describe('presence', () => {
  const session = (letter: string) => letter.repeat(22);
  const member = (user: string, since: number, meta?: unknown) => ({
    ...{ user, node: 'n1', router: 'r1', since },
    ...(meta === undefined ? {} : { meta }),
  });

  beforeEach(() => {
    ports.addNode('n1', [summary('a')]);
    ports.presence.set('a', {
      head: { epoch: 9, incarnation: incarnationOf('n1'), node: 'n1', asOf: 500 },
      count: 3,
      members: [
        { session: session('a'), member: member('ann', 20, { mood: 'new' }) },
        { session: session('b'), member: member('bob', 30) },
        { session: session('c'), member: member('ann', 10, { mood: 'old' }) },
      ],
    });
  });

  it('comes from the projection, one entry a user', async () => {
    expect((await get('/api/v1/rooms/a/presence')).body).toEqual({
      ...{ room: 'a', epoch: 9, source: 'projection', asOf: 500, settling: false, count: 3 },
      users: [
        { user: 'ann', sessions: [session('a'), session('c')], since: 10, meta: { mood: 'new' } },
        { user: 'bob', sessions: [session('b')], since: 30 },
      ],
    });
  });

  it('is settling while the owner that wrote it is not alive', async () => {
    ports.presence.set('a', {
      head: { epoch: 8, incarnation: incarnationOf('older'), node: 'n1', asOf: 400 },
      count: 1,
      members: [{ session: session('a'), member: member('ann', 20) }],
    });
    expect((await get('/api/v1/rooms/a/presence')).body).toMatchObject({ settling: true, count: 1 });
  });

  it('of an empty room is empty', async () => {
    for (const source of ['', '?source=owner']) {
      const reply = await get(`/api/v1/rooms/empty/presence${source}`);
      expect(reply.status).toBe(200);
      expect(reply.body).toMatchObject({ count: 0, users: [], settling: false });
    }
  });

  it('comes from the owner where that is asked for', async () => {
    ports.answers.set('n1', () => ({
      ...{ epoch: 9, count: 2, version: 5, next: session('a') },
      members: [{ session: session('a'), user: 'ann', since: 20 }],
    }));
    const first = await get('/api/v1/rooms/a/presence?source=owner&limit=1');
    expect(first.body).toMatchObject({ source: 'owner', count: 2, version: 5, users: [{ user: 'ann' }] });
    await get(`/api/v1/rooms/a/presence?source=owner&limit=1&cursor=${String(first.body['next'])}`);
    expect(ports.asked.at(-1)?.args).toEqual({ room: 'a', limit: 1, cursor: session('a') });
    expect((await get('/api/v1/rooms/a/presence?source=elsewhere')).status).toBe(400);
  });

  it('cannot be read while Redis is away, and that may be tried again', async () => {
    ports.redisAway = true;
    const reply = await get('/api/v1/rooms/a/presence');
    expect(reply.status).toBe(503);
    expect(reply.body['error']).toMatchObject({ code: 'redis_unavailable', retryable: true });
  });
});

describe('messages', () => {
  beforeEach(() => {
    ports.addNode('n1', [summary('a')]);
    ports.answers.set('n1', (op) => (op === 'publish' ? { seq: 5, epoch: 9 } : { messages: [MESSAGE], head: 4 }));
  });

  it('are published, in a room that is opened if need be', async () => {
    const reply = await post(
      '/api/v1/rooms/new/messages',
      { data: { x: 1 }, from: 'ann' },
      { 'Idempotency-Key': 'k1' },
    );
    expect([reply.status, reply.body]).toEqual([200, { seq: 5, epoch: 9 }]);
    const args = { room: 'new', data: { x: 1 }, from: 'ann', key: 'k1' };
    expect(ports.asked).toEqual([{ node: 'n1', op: 'publish', args }]);
    await post('/api/v1/rooms/a/messages', { data: null });
    expect(ports.asked.at(-1)?.args).toEqual({ room: 'a', data: null, from: null });
  });

  it.each<[string, string | undefined, Record<string, string>, number]>([
    ['no body', undefined, {}, 415],
    ['another type', '{"data":1}', { 'Content-Type': 'text/plain' }, 415],
    ['a compressed body', '{"data":1}', { 'Content-Encoding': 'gzip' }, 415],
    ['no JSON', '{', {}, 400],
    ['no object', '[]', {}, 400],
    ['no data', '{"from":"ann"}', {}, 400],
    ['a bad user', '{"data":1,"from":"a b"}', {}, 400],
    ['a deep body', `{"data":${'['.repeat(100)}${']'.repeat(100)}}`, {}, 400],
    ['half a character', '{"data":"\\ud800"}', {}, 400],
    ['a bad key', '{"data":1}', { 'Idempotency-Key': 'a b' }, 400],
    ['too much', `{"data":"${'x'.repeat(65_536)}"}`, {}, 413],
    ['too much in chunks', `{"data":"${'x'.repeat(65_536)}"}`, { 'Transfer-Encoding': 'chunked' }, 413],
  ])('with %s are refused', async (_name, body, headers, status) => {
    expect((await call('POST', '/api/v1/rooms/a/messages', { body, headers })).status).toBe(status);
    expect(ports.asked).toEqual([]);
  });

  it.each(['{"data":1,"data":2}', '{"data":1,"from":"ann","fr\\u006fm":"bob"}', '{"data":1,"x":{},"x":{}}'])(
    '35 with a field that occurs twice are refused: %s',
    async (body) => {
      const reply = await call('POST', '/api/v1/rooms/a/messages', { body });
      expect([reply.status, errorOf(reply)]).toEqual([400, 'bad_message']);
      expect(ports.asked).toEqual([]);
    },
  );

  it('that go on for too long are told so while they go on', async () => {
    const reply = await new Promise<{ status: number; connection: string | undefined }>((resolve, reject) => {
      const path = '/api/v1/rooms/a/messages';
      const headers = { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' };
      const sent = httpRequest(
        { host: '127.0.0.1', port: bench.port, method: 'POST', path, headers, agent: false },
        (response) => {
          resolve({ status: response.statusCode ?? 0, connection: response.headers.connection });
          sent.destroy();
        },
      );
      sent.on('error', reject);
      sent.write('x'.repeat(65_537));
    });
    expect(reply).toEqual({ status: 413, connection: 'close' });
  });

  it('say what the owner says', async () => {
    ports.answers.set('n1', () => {
      throw new BellhopError('outcome_unknown');
    });
    const reply = await post('/api/v1/rooms/a/messages', { data: 1 });
    expect(reply.status).toBe(503);
    expect(reply.body['error']).toMatchObject({ code: 'outcome_unknown', retryable: false });
  });

  it('are read', async () => {
    const reply = await get('/api/v1/rooms/a/messages?after=3&limit=10');
    expect(reply.body).toEqual({ messages: [MESSAGE], head: 4 });
    expect(ports.asked.at(-1)?.args).toEqual({ room: 'a', after: 3, limit: 10 });
    expect((await get('/api/v1/rooms/nobody/messages')).status).toBe(404);
  });

  it('of which the owner has not all in memory are refused while the log cannot be read', async () => {
    ports.answers.set('n1', () => ({ messages: [MESSAGE], head: 4, whole: false }));
    const reply = await get('/api/v1/rooms/a/messages?after=1');
    expect([reply.status, reply.body['error']]).toMatchObject([503, { code: 'redis_unavailable', retryable: true }]);
  });

  it('of a durable room are read from its log, also while nobody owns it', async () => {
    const entry = { seq: 4, tag: '9.aa', from: 'ann', session: undefined, id: undefined, at: 7, data: '{"x":1}' };
    const record = { owner: undefined, epoch: 9, nonce: 'aa', head: 4, tags: [{ tag: '9.aa', firstSeq: 1 }] };
    ports.logs.set('old', { kind: 'log', record, first: 2, entries: [entry] });
    const reply = await get('/api/v1/rooms/old/messages?after=3');
    const message = { seq: 4, tag: '9.aa', from: 'ann', session: null, at: 7, data: { x: 1 } };
    expect([reply.status, reply.body]).toEqual([200, { messages: [message], head: 4 }]);
    expect(ports.asked).toEqual([]);
  });
});

describe('users', () => {
  const session = (letter: string) => letter.repeat(22);
  const at = (room: string, node: string) => ({
    ...{ room, node, incarnation: incarnationOf(node), router: 'r1', epoch: 9, since: 20 },
  });

  beforeEach(() => {
    ports.addNode('n1', [summary('a')]);
    ports.addNode('n2', [summary('b')]);
    ports.users.set('ann', [
      { session: session('a'), at: at('a', 'n1') },
      { session: session('b'), at: at('b', 'n1') },
      { session: session('c'), at: at('a', 'n1') },
      { session: session('d'), at: at('gone', 'n1') },
    ]);
    const present =
      (...sessions: string[]) =>
      (op: string) =>
        op === 'confirm' ? { sessions } : op === 'direct' ? { delivered: true } : { closed: true };
    ports.answers.set('n1', present(session('a')));
    ports.answers.set('n2', present(session('b')));
  });

  it('are where the owners of their rooms say they are', async () => {
    expect((await get('/api/v1/users/ann')).body).toEqual({
      user: 'ann',
      sessions: [
        { session: session('a'), room: 'a', node: 'n1', router: 'r1', since: 20 },
        { session: session('b'), room: 'b', node: 'n2', router: 'r1', since: 20 },
      ],
    });
  });

  it('without a session are not there', async () => {
    expect((await get('/api/v1/users/bob')).status).toBe(404);
    ports.owners.clear();
    expect((await get('/api/v1/users/ann')).status).toBe(404);
    expect((await get('/api/v1/users/a%20b')).status).toBe(400);
  });

  it('whose owner does not answer are shown as not confirmed', async () => {
    ports.answers.delete('n1');
    const { body } = await get('/api/v1/users/ann');
    expect(body['incomplete']).toEqual(['n1']);
    expect(body['sessions']).toMatchObject([{ confirmed: false }, { node: 'n2' }, { confirmed: false }]);
  });

  it('are told, and disconnected', async () => {
    const told = await post('/api/v1/users/ann/messages', { data: 'hi', from: 'ops' });
    expect(told.body).toEqual({ user: 'ann', sessions: 2, delivered: 2 });
    expect(ports.asked.filter(({ op }) => op === 'direct').map(({ args }) => args)).toEqual([
      { room: 'a', session: session('a'), from: 'ops', data: 'hi' },
      { room: 'b', session: session('b'), from: 'ops', data: 'hi' },
    ]);
    const ended = await call('DELETE', '/api/v1/users/ann/sessions');
    expect(ended.body).toEqual({ user: 'ann', sessions: 2, closed: 2 });
    expect((await call('DELETE', '/api/v1/users/bob/sessions')).status).toBe(404);
  });
});

describe('nodes and routers', () => {
  it('are described', async () => {
    ports.addNode('n2', [summary('b')]);
    ports.addNode('n1', [summary('a'), summary('c')]);
    const { body } = await get('/api/v1/nodes');
    expect((body['nodes'] as { node: string }[]).map(({ node }) => node)).toEqual(['n1', 'n2']);
    expect((await get('/api/v1/nodes/n1')).body).toEqual({
      ...{ node: 'n1', incarnation: incarnationOf('n1'), state: 'active', rooms: 2, sessions: 4, pid: 42, host: 'h1' },
      ...{ link: '127.0.0.1:7001', linked: true, weight: 1, version: '0.1.0', heartbeatAgeMs: 120, startedAt: 1_000 },
      programs: [{ pattern: '*', program: 'relay' }],
    });
    expect((await get('/api/v1/nodes/n9')).status).toBe(404);
    const routers = (await get('/api/v1/routers')).body['routers'] as { router: string; sessions: number }[];
    expect(routers.map(({ router, sessions }) => [router, sessions])).toEqual([
      ['r1', 3],
      ['r2', 3],
    ]);
  });
});

describe('webhooks', () => {
  const endpoint = { url: 'https://a.example/hooks', state: 'ok', queued: 1, delivered: 5, failed: 0, dropped: 0 };

  it('are summed over the nodes, the worst of which counts', async () => {
    ports.addNode('n1');
    ports.addNode('n2');
    ports.addNode('n3');
    ports.answers.set('n1', () => ({ endpoints: [{ ...endpoint, lastAt: 50 }] }));
    const failing = { state: 'failing', queued: 2, delivered: 1, failed: 3, dropped: 4, lastError: 'x', lastAt: 40 };
    ports.answers.set('n2', () => ({
      endpoints: [
        { ...endpoint, ...failing },
        { ...endpoint, url: 'https://b.example/' },
      ],
    }));
    ports.answers.delete('n3');
    const reply = await get('/api/v1/webhooks');
    expect(reply.body).toEqual({
      endpoints: [
        { ...endpoint, state: 'failing', queued: 3, delivered: 6, failed: 3, dropped: 4, lastError: 'x', lastAt: 50 },
        { ...endpoint, url: 'https://b.example/' },
      ],
      incomplete: ['n3'],
    });
  });

  it('are none where no node sends any', async () => {
    ports.addNode('n1');
    ports.answers.set('n1', () => ({ endpoints: [] }));
    expect((await get('/api/v1/webhooks')).body).toEqual({ endpoints: [] });
  });
});

it('describes itself', async () => {
  const reply = await get('/api/v1/openapi.json');
  expect([reply.status, reply.body['openapi']]).toEqual([200, '3.1.1']);
  await bench.restart({ apiTokens: [{ scopes: SCOPES, token: 'a token of sixteen' }] });
  expect((await get('/api/v1/openapi.json')).status).toBe(401);
});
