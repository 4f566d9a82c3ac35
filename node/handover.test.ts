/** Planned changes of owner between whole nodes, broken at every step. */
import { describe, expect, it } from 'vitest';
import type { LinkMessage } from '../shared/link/messages.ts';
import { Cluster, texts } from './core-fixture.ts';

const find = <T extends LinkMessage['type']>(all: readonly LinkMessage[], type: T) =>
  all.find((one): one is Extract<LinkMessage, { type: T }> => one.type === type);

/** n1 holds `room`, where `a` has said two things; n2 is there to take it. */
function two() {
  const cluster = new Cluster();
  const from = cluster.livingNode('n1');
  const to = cluster.livingNode('n2');
  cluster.run(1_500);
  const router = from.router();
  const there = to.router();
  router.open('room', [{ session: 'a' }]);
  router.frame(1, 1, 'one');
  router.frame(1, 2, 'two');
  router.take();
  const record = () => {
    const reply = cluster.directory.execute('readRoom', { room: 'room' }, cluster.clock.now().wallMs);
    return reply.kind === 'record' ? reply.record : undefined;
  };
  const tagAt = (node: typeof from) =>
    `${node.core.rooms.held('room')?.epoch}.${node.core.rooms.held('room')?.triple.nonce}`;
  const move = () => from.core.moveRoom('room', 'n2', cluster.clock.now());
  return { cluster, from, to, router, there, record, tagAt, move };
}

it('of many rooms has two of them stand still at once, and all of them moved', () => {
  const cluster = new Cluster();
  const from = cluster.livingNode('n1');
  const to = cluster.livingNode('n2');
  cluster.run(1_500);
  const router = from.router();
  const rooms = Array.from({ length: 9 }, (_, at) => `room-${at}`);
  rooms.forEach((room, at) => {
    router.open(room, [{ session: `s${at}`, handle: at + 1 }]);
  });
  let most = 0;
  from.fate = () => {
    const quiet = [...from.core.rooms.all()].filter((hosted) => hosted.quiet).length;
    most = Math.max(most, quiet);
    return undefined;
  };
  for (const room of rooms) expect(from.core.moveRoom(room, 'n2', cluster.clock.now())).toBeUndefined();
  cluster.run(500);
  expect(most).toBe(2);
  expect(rooms.filter((room) => to.core.rooms.held(room) !== undefined)).toEqual(rooms);
});

describe('a handover', () => {
  it('carries the room whole: numbering, messages, seats; nobody joins or leaves', () => {
    const { cluster, from, to, router, there, record, tagAt, move } = two();
    const cursor = { seq: 1, tag: tagAt(from) };
    expect(move()).toBeUndefined();
    cluster.run(200);
    const moved = find(router.take(), 'moved');
    expect(moved).toMatchObject({ to: { node: 'n2' }, epoch: record()?.epoch });
    expect(from.core.rooms.held('room')).toBeUndefined();
    expect(from.traced).toEqual(['handover begins', 'handover: moved']);
    expect(from.logs).toContain('room handed over');
    expect(to.core.rooms.held('room')).toMatchObject({ head: 2, memberCount: 1 });
    there.open('room', [{ session: 'a', kind: 'rebind' }], { cursor });
    const sent = there.take();
    expect(texts(sent).map((body) => body['type'])).toEqual(['message', 'presence']);
    expect(find(sent, 'opened')).toMatchObject({ cseq: 2, verdict: 'resumed' });
    there.frame(1, 3, 'three');
    expect(texts(there.take())).toMatchObject([{ seq: 3, data: 'three' }]);
    router.open('room', [{ session: 'b' }]);
    expect(router.take()).toMatchObject([{ type: 'refused', reason: 'not-owner', hint: { node: 'n2' } }]);
  });

  it('takes no frame between its stop and its end, and leaves none behind', () => {
    const { cluster, from, router, there, tagAt, move } = two();
    const cursor = { seq: 2, tag: tagAt(from) };
    from.fate = (operation) => {
      if (operation === 'transfer') cluster.later(() => router.frame(1, 3, 'late'));
      return undefined;
    };
    move();
    cluster.run(200);
    const sent = router.take();
    expect(sent.filter((one) => one.type === 'acks' || one.type === 'cast')).toEqual([]);
    there.open('room', [{ session: 'a', kind: 'rebind' }], { cursor });
    expect(find(there.take(), 'opened')).toMatchObject({ cseq: 2 });
    there.frame(1, 3, 'late', 3, true);
    expect(texts(there.take())).toMatchObject([{ seq: 3, data: 'late' }]);
  });

  it('that the target refuses changes nothing', () => {
    const { cluster, from, to, router, move, record } = two();
    const before = record();
    to.core.drain(cluster.clock.now());
    move();
    cluster.run(200);
    expect(from.core.rooms.held('room')).toBeDefined();
    expect(record()).toEqual(before);
    router.frame(1, 3, 'three');
    expect(texts(router.take())).toMatchObject([{ data: 'three' }]);
  });

  it('whose target cannot be reached is called off', () => {
    const { cluster, from, move } = two();
    from.reaches = false;
    move();
    cluster.run(200);
    expect(from.logs).toContain('handover called off');
    expect(from.traced).toEqual(['handover begins', expect.stringMatching(/^handover: called off: /)]);
    expect(from.core.rooms.held('room')).toBeDefined();
    expect(from.core.handovers.underWay).toBe(0);
  });

  it('whose target falls silent is called off after 3 s', () => {
    const { cluster, from, to, move } = two();
    to.full = true;
    move();
    cluster.run(2_900);
    expect(from.core.handovers.underWay).toBe(1);
    cluster.run(300);
    expect(from.core.handovers.underWay).toBe(0);
    expect(from.core.rooms.held('room')).toBeDefined();
  });

  it.each(['early', 'final'] as const)('whose link breaks at its %s state goes on where it is', (phase) => {
    const { cluster, from, router, move } = two();
    const original = from.core.message.bind(from.core);
    let readies = 0;
    from.core.message = (link, message, now) => {
      if (message.type === 'ready' && ++readies === (phase === 'early' ? 1 : 2)) {
        router.frame(1, 3, 'meanwhile');
        return from.cutPeers();
      }
      original(link, message, now);
    };
    move();
    cluster.run(200);
    const room = from.core.rooms.held('room');
    expect(room).toBeDefined();
    const sent = router.take();
    if (phase === 'early') {
      expect(texts(sent)).toMatchObject([{ data: 'meanwhile' }]);
      return;
    }
    // Its output had stopped: the frame was not taken, so its router is asked to send it again.
    expect(texts(sent)).toEqual([]);
    expect(find(sent, 'moved')).toMatchObject({ to: { node: 'n1' } });
    router.frame(1, 4, 'overtaking');
    expect(room?.head).toBe(2);
    router.open('room', [{ session: 'a', kind: 'rebind' }], {
      cursor: { seq: 2, tag: `${room?.epoch}.${room?.triple.nonce}` },
    });
    router.frame(1, 3, 'meanwhile', 3, true);
    router.frame(1, 4, 'overtaking', 4, true);
    expect(
      texts(router.take())
        .slice(1)
        .map((body) => body['data']),
    ).toEqual(['meanwhile', 'overtaking']);
  });

  it('whose transfer finds another record lets the room go', () => {
    const { cluster, from, router, move, record } = two();
    from.fate = (operation) => {
      if (operation === 'transfer') {
        const seen = record();
        const args = {
          room: 'room',
          seen: seen && { incarnation: seen.owner?.incarnation, epoch: seen.epoch, nonce: seen.nonce },
        };
        cluster.directory.execute(
          'claim',
          {
            ...args,
            node: 'n3',
            incarnation: 'c'.repeat(32),
            nonce: 'c'.repeat(16),
            floor: 0,
            numbering: { kind: 'restart' },
            runId: 'run-1',
          },
          cluster.clock.now().wallMs,
        );
      }
      return undefined;
    };
    move();
    cluster.run(200);
    expect(from.core.rooms.held('room')).toBeUndefined();
    expect(find(router.take(), 'moved')).toBeDefined();
  });

  it('of unknown outcome that was carried out is the target’s, which opens from what it holds', () => {
    const { cluster, from, to, there, record, tagAt, move } = two();
    const cursor = { seq: 2, tag: tagAt(from) };
    from.fate = (operation) => (operation === 'transfer' ? 'reply-lost' : undefined);
    move();
    cluster.run(300);
    expect(record()?.owner?.node).toBe('n2');
    expect(from.core.rooms.held('room')).toBeUndefined();
    there.open('room', [{ session: 'a', kind: 'rebind' }], { cursor });
    expect(find(there.take(), 'opened')).toMatchObject({ cseq: 2, verdict: 'resumed' });
    expect(to.core.rooms.held('room')?.head).toBe(2);
  });

  it('of unknown outcome that was not carried out is claimed again, with all that was said', () => {
    const { cluster, from, router, record, move } = two();
    const before = record()?.epoch ?? 0;
    from.fate = (operation) => (operation === 'transfer' ? 'lost' : undefined);
    move();
    cluster.run(300);
    expect(from.core.rooms.held('room')).toMatchObject({ head: 2 });
    expect(record()?.epoch).toBeGreaterThan(before);
    expect(find(router.take(), 'moved')).toMatchObject({ to: { node: 'n1' } });
  });

  it('interrupted by another history ends in a new claim', () => {
    const { cluster, from, move } = two();
    from.fate = (operation) => {
      if (operation === 'transfer') cluster.directory.restart({ runId: 'run-2', data: 'kept' });
      return operation === 'transfer' ? 'lost' : undefined;
    };
    move();
    // Its target may own it in the history that was: only after `grace` is it claimed.
    cluster.run(1_500);
    expect(from.core.rooms.held('room')).toBeUndefined();
    cluster.run(2_500);
    expect(from.core.rooms.held('room')).toMatchObject({ head: 2 });
    expect(from.core.handovers.underWay).toBe(0);
  });

  it('of a room whose program fails as it is asked for its state closes that room, and leaves nobody waiting', () => {
    const cluster = new Cluster();
    let asked = 0;
    const from = cluster.livingNode('n1', () => ({
      state: () => {
        if (++asked > 2) throw new Error('no state');
        return 1;
      },
    }));
    cluster.livingNode('n2');
    cluster.run(1_500);
    const router = from.router();
    router.open('room', [{ session: 'a' }]);
    router.take();
    from.core.moveRoom('room', 'n2', cluster.clock.now());
    cluster.run(300);
    expect(asked).toBeGreaterThan(2);
    expect(find(router.take(), 'gone')).toMatchObject({ code: 1011 });
    cluster.run(4_000);
    router.open('room', [{ session: 'a', seat: 2, handle: 2 }]);
    cluster.run(200);
    expect(router.takeTypes()).toContain('opened');
  });
});

it('carries that a session may have said what its log has forgotten: it is not logged twice', () => {
  const cluster = new Cluster(true);
  const from = cluster.livingNode('n1');
  const to = cluster.livingNode('n2');
  cluster.run(1_500);
  const there = to.router();
  // Its numbers go on, and nothing is known of them here.
  from.router().open('room', [{ session: 'a', kind: 'resume', seat: 2 }]);
  from.core.moveRoom('room', 'n2', cluster.clock.now());
  cluster.run(300);
  there.open('room', [{ session: 'a', kind: 'rebind', seat: 2 }]);
  there.take();
  there.frame(1, 1, 'five', 5);
  there.frame(1, 2, 'six', 6);
  expect(texts(there.take())).toMatchObject([
    { type: 'error', code: 'outcome_unknown', id: 5 },
    { type: 'message', seq: 1, id: 6 },
  ]);
});
