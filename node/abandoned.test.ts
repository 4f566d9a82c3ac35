import { beforeEach, expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { type Args, DirectoryError, type Operation, type Reply } from '../shared/directory/directory.ts';
import { token, tripleOf } from '../shared/directory/example-records.ts';
import { Abandoned } from './abandoned.ts';
import { Cluster, type Fate, type TestNode } from './core-fixture.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Time enough for the first look after a start. */
const LOOKED_MS = 630_000;
const STEP_MS = 1_000;

let cluster: Cluster;
/** `node operation`, of what only a look asks for. */
let asked: string[];
let fate: (operation: Operation) => Fate;

beforeEach(() => {
  cluster = new Cluster(true);
  asked = [];
  fate = () => undefined;
});

function living(name: string): TestNode {
  const node = cluster.livingNode(name);
  node.fate = (operation) => {
    if (operation === 'scanRooms' || operation === 'expireRoom') asked.push(`${name} ${operation}`);
    return fate(operation);
  };
  return node;
}

function execute<K extends Operation>(operation: K, args: Args<K>, inMs = 0): Reply<K> {
  return cluster.directory.execute(operation, args, cluster.clock.now().wallMs + inMs);
}

const saidIn = (room: string, inMs = 0) => {
  const reply = execute('readLog', { room, after: 0, limit: 10, bytesMax: 1_000_000 }, inMs);
  return reply.kind === 'log' ? reply.entries.map(({ seq, data }) => `${seq}:${data}`) : reply.kind;
};

/** Somebody is there and has said something. */
function spoken(node: TestNode, room: string, data = 'hello', seat = 1): void {
  const router = node.router(`r-${room}-${seat}`);
  router.open(room, [{ session: `s-${room}`, seat, kind: seat === 1 ? 'join' : 'rebind' }]);
  router.frame(1, 1, data, seat);
}

/** It says nothing any more, and is certified. */
function kill(node: TestNode): void {
  cluster.nodes.splice(cluster.nodes.indexOf(node), 1);
  const { runId = '', gen = '' } = node.core.lease;
  const by = { kind: 'proof', how: 'test' } as const;
  const args = { node: node.name, incarnation: node.incarnation, by, runId, gen };
  expect(execute('certify', args).kind).toBe('certified');
}

it('lets the rooms of a killed node expire that nobody visits, and no other', () => {
  const [lost, other] = [living('n1'), living('n2')];
  spoken(lost, 'unvisited');
  spoken(lost, 'visited');
  spoken(other, 'elsewhere');
  kill(lost);
  spoken(other, 'visited', 'again', 2);
  cluster.run(LOOKED_MS, STEP_MS);
  // Until then nothing is lost.
  expect(saidIn('unvisited', DAY_MS - HOUR_MS)).toEqual(['1:"hello"']);
  expect(saidIn('unvisited', DAY_MS + HOUR_MS)).toBe('missing');
  expect(saidIn('visited', 30 * DAY_MS)).toEqual(['1:"hello"', '2:"again"']);
  expect(saidIn('elsewhere', 30 * DAY_MS)).toEqual(['1:"hello"']);
  expect(asked).toEqual(['n2 scanRooms', 'n2 expireRoom']);
  expect(other.logs).toContain('rooms of dead nodes expire');
});

it('keeps all of a room that is visited after it was given its expiry', () => {
  const [lost, other] = [living('n1'), living('n2')];
  spoken(lost, 'visited');
  kill(lost);
  cluster.run(LOOKED_MS, STEP_MS);
  expect(asked).toContain('n2 expireRoom');
  spoken(other, 'visited', 'again', 2);
  cluster.run(2 * HOUR_MS, STEP_MS);
  expect(asked.filter((one) => one === 'n2 expireRoom')).toHaveLength(1);
  expect(saidIn('visited', 30 * DAY_MS)).toEqual(['1:"hello"', '2:"again"']);
});

it('passes over an owner that this history has never registered, and a room that is nobody’s', () => {
  living('n1');
  const { runId } = cluster.directory;
  const numbering = { kind: 'continue' } as const;
  const by = { node: 'n9', incarnation: token('stranger'), nonce: token('n', 16), floor: 0, numbering, runId };
  execute('claim', { room: 'strange', seen: undefined, ...by });
  execute('claim', { room: 'released', seen: undefined, ...by });
  const record = execute('readRoom', { room: 'released' });
  if (record.kind !== 'record') throw new Error('no record');
  const triple = tripleOf(record.record);
  execute('release', { room: 'released', triple, head: 0, expireMs: 60 * DAY_MS, isLogged: true });
  cluster.run(LOOKED_MS, STEP_MS);
  expect(asked).toEqual(['n1 scanRooms']);
  for (const room of ['strange', 'released']) expect(execute('readRoom', { room }, 30 * DAY_MS).kind).toBe('record');
});

it('has one node look, once an hour, and another when that is gone', () => {
  const nodes = ['n1', 'n2', 'n3'].map(living);
  cluster.run(LOOKED_MS, STEP_MS);
  expect(asked).toHaveLength(1);
  const first = nodes.find(({ name }) => asked[0] === `${name} scanRooms`);
  if (first === undefined) throw new Error('nobody looked');
  cluster.run(HOUR_MS, STEP_MS);
  expect(asked).toEqual([`${first.name} scanRooms`, `${first.name} scanRooms`]);
  kill(first);
  cluster.run(HOUR_MS, STEP_MS);
  expect(asked).toHaveLength(3);
  expect(asked.at(-1)).not.toBe(`${first.name} scanRooms`);
});

it('goes on where Redis did not answer, at any step', () => {
  const [lost] = [living('n1'), living('n2')];
  spoken(lost, 'unvisited');
  kill(lost);
  const failed = new Set<Operation>();
  fate = (operation) => {
    const isStep = operation === 'scanRooms' || operation === 'standing' || operation === 'expireRoom';
    if (!isStep || failed.has(operation)) return undefined;
    failed.add(operation);
    return operation === 'expireRoom' ? 'reply-lost' : 'unavailable';
  };
  cluster.run(LOOKED_MS + 60_000, STEP_MS);
  expect([...failed]).toEqual(['scanRooms', 'standing', 'expireRoom']);
  expect(saidIn('unvisited', DAY_MS + HOUR_MS)).toBe('missing');
});

it('asks once an hour, and says why it finds nothing, where its role may not look', () => {
  const clock = new ManualClock();
  const told: unknown[] = [];
  let calls = 0;
  const abandoned = new Abandoned({
    node: 'n1',
    call: (_operation, _args, done) => {
      calls++;
      done(new DirectoryError('bad-reply', 'NOPERM no permission'));
    },
    now: () => clock.now(),
    placement: { first: () => 'n1' },
    lease: { runId: 'run-1', gen: 'g1' },
    nodes: () => [],
    expireMs: DAY_MS,
    log: (_event, fields) => told.push(fields),
  });
  for (let past = 0; past < 3 * HOUR_MS; past += STEP_MS) {
    clock.advance(STEP_MS);
    abandoned.tick(clock.now());
  }
  expect(calls).toBe(3);
  expect(told).toEqual(Array.from({ length: 3 }, () => ({ reason: 'NOPERM no permission' })));
});

it('passes over a room whose keys are none', () => {
  const clock = new ManualClock();
  const read: string[] = [];
  const call = (operation: Operation, args: unknown, done: (reply: never) => void) => {
    if (operation === 'scanRooms') return done({ rooms: ['first', 'broken', 'last'], cursor: undefined } as never);
    const { room } = args as Args<'readRoom'>;
    read.push(room);
    done((room === 'broken' ? new DirectoryError('bad-reply', 'WRONGTYPE') : { kind: 'missing' }) as never);
  };
  const abandoned = new Abandoned({
    ...{ node: 'n1', call, now: () => clock.now(), placement: { first: () => 'n1' }, nodes: () => [] },
    ...{ lease: { runId: 'run-1', gen: 'g1' }, expireMs: DAY_MS, log: () => undefined },
  });
  abandoned.tick(clock.now());
  clock.advance(LOOKED_MS);
  abandoned.tick(clock.now());
  expect(read.sort()).toEqual(['broken', 'first', 'last']);
});
