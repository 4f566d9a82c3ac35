import { describe, expect, it } from 'vitest';
import { textFrame } from '../shared/websocket-frame.ts';
import { A, B, NONCE, RouterBench } from './core-fixture.ts';
import { nodeRecord } from './fixture.ts';
import { UNACKED_FRAMES_MAX } from './session.ts';

describe('finding an owner', () => {
  it('asks the node that the record names', () => {
    const bench = new RouterBench();
    bench.client(1);
    bench.read(B);
    expect(bench.opens()).toMatchObject([{ to: 'n2', open: { floor: 0 }, handles: [1] }]);
  });

  it('asks a candidate when nobody, or a certified incarnation, is named', () => {
    for (const owner of [undefined, { node: 'n1', incarnation: 'd'.repeat(32) }]) {
      const bench = new RouterBench();
      bench.client(1);
      bench.read(owner);
      expect(bench.opens()).toHaveLength(1);
    }
  });

  it('waits for a living owner that it has no link to, rather than to ask another', () => {
    const bench = new RouterBench([A, B]);
    bench.core.linkDown(A, bench.now);
    bench.client(1);
    bench.read(A);
    expect(bench.opens()).toEqual([]);
    expect(bench.polls).toBeGreaterThan(0);
    bench.core.linkUp(A, bench.now);
    bench.read(A);
    expect(bench.opens()).toMatchObject([{ to: 'n1' }]);
  });

  it('follows a hint at once, and looks up where there is none', () => {
    const bench = new RouterBench();
    bench.client(1);
    bench.read(A);
    bench.refuse(A, 1, 'not-owner', { ...B, epoch: 8 });
    expect(bench.opens().at(-1)).toMatchObject({ to: 'n2', open: { floor: 8 } });
    bench.refuse(B, 1, 'not-owner');
    expect(bench.directory.waiting).toEqual(['readRoom']);
  });

  it('pauses after three hops', () => {
    const bench = new RouterBench();
    bench.client(1);
    bench.read(A);
    const hops = [A, B, A, B] as const;
    for (const [at, other] of [
      [A, B],
      [B, A],
      [A, B],
      [B, A],
    ] as const)
      bench.refuse(at, 1, 'not-owner', { ...other, epoch: 8 });
    expect(bench.opens()).toHaveLength(hops.length);
    bench.tick(10);
    expect([bench.opens(), bench.directory.waiting]).toEqual([[], []]);
    bench.tick(300);
    expect(bench.directory.waiting).toEqual(['readRoom']);
  });

  it('asked to wait, tries again, which is no hop', () => {
    const bench = new RouterBench();
    bench.client(1);
    bench.read(A);
    for (let i = 0; i < 10; i++) {
      bench.refuse(A, 1, 'wait');
      bench.tick(300);
      bench.read(A);
    }
    expect(bench.opens()).toHaveLength(11);
    expect(bench.closed.size).toBe(0);
  });

  it('does not ask a node again that drains', () => {
    const bench = new RouterBench();
    bench.client(1);
    bench.read(undefined);
    const [first] = bench.opens();
    const at = first?.to === 'n1' ? A : B;
    bench.refuse(at, 1, 'draining');
    bench.read(undefined);
    expect(bench.opens()[0]?.to).toBe(at === A ? 'n2' : 'n1');
  });

  it('turns a new session away in the end, and keeps one that was seated waiting', () => {
    const bench = new RouterBench();
    bench.bound([1]);
    bench.core.linkDown(A, bench.now);
    bench.client(2);
    for (let ms = 0; ms < 5_000; ms += 500) {
      bench.tick(500);
      if (bench.directory.waiting.length > 0) bench.read(A);
    }
    expect(bench.closed.get(2)).toMatchObject({ code: 1013, error: { code: 'unavailable', retryable: true } });
    expect(bench.closed.get(2)?.retryAfterMs).toBeGreaterThan(0);
    expect(bench.closed.has(1)).toBe(false);
  });
});

describe('Redis away', () => {
  it('asks the first candidate for a room it never knew, without a read, and refuses those who have no seat there', () => {
    const bench = new RouterBench();
    bench.redisFailed = true;
    bench.client(1);
    expect(bench.directory.waiting).toEqual([]);
    const [asked] = bench.opens();
    expect(asked?.open.heldOnly).toBe(true);
    bench.refuse(asked?.to === 'n1' ? A : B, 1, 'unavailable');
    expect(bench.closed.get(1)).toMatchObject({ code: 1013, error: { code: 'redis_unavailable' } });
  });

  it('seats them where the candidate holds the room', () => {
    const bench = new RouterBench([A]);
    bench.redisFailed = true;
    bench.client(1);
    bench.opens();
    bench.seat(A, [1]);
    expect(bench.closed.size).toBe(0);
    expect(bench.core.boundAt('room')).toEqual(A);
  });

  it('refuses at once what no node can be asked for', () => {
    const bench = new RouterBench();
    bench.core.linkDown(A, bench.now);
    bench.core.linkDown(B, bench.now);
    bench.redisFailed = true;
    bench.client(1);
    expect(bench.closed.get(1)).toMatchObject({ code: 1013, error: { code: 'redis_unavailable' } });
  });

  it('lets no OPEN cause a claim until Redis has been back for grace', () => {
    const bench = new RouterBench();
    bench.mayCauseClaims = false;
    bench.client(1);
    bench.directory.answer('readRoom', { kind: 'missing' });
    const [early] = bench.opens();
    expect(early?.open.heldOnly).toBe(true);
    bench.refuse(early?.to === 'n1' ? A : B, 1, 'unavailable');
    expect(bench.closed.size).toBe(0);
    bench.mayCauseClaims = true;
    bench.tick(300);
    bench.directory.answer('readRoom', { kind: 'missing' });
    const [late] = bench.opens();
    expect(late?.open.heldOnly).toBeUndefined();
  });

  it('asks where the room last was', () => {
    const known = new RouterBench();
    known.bound([1]);
    known.core.clientClosed(1, 'left');
    known.clock.advance(60_000);
    known.client(2);
    known.directory.take('readRoom').fail('unavailable');
    // Its last poll was answered: what failed was this one read.
    expect(known.opens()).toMatchObject([{ to: 'n1', open: { floor: 5 } }]);
  });

  it('sends nobody off who had a seat', () => {
    const bench = new RouterBench();
    bench.bound([1]);
    bench.redisFailed = true;
    bench.core.linkDown(A, bench.now);
    for (let ms = 0; ms < 120_000; ms += 1_000) {
      bench.tick(1_000);
      if (bench.directory.waiting.length > 0) bench.directory.take('readRoom').fail('unavailable');
    }
    expect(bench.closed.size).toBe(0);
  });

  it('a room that cannot be had for one of its sessions stays as it is for the others', () => {
    const bench = new RouterBench();
    const room = bench.bound([1]);
    bench.client(2);
    bench.refuse(A, 2, 'unavailable');
    bench.cast(A, room, 1);
    expect(bench.shown.get(1)).toEqual(['m1']);
    bench.opens();
    bench.tick(200);
    expect(bench.opens()).toMatchObject([{ handles: [2] }]);
  });
});

describe('an OPEN', () => {
  it('refused for one of many leaves the others seated', () => {
    const bench = new RouterBench();
    bench.client(1);
    bench.client(2);
    bench.client(3);
    bench.read(A);
    const room = bench.seat(A, [1]);
    bench.refuse(A, 2, 'replaced');
    bench.refuse(A, 3, 'full');
    bench.cast(A, room, 1);
    expect(bench.closed.get(2)).toMatchObject({ code: 4409 });
    expect(bench.closed.get(3)).toMatchObject({ code: 1013, error: { code: 'room_full' } });
    expect(bench.shown.get(1)).toEqual(['m1']);
  });

  it('names again one that was asked to wait, once the room is bound', () => {
    const bench = new RouterBench();
    bench.bound([1]);
    bench.client(2);
    bench.refuse(A, 2, 'wait');
    bench.opens();
    bench.tick(200);
    expect(bench.opens()).toMatchObject([{ to: 'n1', handles: [2] }]);
  });

  it('answered for a client that has gone is taken back, with how it went', () => {
    const bench = new RouterBench();
    bench.client(1);
    bench.read(A);
    bench.core.clientClosed(1, 'broken');
    expect(bench.core.rooms).toBe(0);
    bench.take('close-session');
    bench.seat(A, [1]);
    expect(bench.take('close-session')).toMatchObject([{ message: { session: 1, how: 'broken' } }]);
  });

  it('of a client that came back with a token tells its node that it may do so again, when it is turned away', () => {
    const bench = new RouterBench();
    bench.client(1);
    bench.client(2, { kind: 'resume', seat: 2 });
    bench.read(A);
    bench.tick(20_000);
    expect([1, 2].map((handle) => bench.closed.get(handle)?.code)).toEqual([1013, 1013]);
    const told = bench.take('close-session').map(({ message }) => `${message.session} ${message.how}`);
    expect([...new Set(told)].sort()).toEqual(['1 left', '2 broken']);
    for (const session of [1, 2])
      bench.from(A, { type: 'opened', session, room: 7, cseq: 0, serial: 99, verdict: 'new' });
    expect(bench.take('close-session').map(({ message }) => message.how)).toEqual(['left', 'broken']);
  });

  it('whose answer came too late may have seated a client, and that it has gone is told all the same', () => {
    const bench = new RouterBench();
    for (const handle of [1, 2, 3]) bench.client(handle);
    bench.read(A);
    // The room is asked for anew before the answer for the others comes, which counts no more.
    const serial = bench.opens()[0]?.open.serial ?? 0;
    bench.refuse(A, 1, 'wait');
    for (const session of [2, 3]) bench.from(A, { type: 'opened', session, room: 7, cseq: 0, serial, verdict: 'new' });
    bench.core.clientClosed(2, 'broken');
    expect(bench.take('close-session')).toEqual([
      { to: 'n1', message: { type: 'close-session', session: 2, how: 'broken' } },
    ]);
    // Nobody seats the third in time.
    bench.tick(20_000);
    expect(bench.closed.get(3)).toMatchObject({ code: 1013 });
    expect(bench.take('close-session').map(({ to, message }) => [to, message.session, message.how])).toEqual([
      ['n1', 1, 'left'],
      ['n1', 3, 'left'],
    ]);
    bench.from(A, { type: 'opened', session: 2, room: 7, cseq: 0, serial: 99, verdict: 'new' });
    expect(bench.take('close-session')).toMatchObject([{ message: { session: 2, how: 'broken' } }]);
  });

  it('whose clients have all gone does not keep waiting whoever came meanwhile', () => {
    const bench = new RouterBench();
    bench.client(1);
    bench.read(A);
    bench.opens();
    bench.client(2);
    expect(bench.opens()).toEqual([]);
    bench.core.clientClosed(1, 'left');
    expect(bench.opens()).toMatchObject([{ to: 'n1', handles: [2] }]);
  });

  it('names whoever came while it was under way as soon as the room is bound', () => {
    const bench = new RouterBench();
    bench.client(1);
    bench.read(A);
    bench.opens();
    bench.client(2);
    bench.seat(A, [1]);
    expect(bench.opens()).toMatchObject([{ handles: [2] }]);
  });

  it('bound under a lower epoch than was seen is not taken, and the room not stuck', () => {
    const bench = new RouterBench();
    bench.client(1);
    bench.read(A);
    bench.refuse(A, 1, 'not-owner', { ...B, epoch: 9 });
    bench.opens();
    bench.seat(B, [1], { epoch: 7 });
    expect(bench.take('close-session')).toMatchObject([{ to: 'n2', message: { how: 'detached' } }]);
    expect(bench.core.boundAt('room')).toBeUndefined();
    bench.tick(300);
    bench.read(B);
    expect(bench.opens()).toMatchObject([{ to: 'n2', open: { floor: 9 } }]);
    bench.seat(B, [1], { epoch: 10 });
    expect(bench.core.boundAt('room')).toEqual(B);
  });
});

describe('a seat that was given out already', () => {
  it('is asked for again under the next number, at once and by that session alone', () => {
    const bench = new RouterBench();
    bench.bound([1]);
    bench.client(2, { kind: 'resume', seat: 2 });
    const [first] = bench.opens();
    const serial = first?.open.serial ?? 0;
    bench.from(A, { type: 'refused', session: 2, reason: 'wait', serial, seat: 3 });
    const [again] = bench.opens();
    expect(again).toMatchObject({ to: 'n1', open: { sessions: [{ handle: 2, seat: 3, kind: 'resume' }] } });
    // From here on it is its own: an owner after this one is shown it too.
    bench.opened(A, 2, bench.seat(A, []));
    expect(bench.core.sessions).toBe(2);
  });
});

describe('frames', () => {
  it('wait for a seat, leave in order, and are kept until acked', () => {
    const bench = new RouterBench();
    bench.client(1);
    bench.say(1, 'a');
    bench.read(A);
    bench.say(1, 'b');
    expect(bench.frames()).toEqual([]);
    bench.seat(A, [1]);
    bench.say(1, 'c');
    expect(bench.frames()).toEqual(['n1 1:1', 'n1 1:2', 'n1 1:3']);
    bench.from(A, { type: 'acks', entries: [{ session: 1, cseq: 2 }] });
    const room = bench.core.boundAt('room');
    expect(room).toEqual(A);
    bench.core.linkDown(A, bench.now);
    bench.say(1, 'd');
    bench.core.linkUp(A, bench.now);
    bench.seat(A, [1], { cseq: 2, epoch: 6 });
    expect(bench.frames()).toEqual(['n1 1:3*', 'n1 1:4']);
  });

  it('that a full link did not take follow when it has drained, without a gap', () => {
    const bench = new RouterBench();
    bench.bound([1]);
    bench.full.add('n1');
    bench.say(1);
    bench.say(1);
    bench.full.clear();
    bench.core.linkDrained(A);
    bench.say(1);
    expect(bench.frames()).toEqual(['n1 1:1', 'n1 1:2', 'n1 1:3']);
  });

  it('pause their client at the bound, and only it, until half of them are acked', () => {
    const bench = new RouterBench();
    bench.bound([1, 2]);
    for (let n = 0; n < UNACKED_FRAMES_MAX; n++) bench.say(1);
    bench.say(2);
    expect(bench.reading).toEqual(['1:false']);
    bench.from(A, { type: 'acks', entries: [{ session: 1, cseq: 31 }] });
    expect(bench.reading).toEqual(['1:false']);
    bench.from(A, { type: 'acks', entries: [{ session: 1, cseq: 32 }] });
    expect(bench.reading).toEqual(['1:false', '1:true']);
  });

  it('acked by one who is not the owner are kept', () => {
    const bench = new RouterBench();
    bench.bound([1]);
    bench.say(1);
    bench.from(B, { type: 'acks', entries: [{ session: 1, cseq: 1 }] });
    bench.core.nodeCertified(A, bench.now);
    bench.frames();
    bench.seat(B, [1], { epoch: 6 });
    expect(bench.frames()).toEqual(['n2 1:1*']);
  });
});

describe('a router that binds anew', () => {
  it('names the last frame whose ack it has, with which its answer came', () => {
    const bench = new RouterBench();
    const room = bench.bound();
    for (const text of ['1', '2', '3']) bench.say(1, text);
    bench.from(A, { type: 'acks', entries: [{ session: 1, cseq: 2 }] });
    bench.from(A, { type: 'moved', room, epoch: 6, to: A });
    expect(bench.opens()).toMatchObject([{ open: { sessions: [{ kind: 'rebind', acked: 2 }] } }]);
    bench.seat(A, [1], { epoch: 6, cseq: 3 });
    bench.from(A, { type: 'moved', room: room + 1, epoch: 7, to: A });
    expect(bench.opens()).toMatchObject([{ open: { sessions: [{ kind: 'rebind', acked: 3 }] } }]);
  });

  it('takes no ack while it shows the session nothing: the answer before it was not shown either', () => {
    const bench = new RouterBench();
    const room = bench.bound();
    bench.say(1, '1');
    bench.from(A, { type: 'moved', room, epoch: 5, to: A });
    bench.opens();
    bench.refuse(A, 1, 'wait');
    bench.from(A, { type: 'direct', session: 1, ephemeral: false, frame: textFrame('answer') });
    bench.from(A, { type: 'acks', entries: [{ session: 1, cseq: 1 }] });
    expect(bench.shown.get(1) ?? []).toEqual([]);
    bench.tick(300);
    bench.read(A);
    expect(bench.opens()).toMatchObject([{ open: { sessions: [{ kind: 'rebind', acked: 0 }] } }]);
  });
});

describe('a room that moves', () => {
  it('is bound again at its new owner with one cursor for all, and frames in order', () => {
    const bench = new RouterBench();
    const room = bench.bound([1, 2]);
    bench.cast(A, room, 1);
    bench.cast(A, room, 2);
    bench.say(1, 'x');
    bench.frames();
    bench.from(A, { type: 'moved', room, epoch: 6, to: B });
    bench.cast(A, room, 3, 'too late');
    bench.say(1, 'y');
    const [open] = bench.opens();
    expect(open).toMatchObject({
      to: 'n2',
      handles: [1, 2],
      open: { floor: 6, cursor: { seq: 2, tag: `5.${NONCE}` } },
    });
    expect(open?.open.sessions.every((one) => one.kind === 'rebind')).toBe(true);
    const there = bench.seat(B, [1, 2], { epoch: 6, head: 2 });
    expect(bench.frames()).toEqual(['n2 1:1*', 'n2 1:2']);
    bench.cast(B, there, 3);
    expect(bench.shown.get(1)).toEqual(['m1', 'm2', 'm3']);
    expect(bench.shown.get(2)).toEqual(['m1', 'm2', 'm3']);
    expect(bench.moves).toEqual(['->n1@5', 'n1>n2@6']);
    expect(bench.closed.size).toBe(0);
  });

  it('without saying where to is looked up', () => {
    const bench = new RouterBench();
    const room = bench.bound([1]);
    bench.from(A, { type: 'moved', room, epoch: 5 });
    bench.read(B, 6);
    expect(bench.opens()).toMatchObject([{ to: 'n2', handles: [1] }]);
  });

  it('under another tag of the same owner is bound anew', () => {
    const bench = new RouterBench();
    const room = bench.bound([1]);
    bench.cast(A, room, 1);
    bench.from(A, { type: 'moved', room, epoch: 6, to: A });
    expect(bench.opens()).toMatchObject([{ to: 'n1', open: { cursor: { seq: 1 } } }]);
    const again = bench.seat(A, [1], { epoch: 6, head: 1 });
    bench.cast(A, room, 2, 'old handle');
    bench.cast(A, again, 2);
    expect(bench.shown.get(1)).toEqual(['m1', 'm2']);
  });

  it('from a certified node finds another, and the dead is heard no more', () => {
    const bench = new RouterBench();
    const room = bench.bound([1]);
    bench.cast(A, room, 4);
    bench.view([nodeRecord('n1', A.incarnation, { state: 'dead' }), nodeRecord('n2', B.incarnation)]);
    bench.core.nodeCertified(A, bench.now);
    expect(bench.sent.find((one) => one.message.type === 'goaway')).toMatchObject({
      to: 'n1',
      message: { reason: 'certified' },
    });
    expect(bench.dropped).toEqual(['n1']);
    expect(bench.opens()).toMatchObject([{ to: 'n2', open: { cursor: { seq: 4 }, lost: A }, handles: [1] }]);
    bench.cast(A, room, 5);
    bench.seat(A, [1], { epoch: 99 });
    expect(bench.shown.get(1)).toEqual(['m4']);
    expect(bench.core.boundAt('room')).toBeUndefined();
    bench.seat(B, [1], { epoch: 6 });
    expect(bench.core.boundAt('room')).toEqual(B);
  });

  it('that Redis has forgotten is left to itself, and is not told that it is certified', () => {
    const bench = new RouterBench();
    const room = bench.bound([1]);
    bench.cast(A, room, 4);
    bench.view([nodeRecord('n2', B.incarnation)]);
    bench.core.nodeForgotten(A, bench.now);
    expect(bench.sent.filter((one) => one.message.type === 'goaway')).toEqual([]);
    expect(bench.dropped).toEqual(['n1']);
    expect(bench.opens()).toMatchObject([{ to: 'n2', open: { cursor: { seq: 4 } }, handles: [1] }]);
  });

  it('whose link breaks waits for the link or a certificate, sockets open', () => {
    const bench = new RouterBench();
    bench.bound([1]);
    bench.core.linkDown(A, bench.now);
    expect(bench.opens()).toEqual([]);
    expect(bench.polls).toBeGreaterThan(0);
    bench.tick(500);
    expect(bench.opens()).toEqual([]);
    expect(bench.closed.size).toBe(0);
  });
});

describe('the end', () => {
  it('of a room closes its clients', () => {
    const bench = new RouterBench();
    const room = bench.bound([1, 2]);
    bench.from(A, { type: 'gone', room, code: 1011, reason: 'the room failed' });
    expect([...bench.closed.values()]).toMatchObject([{ code: 1011 }, { code: 1011 }]);
    expect([bench.core.rooms, bench.core.sessions]).toEqual([0, 0]);
  });

  it('of one client is its owner’s word, and nobody else’s', () => {
    const bench = new RouterBench();
    bench.bound([1]);
    bench.from(B, { type: 'close-client', session: 1, code: 4403, reason: 'no' });
    expect(bench.closed.size).toBe(0);
    bench.from(A, { type: 'close-client', session: 1, code: 4403, reason: 'no' });
    expect(bench.closed.get(1)).toMatchObject({ code: 4403 });
  });

  it('of a client is told to its owner', () => {
    const bench = new RouterBench();
    bench.bound([1]);
    bench.core.clientClosed(1, 'left');
    expect(bench.take('close-session')).toMatchObject([{ to: 'n1', message: { session: 1, how: 'left' } }]);
  });
});
