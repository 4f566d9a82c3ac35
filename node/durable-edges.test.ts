/** Durable rooms where things meet: what is said again while its first saying waits, answers that come late, and a link that owes its
 *  router a rebind. Each shows that nobody is told of a publish what is not so, and that everybody is told something. */
import { describe, expect, it } from 'vitest';
import type { LinkMessage, Open, OpenSession, Return } from '../shared/link/messages.ts';
import { DEFAULT_TIMINGS } from '../shared/timing.ts';
import { payloadOf } from '../shared/websocket-frame.ts';
import { NodeCalls } from './calls.ts';
import { type Cluster, oneNode, ROOM, texts } from './core-fixture.ts';
import { triple } from './fixture.ts';
import type { ProgramFactory } from './program.ts';
import { Recent } from './recent.ts';
import { recentOf } from './room-entries.ts';
import { LIMITS } from './room-fixture.ts';
import { RoomHistory } from './room-history.ts';
import { RoomKeys } from './room-keys.ts';
import { Roster } from './roster.ts';

const KEYS = new RoomKeys({ count: 0, countMax: 10 });

function said(cluster: Cluster): string[] {
  const args = { room: ROOM, after: 0, limit: 1_000, bytesMax: 1_000_000 };
  const reply = cluster.directory.execute('readLog', args, cluster.clock.now().wallMs);
  return reply.kind === 'log' ? reply.entries.map((entry) => `${entry.seq}:${entry.data}`) : [];
}

const events = (all: readonly LinkMessage[], type: string) => texts(all).filter((event) => event['type'] === type);

describe('a publish that is told to have been refused is never logged', () => {
  it('nor is one called refused that is said again, on another socket, while its first saying still waits', () => {
    const { cluster, node, router } = oneNode(['a', 'b'], undefined, 4_000);
    node.fate = (operation) => (operation === 'append' ? 'unavailable' : undefined);
    router.frame(1, 1, 'x');
    router.frame(2, 1, 'y'.repeat(3_500));
    const other = node.router('r2');
    other.open(ROOM, [{ session: 'a', kind: 'resume', seat: 2 }]);
    other.take();
    other.frame(1, 1, 'x', 1);
    expect(events(other.take(), 'error')).toMatchObject([{ code: 'outcome_unknown', id: 1 }]);
    node.fate = () => undefined;
    cluster.run(300);
    expect(said(cluster)[0]).toBe('1:"x"');
  });

  it('nor is one called refused that may have been logged before its room forgot who says it', () => {
    const { cluster, node, router } = oneNode(['a', 'b']);
    router.open(ROOM, [{ session: 'old', handle: 5, kind: 'resume', seat: 3, sent: 6 }]);
    router.take();
    node.fate = (operation) => (operation === 'append' ? 'unavailable' : undefined);
    router.frame(2, 1, 'in flight');
    for (const id of [6, 7]) router.frame(5, id, id, id);
    cluster.run(10_500);
    expect(events(router.take(), 'error').map(({ code, id }) => [code, id])).toEqual([
      ['outcome_unknown', 6],
      ['redis_unavailable', 7],
    ]);
  });

  it('nor is one called too large, of which its program had said a part before what is', () => {
    const make: ProgramFactory = () => ({
      message(publish, room) {
        room.relay(publish);
        room.broadcast('z'.repeat(100_000));
      },
    });
    const { cluster, router } = oneNode(['a'], make);
    router.frame(1, 1, 'x');
    const sent = router.take();
    expect(said(cluster)).toEqual([]);
    expect(events(sent, 'error')).toMatchObject([{ code: 'too_large', id: 1 }]);
    expect(events(sent, 'message')).toEqual([]);
    // Its id is spent.
    router.frame(1, 2, 'x', 1);
    expect(events(router.take(), 'error')).toMatchObject([{ code: 'outcome_unknown', id: 1 }]);
    expect(said(cluster)).toEqual([]);
  });
});

it('a backend that asks again under its key, while its first publish still waits, is not told that it was refused', () => {
  const { cluster, node } = oneNode(['a'], undefined, 4_000);
  const calls = new NodeCalls(node.core, () => cluster.clock.now());
  const answers: Return['result'][] = [];
  const ask = (key: string) => {
    const args = { room: ROOM, data: 'y'.repeat(3_500), key };
    calls.handle({ type: 'call', id: 1, op: 'publish', args }, (answer) => answers.push(answer));
    cluster.settle();
  };
  node.fate = (operation) => (operation === 'append' ? 'unavailable' : undefined);
  ask('first');
  ask('first');
  ask('second');
  expect(answers).toMatchObject([{ error: { code: 'outcome_unknown' } }, { error: { code: 'redis_unavailable' } }]);
  node.fate = () => undefined;
  cluster.run(300);
  expect(answers.at(-1)).toMatchObject({ ok: { seq: 1 } });
});

it('what a backend has said under a key is the same message to who hears it and to who reads it from the log', () => {
  const { cluster, node, router } = oneNode();
  const calls = new NodeCalls(node.core, () => cluster.clock.now());
  const args = { room: ROOM, from: 'u', data: 'x', key: 'k' };
  calls.handle({ type: 'call', id: 1, op: 'publish', args }, () => undefined);
  cluster.settle();
  const live = events(router.take(), 'message');
  expect(live).toHaveLength(1);
  const all = { room: ROOM, after: 0, limit: 10, bytesMax: 1_000_000 };
  const log = cluster.directory.execute('readLog', all, cluster.clock.now().wallMs);
  const read = log.kind === 'log' ? log.entries.map(recentOf) : [];
  expect(read.map(({ frame }) => JSON.parse(payloadOf(frame).toString('utf8')) as unknown)).toEqual(live);
});

it('a publish that is too large itself is refused, and not logged', () => {
  const { cluster, router } = oneNode();
  router.frame(1, 1, 'x'.repeat(70_000));
  expect(events(router.take(), 'error')).toMatchObject([{ code: 'too_large', id: 1 }]);
  expect(said(cluster)).toEqual([]);
});

it('a backend whose publish was logged, nobody knows where, is told that nobody knows', () => {
  const { cluster, node } = oneNode();
  const calls = new NodeCalls(node.core, () => cluster.clock.now());
  const answers: Return['result'][] = [];
  node.fate = (operation) => (operation === 'append' ? 'reply-lost' : undefined);
  calls.handle({ type: 'call', id: 1, op: 'publish', args: { room: ROOM, data: 1 } }, (answer) => answers.push(answer));
  node.core.turnEnd();
  cluster.settle();
  expect(said(cluster)).toEqual(['1:1']);
  node.core.lease.wentBack(cluster.clock.now());
  node.fate = () => undefined;
  cluster.run(500);
  expect(answers).toMatchObject([{ error: { code: 'outcome_unknown' } }]);
  expect(said(cluster)).toEqual(['1:1']);
});

it('an append that is answered while the log is read for what it may have logged voids no memory', () => {
  const recent = new Recent(10, true);
  const history = new RoomHistory(recent, new Roster(LIMITS), undefined, KEYS);
  const tag = '5.0000000000000000';
  recent.beginTag(tag);
  const entry = { seq: 1, tag, from: 'u', session: 'a', id: 1, at: 1, data: '1' };
  recent.push({ seq: 1, tag, session: 'a', id: 1, frame: Buffer.from('x') });
  history.catchUp(2, [entry, { ...entry, seq: 2, id: 2 }]);
  expect(recent.head).toBe(2);
  expect(recent.standing({ seq: 1, tag })).toMatchObject({ kind: 'resumed', missed: [{ seq: 2 }] });
});

it('a memory that was voided is not filled up from a log of which it knows no tag: a claim would put it in that one’s place', () => {
  const { cluster, node, router } = oneNode();
  for (const id of [1, 2, 3]) router.frame(1, id, id);
  const room = node.core.rooms.held(ROOM);
  if (room === undefined) throw new Error('it was opened');
  const log = cluster.directory.execute(
    'readLog',
    { room: ROOM, after: 0, limit: 10, bytesMax: 1_000 },
    cluster.clock.now().wallMs,
  );
  if (log.kind !== 'log') throw new Error('it was logged');
  // What was read of the log does not reach the head.
  room.history.catchUp(4, []);
  if (room.history.unread !== undefined)
    room.history.fill([...log.entries, ...log.entries.slice(2).map((entry) => ({ ...entry, seq: 4 }))]);
  expect(room.history.restorable({ ...log.record, head: 4 })).toBeUndefined();
});

it('a claim puts back also what is known of senders that have not come back', () => {
  const history = new RoomHistory(new Recent(10, true), new Roster(LIMITS), undefined, KEYS);
  const record = { owner: undefined, epoch: 5, nonce: 'n', head: 0, tags: [] };
  const mark = { seat: 1, cseq: 3, id: 3, seq: 2 };
  history.adopt(record, { first: 1, entries: [], senders: { a: mark, 'k:b': mark }, snapshot: undefined }, 1_000);
  const key = { seat: 0, cseq: 0, id: 1, seq: 2 };
  expect(history.restorable(undefined)?.senders).toEqual({ a: mark, 'k:b': key });
});

it('OPENs of one router are answered in their order, also where the log is read for the first', () => {
  const { cluster, node, router } = oneNode();
  router.frame(1, 1, 0);
  const tag = String(events(router.take(), 'message')[0]?.['tag']);
  for (let at = 1; at < 40; at++) router.frame(1, at + 1, at);
  router.take();
  const opening = (
    session: Partial<OpenSession> & { session: string; handle: number },
    more: Partial<Open> = {},
  ): Open => ({
    ...{ type: 'open', room: ROOM, floor: 0, ...more },
    sessions: [{ user: `u-${session.session}`, seat: 1, kind: 'join', since: 1, ...session }],
  });
  const now = cluster.clock.now();
  const rebind = opening({ session: 'a', handle: 1, kind: 'rebind' }, { cursor: { seq: 1, tag }, serial: 1 });
  node.core.message(router.link, rebind, now);
  node.core.message(router.link, opening({ session: 'b', handle: 2 }, { serial: 2 }), now);
  cluster.settle();
  const opened = router.take().flatMap((message) => (message.type === 'opened' ? [message] : []));
  expect(opened.map(({ session, serial }) => [session, serial])).toEqual([
    [1, 1],
    [2, 2],
  ]);
  expect(new Set(opened.map(({ room }) => room))).toEqual(new Set([node.core.rooms.held(ROOM)?.handleOn(router.link)]));
});

it('who waited for too long behind a gate that was shut is told so, though others’ frames were not taken meanwhile', () => {
  const { cluster, node, router } = oneNode(['a', 'b']);
  node.fate = (operation) => (operation === 'append' ? 'unavailable' : undefined);
  router.frame(1, 1, 'in flight');
  router.frame(2, 1, 'waits');
  node.fate = () => 'unavailable';
  cluster.run(DEFAULT_TIMINGS.fenceMs + 500);
  router.frame(1, 2, 'not taken');
  router.take();
  cluster.run(10_000);
  node.fate = () => undefined;
  cluster.run(1_000);
  expect(events(router.take(), 'error')).toMatchObject([{ code: 'redis_unavailable', id: 1 }]);
  expect(said(cluster)).toEqual(['1:"in flight"']);
});

it('a late answer to an append, whose record shows what is held by now, is no history that went back', () => {
  const { cluster, node } = oneNode();
  const hosted = node.core.rooms.get(ROOM);
  const held = hosted?.ownership.held;
  if (held === undefined) throw new Error('it was held');
  const owner = { node: 'n1', incarnation: node.incarnation };
  const record = { owner, epoch: held.epoch, nonce: held.nonce, head: 0, tags: [] };
  hosted?.ownership.fenced(record, cluster.clock.now());
  expect(hosted?.ownership.state.kind).toBe('held');
  hosted?.ownership.fenced({ ...record, nonce: triple(1).nonce }, cluster.clock.now());
  expect(hosted?.ownership.state.kind).toBe('stale');
});

it('a room whose log is being read appends nothing under its new triple before it knows where that ends', () => {
  const { cluster, node } = oneNode();
  const hosted = node.core.rooms.get(ROOM);
  if (hosted?.room === undefined) throw new Error('it was opened');
  hosted.settling = true;
  hosted.room.broadcast('x');
  cluster.run(200);
  expect(said(cluster)).toEqual([]);
  hosted.settling = false;
  cluster.run(200);
  expect(said(cluster)).toEqual(['1:"x"']);
});

describe('a publish that its program does not relay', () => {
  const echo: ProgramFactory = () => ({ message: ({ member, data }, room) => room.send(member.session, data) });

  it('is acked, also where nothing was ever said in the room', () => {
    const { router } = oneNode(['a'], echo);
    for (const id of [1, 2]) router.frame(1, id, 'x', id);
    const sent = router.take();
    expect(events(sent, 'direct')).toHaveLength(2);
    expect(events(sent, 'error')).toEqual([]);
    expect(events(sent, 'ack')).toEqual([1, 2].map((id) => ({ type: 'ack', id, seq: 0 })));
  });

  it('is acked by an owner that had no answer and claimed the room again', () => {
    const { cluster, node, router } = oneNode(['a'], echo);
    node.fate = (operation) => (operation === 'append' ? 'reply-lost' : undefined);
    router.frame(1, 1, 'x', 1);
    cluster.directory.restart({ runId: 'run-2', data: 'kept' });
    cluster.run(2 * DEFAULT_TIMINGS.graceMs, 50);
    node.fate = () => undefined;
    router.open(ROOM, [{ session: 'a', kind: 'rebind', acked: 0 }]);
    cluster.run(200, 50);
    const sent = router.take();
    expect(events(sent, 'direct')).toHaveLength(1);
    expect(events(sent, 'error')).toEqual([]);
    expect(events(sent, 'ack')).toMatchObject([{ id: 1 }]);
  });
});
