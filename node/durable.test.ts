/** Durable rooms on whole nodes and a directory in memory: what was acked is in the log, and what is in the log reaches everybody
 *  once, whatever becomes of owners and of Redis. */
import { describe, expect, it } from 'vitest';
import type { Reply } from '../shared/directory/directory.ts';
import type { LinkMessage } from '../shared/link/messages.ts';
import { DEFAULT_TIMINGS } from '../shared/timing.ts';
import { type Cluster, oneNode, ROOM, type TestNode, texts } from './core-fixture.ts';
import type { ProgramFactory } from './program.ts';

const { graceMs, fenceMs } = DEFAULT_TIMINGS;

function log(cluster: Cluster): Extract<Reply<'readLog'>, { kind: 'log' }> {
  const args = { room: ROOM, after: 0, limit: 1_000, bytesMax: 1_000_000 };
  const reply = cluster.directory.execute('readLog', args, cluster.clock.now().wallMs);
  if (reply.kind !== 'log') throw new Error('there is no log');
  return reply;
}

const said = (cluster: Cluster) => log(cluster).entries.map((entry) => `${entry.seq}:${entry.data}`);
const events = (all: readonly LinkMessage[], type: string) => texts(all).filter((one) => one['type'] === type);
const acked = (all: readonly LinkMessage[]) => all.flatMap((one) => (one.type === 'acks' ? one.entries : []));

function certify(cluster: Cluster, node: TestNode): void {
  cluster.nodes.splice(cluster.nodes.indexOf(node), 1);
  const { runId, gen } = node.core.lease;
  const by = { kind: 'proof', how: 'test' } as const;
  const args = { node: node.name, incarnation: node.incarnation, by, runId: runId ?? '', gen: gen ?? '' };
  expect(cluster.directory.execute('certify', args, cluster.clock.now().wallMs)).toMatchObject({ kind: 'certified' });
}

/** A room that has forgotten session a, whose x was logged and not acked, and whose owner is dead. */
function forgotten(): Cluster {
  const { cluster, node, router } = oneNode(['a', 'b']);
  node.fate = (operation) => (operation === 'append' ? 'reply-lost' : undefined);
  router.frame(1, 1, 'x');
  node.fate = () => undefined;
  router.say({ type: 'close-session', session: 1, how: 'broken' });
  cluster.run(150_000, 500);
  router.frame(2, 1, 'y');
  certify(cluster, node);
  return cluster;
}

describe('a publish', () => {
  it('is cast and acked once its append has succeeded, under the number that the log gave it', () => {
    const { cluster, node, router } = oneNode(['a', 'b']);
    node.fate = (operation) => (operation === 'append' ? 'unavailable' : undefined);
    router.frame(1, 1, 'x');
    expect(events(router.take(), 'message')).toEqual([]);
    expect(() => log(cluster).entries[0]).not.toThrow();
    node.fate = () => undefined;
    cluster.run(200);
    router.say({ type: 'ping', seq: 1 });
    const sent = router.take();
    expect(events(sent, 'message')).toMatchObject([{ seq: 1, session: 'a', id: 1, data: 'x' }]);
    expect(acked(sent)).toEqual([{ session: 1, cseq: 1 }]);
    expect(said(cluster)).toEqual(['1:"x"']);
  });

  it('that waits keeps the acks of its session back, and nobody else’s', () => {
    const { node, router } = oneNode(['a', 'b']);
    node.fate = (operation) => (operation === 'append' ? 'unavailable' : undefined);
    router.frame(1, 1, 'x');
    const signal = Buffer.from('{"type":"signal","data":1}');
    router.say({ type: 'client-frame', session: 1, cseq: 2, resent: false, payload: signal });
    router.say({ type: 'client-frame', session: 2, cseq: 1, resent: false, payload: signal });
    expect(acked(router.take())).toEqual([{ session: 2, cseq: 1 }]);
  });

  it('whose append was carried out though no answer came is logged once', () => {
    const { cluster, node, router } = oneNode();
    node.fate = (operation) => (operation === 'append' ? 'reply-lost' : undefined);
    router.frame(1, 1, 'x');
    router.frame(1, 2, 'y');
    expect(said(cluster)).toEqual(['1:"x"']);
    node.fate = () => undefined;
    cluster.run(300);
    expect(said(cluster)).toEqual(['1:"x"', '2:"y"']);
    expect(events(router.take(), 'message')).toMatchObject([
      { seq: 1, data: 'x' },
      { seq: 2, data: 'y' },
    ]);
  });

  it('that waited too long and was never handed to Redis is refused, its frame acked first, and is never logged', () => {
    const { cluster, node, router } = oneNode(['a', 'b']);
    let handed = 0;
    node.fate = (operation) => (operation === 'append' && ++handed > 0 ? 'unavailable' : undefined);
    router.frame(1, 1, 'in flight');
    router.frame(2, 1, 'waits');
    cluster.run(10_500);
    const sent = router.take();
    expect(events(sent, 'error')).toMatchObject([{ code: 'redis_unavailable', retryable: true, id: 1 }]);
    const isError = (message: LinkMessage) => message.type === 'direct' && message.session === 2;
    const isAck = (message: LinkMessage) => message.type === 'acks' && message.entries.some((one) => one.session === 2);
    expect(sent.findIndex(isAck)).toBeLessThan(sent.findIndex(isError));
    node.fate = () => undefined;
    cluster.run(500);
    expect(said(cluster)).toEqual(['1:"in flight"']);
    expect(handed).toBeGreaterThan(10);
  });

  it('beyond what a node may hold is refused at once', () => {
    const { cluster, node, router } = oneNode(['a', 'b']);
    node.fate = (operation) => (operation === 'append' ? 'unavailable' : undefined);
    router.frame(1, 1, 'x'.repeat(30_000));
    cluster.logBytesMax = 0;
    for (let at = 0; at < 40; at++) router.frame(2, at + 1, 'y'.repeat(30_000));
    expect(events(router.take(), 'error')).toEqual([]);
    const other = node.router('r2');
    other.open(ROOM, [{ session: 'c' }]);
    other.frame(1, 1, 'z');
    expect(events(other.take(), 'error')).toMatchObject([{ code: 'redis_unavailable', id: 1 }]);
  });

  it('sent twice is one message; the second is told where the first went', () => {
    const { cluster, router } = oneNode();
    router.frame(1, 1, 'x', 5);
    router.take();
    router.frame(1, 2, 'x', 5);
    expect(events(router.take(), 'ack')).toEqual([{ type: 'ack', id: 5, seq: 1 }]);
    expect(said(cluster)).toEqual(['1:"x"']);
  });
});

describe('what a new owner takes over', () => {
  it('numbering, messages and senders: what its clients send again is acked, not said again', () => {
    const { cluster, node, router } = oneNode(['a', 'b']);
    router.frame(1, 1, 'x');
    const [first] = events(router.take(), 'message');
    // Logged, and nobody was told: the owner died between.
    node.fate = (operation) => (operation === 'append' ? 'reply-lost' : undefined);
    router.frame(1, 2, 'y');
    certify(cluster, node);

    const second = cluster.livingNode('n2').router();
    const sessions = ['a', 'b'].map((session) => ({ session, kind: 'rebind' as const }));
    const cursor = { seq: 1, tag: String(first?.['tag']) };
    second.open(ROOM, sessions, { cursor });
    const opened = second.take();
    expect(events(opened, 'message')).toMatchObject([{ seq: 2, data: 'y', id: 2 }]);
    expect(events(opened, 'reset')).toEqual([]);
    second.frame(1, 2, 'y', 2, true);
    second.frame(1, 3, 'z', 3, true);
    const sent = second.take();
    expect(events(sent, 'ack')).toEqual([{ type: 'ack', id: 2, seq: 2 }]);
    expect(events(sent, 'message')).toMatchObject([{ seq: 3, data: 'z' }]);
    expect(said(cluster)).toEqual(['1:"x"', '2:"y"', '3:"z"']);
  });

  it('without ids too: a frame that was logged is known by its seat and number', () => {
    const { cluster, node, router } = oneNode();
    const payload = (data: string) => Buffer.from(JSON.stringify({ type: 'publish', data }));
    router.say({ type: 'client-frame', session: 1, cseq: 1, resent: false, payload: payload('x') });
    certify(cluster, node);
    const second = cluster.livingNode('n2').router();
    second.open(ROOM, [{ session: 'a', kind: 'rebind' }]);
    second.say({ type: 'client-frame', session: 1, cseq: 1, resent: true, payload: payload('x') });
    second.say({ type: 'client-frame', session: 1, cseq: 2, resent: true, payload: payload('y') });
    expect(said(cluster)).toEqual(['1:"x"', '2:"y"']);
  });

  it('a late append of the owner that was is fenced', () => {
    const { cluster, node, router } = oneNode();
    router.frame(1, 1, 'x');
    const { triple } = node.core.rooms.held(ROOM) ?? {};
    certify(cluster, node);
    cluster
      .livingNode('n2')
      .router()
      .open(ROOM, [{ session: 'b' }]);
    if (triple === undefined) throw new Error('it was held');
    const item = { sender: 'a', seat: 1, cseq: 9, id: 9, isResumed: false, message: { from: 'u', data: '1' } };
    const keep = { entries: 10, ms: 1_000 };
    const late = { room: ROOM, triple, batch: 2, head: 1, items: [item], keep, forget: [], sendersMax: 10 };
    expect(cluster.directory.execute('append', late, cluster.clock.now().wallMs)).toMatchObject({ kind: 'fenced' });
  });

  it('the state of its program, as of the last batch', () => {
    const counter: ProgramFactory = (_room, state) => {
      let count = (state as number | undefined) ?? 0;
      return {
        message(_publish, room) {
          room.broadcast(++count);
        },
        state: () => count,
      };
    };
    const { cluster, node, router } = oneNode(['a'], counter);
    router.frame(1, 1, 'x');
    router.frame(1, 2, 'x');
    expect(events(router.take(), 'ack')).toMatchObject([
      { id: 1, seq: 1 },
      { id: 2, seq: 2 },
    ]);
    certify(cluster, node);
    const second = cluster.livingNode('n2', counter).router();
    second.open(ROOM, [{ session: 'a', kind: 'rebind' }]);
    // Sent again, it does not count again.
    second.frame(1, 2, 'x', 2, true);
    second.frame(1, 3, 'x', 3);
    expect(said(cluster)).toEqual(['1:1', '2:2', '3:3']);
  });
});

it('a publish that has waited for too long is not refused while its sender cannot be told', () => {
  const { cluster, node, router } = oneNode(['a', 'b']);
  node.fate = (operation) => (operation === 'append' ? 'lost' : undefined);
  router.frame(1, 1, 'x');
  router.frame(2, 1, 'y');
  node.core.linkDown(router.link, cluster.clock.now());
  cluster.run(11_000, 100);
  node.fate = () => undefined;
  cluster.run(500);
  expect(said(cluster)).toEqual(['1:"x"', '2:"y"']);
});

describe('a client that comes back', () => {
  it('is replayed from the log what has left the memory', () => {
    const { cluster, router } = oneNode(['a', 'b']);
    router.frame(1, 1, 0);
    const [first] = events(router.take(), 'message');
    for (let at = 1; at < 40; at++) router.frame(1, at + 1, at);
    router.say({ type: 'close-session', session: 2, how: 'broken' });
    router.take();
    const cursor = { seq: 1, tag: String(first?.['tag']) };
    router.open(ROOM, [{ session: 'b', handle: 3, kind: 'resume', seat: 2, cursor }]);
    const sent = router.take();
    expect(events(sent, 'welcome')).toMatchObject([{ resumed: true, seq: 1 }]);
    expect(events(sent, 'message').map((message) => message['seq'])).toEqual(
      Array.from({ length: 39 }, (_, at) => at + 2),
    );
    expect(cluster.nodes).toHaveLength(1);
  });

  it('for whom the log is read is answered before whoever asked after it, and takes no seat away from them', () => {
    const { cluster, node, router } = oneNode(['a']);
    router.frame(1, 1, 0);
    const [first] = events(router.take(), 'message');
    for (let at = 1; at < 40; at++) router.frame(1, at + 1, at);
    router.take();
    const cursor = { seq: 1, tag: String(first?.['tag']) };
    const who = (session: string, handle: number) => ({ handle, session, user: 'u', seat: 1, since: 1 });
    const opens = [
      { type: 'open', room: ROOM, floor: 0, cursor, sessions: [{ ...who('a', 1), kind: 'rebind' }] },
      { type: 'open', room: ROOM, floor: 0, sessions: [{ ...who('c', 9), kind: 'join' }] },
    ] as const;
    for (const open of opens) node.core.message(router.link, open, cluster.clock.now());
    cluster.settle();
    const sent = router.take();
    expect(sent.flatMap((message) => (message.type === 'opened' ? message.session : []))).toEqual([1, 9]);
    router.frame(9, 1, 'x');
    expect(events(router.take(), 'message')).toMatchObject([{ seq: 41, session: 'c' }]);
  });

  it('is told why it cannot go on', () => {
    const { cluster, router } = oneNode();
    router.frame(1, 1, 'x');
    const [first] = events(router.take(), 'message');
    const [epoch = '', nonce] = String(first?.['tag']).split('.');
    const reasons: unknown[] = [];
    let handle = 10;
    for (const [seq, tag] of [
      [9, `${epoch}.${nonce}`],
      [1, `${epoch}.ffffffffffffffff`],
      [1, `${Number(epoch) - 5_000}.ffffffffffffffff`],
      [1, `${Number(epoch) - 90_000_000}.ffffffffffffffff`],
    ] as const) {
      router.open(ROOM, [{ session: `s${++handle}`, handle, kind: 'resume', seat: 2, cursor: { seq, tag } }]);
      reasons.push(...events(router.take(), 'reset').map((reset) => reset['reason']));
    }
    // Also where the owner of a lost log had begun more than a day before.
    expect(reasons).toEqual(['ahead', 'forked', 'log_lost', 'log_lost']);
    expect(cluster.nodes).toHaveLength(1);
  });

  it('to the next owner is not forgotten: what it had said and was not acked, it may repeat', () => {
    const { cluster, node, router } = oneNode(['a', 'b']);
    node.fate = (operation) => (operation === 'append' ? 'reply-lost' : undefined);
    router.frame(1, 1, 'x');
    certify(cluster, node);
    const second = cluster.livingNode('n2').router();
    second.open(ROOM, [
      { session: 'a', kind: 'resume', seat: 2 },
      { session: 'b', kind: 'resume', seat: 2 },
    ]);
    for (const welcome of events(second.take(), 'welcome')) expect(welcome).not.toHaveProperty('forgotten');
    second.frame(1, 1, 'x');
    second.frame(2, 1, 'y');
    expect(said(cluster)).toEqual(['1:"x"', '2:"y"']);
    expect(events(second.take(), 'ack')).toEqual([{ type: 'ack', id: 1, seq: 1 }]);
  });

  it('and whose publishes nobody remembers is told so, once', () => {
    const { router } = oneNode();
    router.open(ROOM, [{ session: 'old', handle: 5, kind: 'resume', seat: 3 }]);
    expect(events(router.take(), 'welcome')).toMatchObject([{ forgotten: true }]);
    router.frame(5, 1, 'again', 7);
    expect(events(router.take(), 'error')).toMatchObject([{ code: 'outcome_unknown', id: 7 }]);
    router.frame(5, 2, 'new', 8);
    expect(events(router.take(), 'message')).toMatchObject([{ id: 8, data: 'new' }]);
  });

  it('to a room that does not remember it: what it sent before is unknown, what it says now is new', () => {
    const { cluster, router } = oneNode();
    router.open(ROOM, [
      { session: 'old', handle: 5, kind: 'resume', seat: 3, sent: 6 },
      { session: 'mute', handle: 6, kind: 'resume', seat: 3, sent: 0 },
    ]);
    const welcomes = events(router.take(), 'welcome');
    expect(welcomes.map(({ session, forgotten }) => [session, forgotten])).toEqual([
      ['old', true],
      ['mute', undefined],
    ]);
    for (const id of [5, 6, 7]) router.frame(5, id, id, id);
    router.frame(6, 1, 'first', 1);
    expect(events(router.take(), 'error')).toMatchObject([
      { code: 'outcome_unknown', id: 5 },
      { code: 'outcome_unknown', id: 6 },
    ]);
    expect(said(cluster)).toEqual(['1:7', '2:"first"']);
  });

  it('to a room that does not remember it, whose log is lost then: what is unknown stays so', () => {
    const { cluster, router } = oneNode();
    router.frame(1, 1, 'x');
    router.open(ROOM, [{ session: 'old', handle: 5, kind: 'resume', seat: 3, sent: 6 }]);
    for (const id of [5, 6]) router.frame(5, id, id, id);
    cluster.directory.restart({ runId: 'run-2', data: 'empty' });
    cluster.run(2 * graceMs, 50);
    router.open(ROOM, [{ session: 'old', handle: 5, kind: 'rebind', seat: 3 }]);
    router.take();
    for (const id of [5, 6]) router.frame(5, id + 2, id, id);
    cluster.run(200, 50);
    expect(events(router.take(), 'error').map(({ code, id }) => [code, id])).toEqual([
      ['outcome_unknown', 5],
      ['outcome_unknown', 6],
    ]);
    expect(said(cluster)).toEqual(['1:"x"']);
  });

  it('after its mark was forgotten, to an owner that is too young to have seen that: nothing is logged twice', () => {
    const cluster = forgotten();
    const second = cluster.livingNode('n2').router();
    second.open(ROOM, [{ session: 'a', kind: 'resume', seat: 2, sent: 1 }]);
    expect(events(second.take(), 'welcome')).toMatchObject([{ forgotten: true }]);
    second.frame(1, 1, 'x');
    expect(events(second.take(), 'error')).toMatchObject([{ code: 'outcome_unknown', id: 1 }]);
    expect(said(cluster)).toEqual(['1:"x"', '2:"y"']);
    second.frame(1, 2, 'z');
    expect(said(cluster)).toEqual(['1:"x"', '2:"y"', '3:"z"']);
  });

  it('after its mark was forgotten, to an owner after the next one: that a log has forgotten is never forgotten', () => {
    const cluster = forgotten();
    const next = cluster.livingNode('n2');
    const second = next.router();
    second.open(ROOM, [{ session: 'c' }]);
    // What was taken over and has not come back goes now.
    cluster.run(150_000, 500);
    second.frame(1, 1, 'z');
    certify(cluster, next);
    const third = cluster.livingNode('n3').router();
    third.open(ROOM, [{ session: 'a', kind: 'resume', seat: 2, sent: 1 }]);
    third.frame(1, 1, 'x');
    expect(events(third.take(), 'error')).toMatchObject([{ code: 'outcome_unknown', id: 1 }]);
    expect(said(cluster)).toEqual(['1:"x"', '2:"y"', '3:"z"']);
  });

  it.each(['the same owner', 'whom that hands the room to'])(
    'after its mark was forgotten soon after a takeover, to %s: nothing is logged twice',
    (who) => {
      const { cluster, node, router } = oneNode(['a', 'b']);
      cluster.moves.roomsPerSecond = 0;
      router.frame(1, 1, 'x');
      certify(cluster, node);
      const next = cluster.livingNode('n2');
      let there = next.router();
      there.open(ROOM, [
        { session: 'a', kind: 'resume', seat: 2, sent: 1 },
        { session: 'b', handle: 2, kind: 'resume', seat: 2, sent: 0 },
      ]);
      there.say({ type: 'close-session', session: 1, how: 'left' });
      there.frame(2, 1, 'y');
      if (who !== 'the same owner') {
        const third = cluster.livingNode('n3');
        cluster.run(1_500);
        expect(next.core.moveRoom(ROOM, 'n3', cluster.clock.now())).toBeUndefined();
        cluster.run(500);
        expect(third.core.rooms.held(ROOM)).toBeDefined();
        there = third.router();
      }
      there.open(ROOM, [{ session: 'a', handle: 5, kind: 'resume', seat: 3, sent: 1 }]);
      there.frame(5, 1, 'x');
      expect(events(there.take(), 'error')).toMatchObject([{ code: 'outcome_unknown', id: 1 }]);
      expect(said(cluster)).toEqual(['1:"x"', '2:"y"']);
    },
  );
});

describe('when Redis lost something', () => {
  it.each(['who stayed', 'who has left'])(
    'that had been logged without an answer: it is put back, and not said again, by one %s',
    (who) => {
      const { cluster, node, router } = oneNode(['a', 'b']);
      router.frame(2, 1, 'before');
      const before = cluster.directory.snapshot();
      node.fate = (operation) => (operation === 'append' ? 'reply-lost' : undefined);
      router.frame(1, 1, 'x');
      if (who === 'who has left') router.say({ type: 'close-session', session: 1, how: 'left' });
      // The first claim finds x in the log; then that is lost, and the next one puts it back.
      cluster.directory.restart({ runId: 'run-2', data: 'kept' });
      cluster.run(2 * graceMs, 50);
      expect(said(cluster)).toEqual(['1:"before"', '2:"x"']);
      cluster.directory.restart({ runId: 'run-3', data: before });
      node.fate = () => undefined;
      cluster.run(2 * graceMs, 50);
      router.open(ROOM, [{ session: 'b', handle: 2, kind: 'rebind' }]);
      router.frame(2, 2, 'after');
      cluster.run(200, 50);
      expect(said(cluster)).toEqual(['1:"before"', '2:"x"', '3:"after"']);
    },
  );

  it('everything: the owner puts log and senders back, and its clients go on', () => {
    const { cluster, router } = oneNode();
    for (let at = 1; at <= 3; at++) router.frame(1, at, at);
    const [first] = events(router.take(), 'message');
    cluster.directory.restart({ runId: 'run-2', data: 'empty' });
    cluster.run(2 * graceMs, 50);
    expect(said(cluster)).toEqual(['1:1', '2:2', '3:3']);
    router.open(ROOM, [{ session: 'a', kind: 'rebind' }], { cursor: { seq: 2, tag: String(first?.['tag']) } });
    const sent = router.take();
    expect(events(sent, 'message')).toMatchObject([{ seq: 3 }]);
    expect(events(sent, 'reset')).toEqual([]);
    router.frame(1, 3, 3, 3, true);
    router.frame(1, 4, 4);
    expect(said(cluster)).toEqual(['1:1', '2:2', '3:3', '4:4']);
  });

  it('the last messages: they are put back before anything new is said', () => {
    const { cluster, router } = oneNode();
    router.frame(1, 1, 1);
    const before = cluster.directory.snapshot();
    for (let at = 2; at <= 4; at++) router.frame(1, at, at);
    cluster.directory.restart({ runId: 'run-2', data: before });
    router.frame(1, 5, 5);
    cluster.run(2 * graceMs, 50);
    expect(said(cluster)).toEqual(['1:1', '2:2', '3:3', '4:4', '5:5']);
  });

  it('under the same run id: the append finds out, and nothing is renumbered', () => {
    const { cluster, router } = oneNode();
    router.frame(1, 1, 1);
    const before = cluster.directory.snapshot();
    router.frame(1, 2, 2);
    cluster.directory.restore(before);
    router.frame(1, 3, 3);
    cluster.run(2 * graceMs, 50);
    expect(said(cluster)).toEqual(['1:1', '2:2', '3:3']);
  });

  it('and the owner is dead: the cursor of the lost log is told so', () => {
    const { cluster, node, router } = oneNode();
    router.frame(1, 1, 1);
    const [first] = events(router.take(), 'message');
    cluster.nodes.splice(cluster.nodes.indexOf(node), 1);
    cluster.directory.restart({ runId: 'run-2', data: 'empty' });
    const second = cluster.livingNode('n2').router();
    second.open(ROOM, [{ session: 'a', kind: 'rebind' }], { cursor: { seq: 1, tag: String(first?.['tag']) } });
    expect(events(second.take(), 'reset')).toMatchObject([{ reason: 'log_lost' }]);
  });
});

describe('a handover', () => {
  it('waits for what was taken to be logged, and carries numbering and senders', () => {
    const { cluster, node, router } = oneNode();
    const target = cluster.livingNode('n2');
    router.frame(1, 1, 'x');
    let held = 0;
    node.fate = (operation) => (operation === 'append' && held++ < 3 ? 'unavailable' : undefined);
    router.frame(1, 2, 'y');
    cluster.run(1_100);
    expect(node.core.moveRoom(ROOM, 'n2', cluster.clock.now())).toBeUndefined();
    cluster.run(1_500);
    expect(target.core.rooms.held(ROOM)?.head).toBe(2);
    const there = target.router();
    there.open(ROOM, [{ session: 'a', kind: 'rebind' }]);
    there.take();
    // As a client does that has come back by another socket.
    there.frame(1, 3, 'y', 2, true);
    expect(events(there.take(), 'ack')).toEqual([{ type: 'ack', id: 2, seq: 2 }]);
    there.frame(1, 4, 'z', 3);
    expect(said(cluster)).toEqual(['1:"x"', '2:"y"', '3:"z"']);
  });

  it('sends the acks of what was logged last before the target can be the owner', () => {
    const { cluster, node, router } = oneNode();
    cluster.livingNode('n2');
    cluster.run(1_100);
    let held = 0;
    const before: unknown[] = [];
    node.fate = (operation) => {
      if (operation === 'transfer') before.push(...acked(router.take()));
      return operation === 'append' && held++ < 3 ? 'unavailable' : undefined;
    };
    router.frame(1, 1, 'x');
    expect(node.core.moveRoom(ROOM, 'n2', cluster.clock.now())).toBeUndefined();
    cluster.run(1_500);
    expect(node.core.rooms.held(ROOM)).toBeUndefined();
    expect(before).toEqual([{ session: 1, cseq: 1 }]);
  });

  it('is called off where Redis has lost what was logged, which is put back', () => {
    const { cluster, node, router } = oneNode();
    const other = cluster.livingNode('n2');
    router.frame(1, 1, 'x');
    cluster.run(100);
    const older = cluster.directory.snapshot();
    router.frame(1, 2, 'y');
    router.frame(1, 3, 'z');
    cluster.run(1_100);
    router.take();
    // The same run id, the same triple, and a heartbeat has yet to meet the counter that went back.
    node.fate = (operation) => {
      if (operation === 'transfer') cluster.directory.restore(older);
      return undefined;
    };
    expect(node.core.moveRoom(ROOM, 'n2', cluster.clock.now())).toBeUndefined();
    cluster.run(200);
    expect(node.logs).toContain('handover called off');
    node.fate = () => undefined;
    cluster.run(3_000);
    expect(said(cluster)).toEqual(['1:"x"', '2:"y"', '3:"z"']);
    expect(node.core.rooms.held(ROOM)).toMatchObject({ head: 3 });
    expect(node.core.handovers.underWay).toBe(0);
    expect(other.core.rooms.held(ROOM)).toBeUndefined();
  });

  it('that is called off lets the room take again what it did not take meanwhile', () => {
    const { cluster, node, router } = oneNode();
    cluster.livingNode('n2');
    node.fate = (operation) => (operation === 'append' ? 'unavailable' : undefined);
    router.frame(1, 1, 'x');
    node.core.moveRoom(ROOM, 'n2', cluster.clock.now());
    cluster.run(1_000);
    router.frame(1, 2, 'y');
    cluster.run(3_500);
    node.fate = () => undefined;
    const sent = router.take();
    expect(sent.find((message) => message.type === 'moved')).toMatchObject({ to: { node: 'n1' } });
    router.open(ROOM, [{ session: 'a', kind: 'rebind' }]);
    router.frame(1, 1, 'x', 1, true);
    router.frame(1, 2, 'y', 2, true);
    cluster.run(300);
    expect(said(cluster)).toEqual(['1:"x"', '2:"y"']);
  });
});

it('a node whose gate is shut appends nothing until it has renewed', () => {
  const { cluster, node, router } = oneNode();
  let appends = 0;
  node.fate = (operation) => {
    if (operation === 'append') appends++;
    return operation === 'heartbeat' || operation === 'standing' ? 'lost' : undefined;
  };
  router.frame(1, 1, 'x');
  expect(appends).toBe(1);
  cluster.run(fenceMs + 200);
  router.frame(1, 2, 'y');
  cluster.run(200);
  expect(appends).toBe(1);
});
