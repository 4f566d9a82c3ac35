/** Moves and the audit log over HTTP: what is asked of which node, what is answered, what is written down. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NodeRecord, RoomRecord } from '../shared/directory/directory.ts';
import { BellhopError } from '../shared/errors.ts';
import type { DrainAnswer, MovesAnswer } from './api-ports.ts';
import { FakeApiPorts, incarnationOf, summary } from './fake-api-ports.ts';
import { httpApi } from './http-api.ts';

type Json = Record<string, unknown>;

let ports: FakeApiPorts;
let server: Server;

beforeEach(async () => {
  ports = new FakeApiPorts();
  server = createServer(httpApi({ ports, registry: new Registry() }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => new Promise<void>((resolve) => server.close(() => resolve())));

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}/api/v1${path}`, {
    method,
    headers: { connection: 'close', ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Json };
}
const get = (path: string) => call('GET', path);
const codeOf = ({ status, body }: { status: number; body: Json }) => [status, (body['error'] as Json)['code']];

function drainAnswer(node: string, changes: Partial<DrainAnswer> = {}): DrainAnswer {
  return {
    node,
    incarnation: incarnationOf(node),
    state: 'running',
    startedAt: 1_000,
    deadlineAt: 61_000,
    roomsPerSecond: 10,
    rooms: 30,
    moved: 3,
    left: 27,
    failed: 0,
    pauseP99Ms: 4,
    estimateMs: 2_700,
    targets: { n2: 30 },
    by: 'ann',
    ...changes,
  };
}

/** Makes a node answer one operation; the others as before. */
function answers(node: string, op: string, answer: (args: Json) => unknown): void {
  const before = ports.answers.get(node);
  ports.answers.set(node, (asked, args) => (asked === op ? answer(args) : before?.(asked, args)));
}

describe('a drain', () => {
  beforeEach(() => {
    ports.addNode('n1', [summary('a'), summary('b')]);
    ports.addNode('n2');
    for (const node of ['n1', 'n2']) answers(node, 'drain-status', () => null);
  });

  it('is ordered from the node, answered with its status, and written down', async () => {
    answers('n1', 'drain', () => drainAnswer('n1'));
    const reply = await call(
      'POST',
      '/nodes/n1/drain',
      { roomsPerSecond: 10, deadlineMs: 60_000 },
      { 'x-bellhop-operator': 'ann' },
    );
    expect([reply.status, reply.body]).toEqual([202, drainAnswer('n1')]);
    expect(ports.asked.at(-1)).toMatchObject({
      node: 'n1',
      op: 'drain',
      args: { roomsPerSecond: 10, deadlineMs: 60_000, dryRun: false, leave: false, by: 'ann' },
    });
    expect(ports.audit).toMatchObject([{ by: 'ann', action: 'drain', node: 'n1', detail: '30 rooms at 10 a second' }]);
  });

  it('is planned without being written down', async () => {
    answers('n1', 'drain', ({ dryRun }) => drainAnswer('n1', { state: dryRun === true ? 'planned' : 'running' }));
    const reply = await call('POST', '/nodes/n1/drain', { dryRun: true });
    expect([reply.status, reply.body['state'], ports.audit]).toEqual([200, 'planned', []]);
  });

  it('is refused while another node drains, and where the node is not there', async () => {
    answers('n1', 'drain-status', () => drainAnswer('n1'));
    answers('n2', 'drain', () => drainAnswer('n2'));
    expect(codeOf(await call('POST', '/nodes/n2/drain', {}))).toEqual([409, 'conflict']);
    answers('n1', 'drain-status', () => drainAnswer('n1', { state: 'done' }));
    expect((await call('POST', '/nodes/n2/drain', {})).status).toBe(202);
    // One that is silent may be anything.
    ports.answers.delete('n1');
    expect(codeOf(await call('POST', '/nodes/n2/drain', {}))).toEqual([503, 'unavailable']);
    expect(codeOf(await call('POST', '/nodes/n9/drain', {}))).toEqual([404, 'not_found']);
    ports.addNode('n3', [], { state: 'left' });
    expect(codeOf(await call('POST', '/nodes/n3/drain', {}))).toEqual([409, 'conflict']);
  });

  it.each([[{ roomsPerSecond: 0 }], [{ roomsPerSecond: '5' }], [{ deadlineMs: -1 }], [{ dryRun: 1 }]])(
    'of a malformed kind is refused: %j',
    async (body) => {
      expect(codeOf(await call('POST', '/nodes/n1/drain', body))).toEqual([400, 'bad_request']);
    },
  );

  it('refuses an operator that cannot be written down', async () => {
    const reply = await call('POST', '/nodes/n1/drain', {}, { 'x-bellhop-operator': 'x'.repeat(65) });
    expect(codeOf(reply)).toEqual([400, 'bad_request']);
  });

  it('is read and undone', async () => {
    answers('n1', 'drain-status', () => null);
    expect(codeOf(await get('/nodes/n1/drain'))).toEqual([404, 'not_found']);
    answers('n1', 'drain-status', () => drainAnswer('n1', { state: 'late', why: '27 left' }));
    expect((await get('/nodes/n1/drain')).body).toMatchObject({ state: 'late', why: '27 left' });
    answers('n1', 'undrain', ({ by }) => drainAnswer('n1', { state: 'cancelled', why: `undone by ${String(by)}` }));
    const undone = await call('DELETE', '/nodes/n1/drain');
    expect([undone.status, undone.body]).toMatchObject([200, { state: 'cancelled', why: 'undone by api' }]);
    expect(ports.audit).toMatchObject([{ by: 'api', action: 'undrain', detail: '3 rooms moved, 27 left' }]);
    answers('n1', 'undrain', () => null);
    expect(codeOf(await call('DELETE', '/nodes/n1/drain'))).toEqual([404, 'not_found']);
  });

  it('with an answer that cannot be read is a fault', async () => {
    answers('n1', 'drain-status', () => ({ ...drainAnswer('n1'), state: 'odd' }));
    expect(codeOf(await get('/nodes/n1/drain'))).toEqual([500, 'internal']);
  });

  it('that cannot be written down is carried out, and says so', async () => {
    answers('n1', 'drain', () => drainAnswer('n1'));
    ports.redisAway = true;
    const reply = await call('POST', '/nodes/n1/drain', {});
    expect([reply.status, reply.headers.get('x-bellhop-audit')]).toEqual([202, 'not-written']);
  });
});

describe('a move', () => {
  beforeEach(() => {
    ports.addNode('n1', [summary('a')]);
    ports.addNode('n2');
    answers('n1', 'move', () => ({ moving: true }));
  });

  it('pins the room and asks its owner', async () => {
    const reply = await call('POST', '/rooms/a/move', { node: 'n2' }, { 'x-bellhop-operator': 'ann' });
    expect([reply.status, reply.body]).toEqual([202, { room: 'a', from: 'n1', to: 'n2', pinned: true }]);
    expect(ports.asked.at(-1)).toMatchObject({ node: 'n1', op: 'move', args: { room: 'a', node: 'n2' } });
    const { body } = await get('/pins');
    expect(body).toMatchObject({ pins: [{ room: 'a', node: 'n2', by: 'ann' }] });
    expect(ports.audit).toMatchObject([
      { by: 'ann', action: 'move', room: 'a', node: 'n2', detail: 'from n1, pinned' },
    ]);
  });

  it('without a pin only asks', async () => {
    const reply = await call('POST', '/rooms/a/move', { node: 'n2', pin: false });
    expect([reply.status, reply.body['pinned'], ports.pins.size]).toEqual([202, false, 0]);
    expect(codeOf(await call('POST', '/rooms/nobodys/move', { node: 'n2', pin: false }))).toEqual([404, 'not_found']);
  });

  it('of a room that nobody owns, or whose owner cannot hand it over now, waits with the pin', async () => {
    const unowned = await call('POST', '/rooms/b/move', { node: 'n2' });
    expect(unowned.body).toEqual({ room: 'b', from: null, to: 'n2', pinned: true });
    answers('n1', 'move', () => {
      throw new BellhopError('conflict', 'Redis does not answer this node');
    });
    expect((await call('POST', '/rooms/a/move', { node: 'n2' })).status).toBe(202);
    expect(codeOf(await call('POST', '/rooms/a/move', { node: 'n2', pin: false }))).toEqual([409, 'conflict']);
  });

  it('needs a node that is there and takes rooms', async () => {
    expect(codeOf(await call('POST', '/rooms/a/move', {}))).toEqual([400, 'bad_request']);
    expect(codeOf(await call('POST', '/rooms/a/move', { node: 'n9' }))).toEqual([404, 'not_found']);
    ports.addNode('n3', [], { state: 'draining' });
    expect(codeOf(await call('POST', '/rooms/a/move', { node: 'n3' }))).toEqual([409, 'conflict']);
    expect(ports.pins.size).toBe(0);
  });

  it('is undone by taking the pin away', async () => {
    await call('POST', '/rooms/a/move', { node: 'n2' });
    expect((await call('DELETE', '/rooms/a/pin')).body).toEqual({ room: 'a', pinned: false });
    expect(codeOf(await call('DELETE', '/rooms/a/pin'))).toEqual([404, 'not_found']);
    expect(ports.audit.map(({ action }) => action)).toEqual(['move', 'unpin']);
  });

  it('to a node that is gone since says that its pin is not followed', async () => {
    ports.pins.set('a', { room: 'a', node: 'n9', by: 'ann', at: 1 });
    expect((await get('/pins')).body).toEqual({
      pins: [{ room: 'a', node: 'n9', by: 'ann', at: 1, why: 'there is no such node: placement decides meanwhile' }],
    });
  });
});

const moves = (changes: Partial<MovesAnswer> = {}): MovesAnswer => ({
  state: 'idle',
  held: 2,
  belongElsewhere: 0,
  moving: 0,
  moved: 5,
  failed: 0,
  pauseP99Ms: null,
  ...changes,
});

it('what moves is told of every node, with the share that newcomers have', async () => {
  ports.addNode('n1', [summary('a')]);
  ports.addNode('n2', [], { weight: 0.3, weightGoal: 1 });
  ports.addNode('n3');
  ports.answers.delete('n3');
  answers('n1', 'moves', () => moves({ state: 'paused', why: 'node n4 is being drained', belongElsewhere: 7 }));
  answers('n2', 'moves', () => moves());
  expect((await get('/moves')).body).toEqual({
    state: 'paused',
    why: 'node n4 is being drained',
    nodes: [
      { node: 'n1', share: 1, ...moves({ state: 'paused', why: 'node n4 is being drained', belongElsewhere: 7 }) },
      { node: 'n2', share: 0.3, ...moves() },
    ],
    incomplete: ['n3'],
  });
});

it('what is hot is the top of all nodes by each measure', async () => {
  const hot = (rooms: unknown[], messagesPerSecond: number) => ({
    rooms,
    messagesPerSecond,
    bytesPerSecond: 9,
    eventLoopDelayMs: 2,
  });
  const room = (name: string, messagesPerSecond: number, bytesPerSecond: number, members: number) => ({
    ...{ room: name, messagesPerSecond, bytesPerSecond, members },
  });
  ports.addNode('n1', [summary('a')]);
  ports.addNode('n2', [summary('b'), summary('c')]);
  answers('n1', 'hot', () => hot([room('a', 5, 1, 1), room('dull', 1, 1, 1)], 6));
  answers('n2', 'hot', () => hot([room('b', 1, 900, 1), room('c', 0, 0, 80)], 1));
  const { body } = await get('/hot?limit=1');
  expect((body['rooms'] as Json[]).map((one) => [one['room'], one['node']])).toEqual([
    ['a', 'n1'],
    ['b', 'n2'],
    ['c', 'n2'],
  ]);
  expect(body['nodes']).toEqual([
    { node: 'n1', rooms: 1, sessions: 2, messagesPerSecond: 6, bytesPerSecond: 9, eventLoopDelayMs: 2 },
    { node: 'n2', rooms: 2, sessions: 4, messagesPerSecond: 1, bytesPerSecond: 9, eventLoopDelayMs: 2 },
  ]);
});

it('the audit log is read in pages, and holds disconnects and closed rooms', async () => {
  ports.addNode('n1', [summary('a')]);
  answers('n1', 'close-room', () => ({ closed: true }));
  answers('n1', 'confirm', () => ({ sessions: ['s1'] }));
  answers('n1', 'kick', () => ({ closed: true }));
  const at = { room: 'a', node: 'n1', incarnation: incarnationOf('n1'), router: 'r1', epoch: 9, since: 1 };
  ports.users.set('bob', [{ session: 's1', at }]);
  await call('DELETE', '/users/bob/sessions', undefined, { 'x-bellhop-operator': 'ann' });
  await call('DELETE', '/rooms/a');
  const { body } = await get('/audit?after=0&limit=1');
  expect(body).toMatchObject({
    entries: [{ by: 'ann', action: 'disconnect', user: 'bob', detail: '1 of 1 sessions' }],
    next: 1,
  });
  expect((await get('/audit?after=1')).body).toMatchObject({
    entries: [{ id: 2, by: 'api', action: 'close', room: 'a', node: 'n1' }],
    next: 2,
  });
  expect((await get('/audit?after=2')).body).toEqual({ entries: [], next: 2 });
  expect(codeOf(await get('/audit?after=x'))).toEqual([400, 'bad_request']);
});

describe('an explanation says why', () => {
  const recordOf = (node: string | undefined, life = node): RoomRecord => ({
    owner: node === undefined ? undefined : { node, incarnation: incarnationOf(life ?? node) },
    epoch: 9,
    nonce: '0'.repeat(16),
    head: 4,
    tags: [],
  });
  const why = async () => (await get('/rooms/a/explain')).body['why'];
  const view = (node: string, changes: Partial<NodeRecord>, heartbeatAgeMs = 100) => {
    const at = ports.views.findIndex(({ record }) => record.node === node);
    const old = ports.views[at];
    if (old === undefined) throw new Error(`there is no ${node}`);
    ports.views[at] = { ...old, record: { ...old.record, ...changes }, heartbeatAgeMs };
  };

  beforeEach(() => {
    ports.addNode('n1', [summary('a')]);
    ports.addNode('n2');
  });

  it('nobody has it', async () => {
    expect(await why()).toBe('Nobody has opened it. The next client is sent to n1, unless that is too loaded.');
    ports.records.set('a', recordOf(undefined));
    ports.pins.set('a', { room: 'a', node: 'n2', by: 'ann', at: 1 });
    expect(await why()).toBe(
      'It was empty and was given up: nobody owns it. The next client is sent to n2, where ann pinned it.',
    );
  });

  it('its owner has it: by placement, by a pin, in spite of one', async () => {
    ports.records.set('a', recordOf('n1'));
    expect(await why()).toBe('n1 owns it, where placement puts it.');
    ports.pins.set('a', { room: 'a', node: 'n1', by: 'ann', at: 1 });
    expect(await why()).toBe('n1 owns it, since ann pinned it there.');
    ports.pins.set('a', { room: 'a', node: 'n9', by: 'ann', at: 1 });
    expect(await why()).toBe(
      'n1 owns it, where placement puts it. It is pinned to n9, but there is no such node: placement decides meanwhile.',
    );
    ports.pins.set('a', { room: 'a', node: 'n2', by: 'ann', at: 1 });
    answers('n1', 'room', () => ({ ...summary('a'), belongs: { to: 'n2', why: 'its turn to move has not come yet' } }));
    expect(await why()).toBe('n1 owns it, though ann pinned it to n2: its turn to move has not come yet.');
  });

  it('it moves, or its owner is drained', async () => {
    ports.records.set('a', recordOf('n1'));
    answers('n1', 'room', () => ({ ...summary('a'), moving: { to: 'n2', step: 'final', sinceMs: 12 } }));
    const { body } = await get('/rooms/a/explain');
    expect(body).toMatchObject({
      why: 'n1 owns it and is handing it to n2 (final, since 12 ms).',
      moving: { to: 'n2', step: 'final', sinceMs: 12 },
      pinned: null,
    });
    view('n1', { state: 'draining' });
    answers('n1', 'room', () => ({ ...summary('a'), belongs: { to: 'n2' } }));
    expect(await why()).toBe('n1 owns it. That node is being drained: the room goes to n2 in its turn.');
  });

  it('its owner is silent, dead, replaced or has left', async () => {
    ports.records.set('a', recordOf('n1'));
    ports.answers.delete('n1');
    expect(await why()).toBe('n1 owns it, and is about to open it or does not answer this router.');
    view('n1', {}, 1_800);
    expect(await why()).toBe(
      'n1 owns it and does not answer; its heartbeat has stood still for 1800 ms. Once it is certified as dead another takes the room over.',
    );
    view('n1', { state: 'dead' });
    expect(await why()).toContain('Its owner, a life of n1, has died, and no other has claimed it yet.');
    view('n1', { state: 'left' });
    expect(await why()).toContain('Its owner, a life of n1, has left,');
    view('n1', { state: 'active' });
    ports.records.set('a', recordOf('n1', 'another'));
    expect(await why()).toContain('Its owner, a life of n1, has died,');
  });

  it('its record cannot be read', async () => {
    ports.redisAway = true;
    expect(await why()).toBe('Its record cannot be read now (unavailable); n1 holds it.');
  });
});
