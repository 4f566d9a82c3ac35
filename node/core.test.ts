/** Whole nodes on a directory in memory: what must hold across lease, ownership, rooms and links. */
import { describe, expect, it, vi } from 'vitest';
import type { LinkMessage } from '../shared/link/messages.ts';
import { DEFAULT_TIMINGS } from '../shared/timing.ts';
import { Cluster, texts } from './core-fixture.ts';

const { fenceMs, graceMs, deadMs } = DEFAULT_TIMINGS;
const find = <T extends LinkMessage['type']>(all: readonly LinkMessage[], type: T) =>
  all.find((one): one is Extract<LinkMessage, { type: T }> => one.type === type);

function one() {
  const cluster = new Cluster();
  const node = cluster.livingNode('n1');
  const router = node.router();
  return { cluster, node, router };
}

describe('an OPEN', () => {
  it('claims, binds, seats; a second room handle is never the first', () => {
    const { router } = one();
    router.open('room', [{ session: 'a' }]);
    const bind = find(router.take(), 'bind');
    router.open('other', [{ session: 'b', handle: 2 }]);
    expect(find(router.take(), 'bind')?.handle).not.toBe(bind?.handle);
  });

  it('is answered for each of its sessions while the node cannot claim', () => {
    const cluster = new Cluster();
    const node = cluster.node('n1');
    const router = node.router();
    router.open('room', [{ session: 'a' }, { session: 'b' }]);
    expect(router.take()).toMatchObject([
      { type: 'refused', session: 1, reason: 'wait' },
      { type: 'refused', session: 2, reason: 'wait' },
    ]);
  });

  it('for a room of another node points there', () => {
    const { cluster, router } = one();
    const second = cluster.livingNode('n2');
    const there = second.router();
    router.open('room', [{ session: 'a' }]);
    there.open('room', [{ session: 'b' }]);
    expect(there.take()).toMatchObject([{ type: 'refused', reason: 'not-owner', hint: { node: 'n1' } }]);
  });

  it('for a program that this node does not run is refused', () => {
    const { router } = one();
    router.open('no-such', [{ session: 'a' }]);
    expect(router.take()).toMatchObject([{ reason: 'not-owner' }]);
  });

  it('in pieces is taken as one', () => {
    const { router } = one();
    const session = (n: number) => ({
      handle: n,
      session: `s${n}`,
      user: 'u',
      seat: 1,
      kind: 'join' as const,
      since: 1,
    });
    router.say({ type: 'open', room: 'room', floor: 0, more: true, sessions: [session(1)] });
    expect(router.take()).toEqual([]);
    router.say({ type: 'open', room: 'room', floor: 0, sessions: [session(2)] });
    expect(router.takeTypes().filter((type) => type === 'opened')).toHaveLength(2);
  });

  it('is told unavailable when Redis does not answer', () => {
    const { node, router } = one();
    node.fate = () => 'lost';
    router.open('room', [{ session: 'a' }]);
    expect(router.take()).toMatchObject([{ reason: 'unavailable' }]);
  });

  it('with a floor above the epoch that another OPEN is claiming meanwhile is seated above its floor', () => {
    const { cluster, node, router } = one();
    const high = cluster.clock.now().wallMs + 1_000_000;
    const open = (handle: number, floor: number) =>
      node.core.message(
        router.link,
        {
          type: 'open',
          room: 'room',
          floor,
          sessions: [{ handle, session: `s${handle}`, user: 'u', seat: 1, kind: 'join', since: 1 }],
        },
        cluster.clock.now(),
      );
    open(1, 0);
    let claims = 0;
    node.fate = (operation) => {
      if (operation === 'claim' && claims++ === 0) open(2, high);
      return undefined;
    };
    cluster.settle();
    cluster.run(200);
    const sent = router.take();
    expect(node.core.rooms.held('room')?.epoch).toBeGreaterThan(high);
    const handle = sent.find((message) => message.type === 'opened' && message.session === 2);
    const bind = sent.find(
      (message) =>
        message.type === 'bind' && 'room' in (handle ?? {}) && message.handle === (handle as { room: number }).room,
    );
    expect(bind).toMatchObject({ epoch: node.core.rooms.held('room')?.epoch });
  });
});

describe('frames that could not be taken', () => {
  it('leave no gap: what follows is not taken before the router has shown its cursor', () => {
    const { cluster, node, router } = one();
    router.open('room', [{ session: 'a' }]);
    router.frame(1, 1, 'one');
    node.fate = () => 'lost';
    cluster.run(fenceMs + 100);
    router.frame(1, 2, 'two');
    node.fate = () => undefined;
    router.take();
    // The gate opens, and before the next tick asks for a rebind the next frame is there.
    for (let i = 0; i < 100 && !node.core.gateOpen(cluster.clock.now()); i++) {
      cluster.clock.advance(20);
      node.core.lease.tick(cluster.clock.now());
      cluster.settle();
    }
    router.frame(1, 3, 'three');
    expect(node.core.rooms.held('room')?.head).toBe(1);
    cluster.run(40);
    const moved = find(router.take(), 'moved');
    expect(moved).toMatchObject({ to: { node: 'n1' } });
    const tag = `${node.core.rooms.held('room')?.epoch}.${node.core.rooms.held('room')?.triple.nonce}`;
    router.open('room', [{ session: 'a', kind: 'rebind' }], { cursor: { seq: 1, tag } });
    expect(find(router.take(), 'opened')).toMatchObject({ cseq: 1 });
    router.frame(1, 2, 'two', 2, true);
    router.frame(1, 3, 'three', 3, true);
    expect(texts(router.take()).map((body) => body['data'])).toEqual(['two', 'three']);
  });

  it('are not acked, and gated output waits, after the gate dropped something', () => {
    const { cluster, node, router } = one();
    router.open('room', [{ session: 'a' }]);
    router.take();
    node.core.dropped(router.link, { type: 'acks', entries: [{ session: 1, cseq: 1 }] });
    router.frame(1, 1, 'one');
    expect(router.takeTypes()).toEqual([]);
    cluster.run(40);
    expect(router.takeTypes()).toEqual(['moved']);
  });

  it('of a room that is not here are answered with its absence, never with an ack', () => {
    const { router } = one();
    router.frame(77, 1, 'x');
    expect(router.take()).toMatchObject([{ type: 'refused', session: 77, reason: 'not-owner' }]);
  });

  it('a router whose queue is full is asked to bind again once it has drained', () => {
    const { cluster, node, router } = one();
    router.open('room', [{ session: 'a' }]);
    router.take();
    node.full = true;
    router.frame(1, 1, 'one');
    node.full = false;
    router.frame(1, 2, 'two');
    cluster.run(100);
    expect(router.take()).toEqual([]);
    node.core.linkDrained(router.link);
    cluster.run(40);
    expect(router.takeTypes()).toEqual(['moved']);
  });
});

describe('another history', () => {
  it('is claimed anew under a new tag, and every router shows its cursor', () => {
    const { cluster, node, router } = one();
    router.open('room', [{ session: 'a' }]);
    router.frame(1, 1, 'one');
    const before = node.core.rooms.held('room')?.triple;
    router.take();
    cluster.directory.restart({ runId: 'run-2', data: 'empty' });
    cluster.run(1_000);
    const after = node.core.rooms.held('room');
    expect(after?.epoch).toBeGreaterThan(before?.epoch ?? 0);
    expect(after?.head).toBe(1);
    expect(find(router.take(), 'moved')).toMatchObject({ epoch: after?.epoch, to: { node: 'n1' } });
    const cursor = { seq: 0, tag: `${before?.epoch}.${before?.nonce}` };
    router.open('room', [{ session: 'a', kind: 'rebind' }], { cursor });
    expect(texts(router.take())).toMatchObject([{ data: 'one' }, { type: 'presence' }]);
  });

  it('met by a suspended node lets nobody be served for grace', () => {
    const { cluster, node, router } = one();
    router.open('room', [{ session: 'a' }]);
    node.fate = () => 'lost';
    cluster.run(fenceMs + 100);
    cluster.directory.restart({ runId: 'run-2', data: 'empty' });
    node.fate = () => undefined;
    cluster.run(graceMs - 600);
    expect(node.core.rooms.held('room')).toBeUndefined();
    cluster.run(1_500);
    expect(node.core.rooms.held('room')).toBeDefined();
  });

  it('keeps the room’s memory also when the reply of the new claim is lost', () => {
    const { cluster, node, router } = one();
    router.open('room', [{ session: 'a' }]);
    router.frame(1, 1, 'one');
    let claims = 0;
    node.fate = (operation) => (operation === 'claim' && claims++ === 0 ? 'reply-lost' : undefined);
    cluster.directory.restart({ runId: 'run-2', data: 'kept' });
    cluster.run(1_000);
    expect(claims).toBe(2);
    expect(node.core.rooms.held('room')).toMatchObject({ head: 1, memberCount: 1 });
  });

  it('shows nobody a leave or a word of the program while the room is not claimed again', () => {
    const { cluster, node, router } = one();
    router.open('room', [{ session: 'a' }, { session: 'b' }]);
    const room = node.core.rooms.held('room');
    router.take();
    node.fate = (operation) => (operation === 'claim' ? 'lost' : undefined);
    cluster.directory.restart({ runId: 'run-2', data: 'kept' });
    cluster.run(400);
    expect(node.core.rooms.held('room')).toBeUndefined();
    router.say({ type: 'close-session', session: 2, how: 'left' });
    room?.broadcast('from a callback of the program');
    expect(router.takeTypes()).toEqual([]);
    node.fate = () => undefined;
    cluster.run(400);
    expect(router.takeTypes()).toEqual(['moved']);
  });
});

describe('the end', () => {
  it('comes at once, and silently, with its certificate', () => {
    const { cluster, node, router } = one();
    router.open('room', [{ session: 'a' }]);
    router.take();
    router.say({ type: 'goaway', reason: 'certified', text: '' });
    expect(node.ended).toEqual([{ kind: 'certified' }]);
    router.frame(1, 1, 'x');
    cluster.run(500);
    expect(router.take()).toEqual([]);
    expect(node.ended).toHaveLength(1);
  });

  it('does not come by the word of a node', () => {
    const { node } = one();
    const link = node.accept({ role: 'node', id: 'n9', incarnation: '9'.repeat(32) });
    node.core.message(link, { type: 'goaway', reason: 'certified', text: '' }, { monoMs: 0, wallMs: 0 });
    expect(node.ended).toEqual([]);
  });

  it('of an owner lets another take its room over, with the members it left', () => {
    const { cluster, node, router } = one();
    router.open('room', [{ session: 'a'.repeat(22) }, { session: 'b'.repeat(22) }]);
    router.frame(1, 1, 'one');
    cluster.run(500);
    const second = cluster.livingNode('n2');
    node.fate = () => 'lost';
    cluster.run(deadMs);
    const certify = {
      node: 'n1',
      incarnation: node.incarnation,
      by: { kind: 'proof', how: 'test' },
      runId: 'run-1',
      gen: node.core.lease.gen ?? '',
    } as const;
    cluster.directory.execute('certify', certify, cluster.clock.now().wallMs);
    const there = second.router();
    there.open('room', [{ session: 'a'.repeat(22), kind: 'rebind' }], {
      cursor: { seq: 1, tag: '1.1111111111111111' },
    });
    const sent = there.take();
    expect(texts(sent)).toMatchObject([
      { type: 'reset', reason: 'owner_lost' },
      { type: 'presence', count: 2 },
    ]);
    expect(second.core.rooms.held('room')?.head).toBe(0);
  });

  it('of an idle room is its release: after 60 s without a session', () => {
    const { cluster, node, router } = one();
    router.open('room', [{ session: 'a' }]);
    router.frame(1, 1, 'one');
    router.say({ type: 'close-session', session: 1, how: 'left' });
    cluster.run(59_000, 200);
    expect(node.core.load().rooms).toBe(1);
    cluster.run(3_000, 200);
    expect(node.core.load().rooms).toBe(0);
    router.open('room', [{ session: 'b' }]);
    expect(node.core.rooms.held('room')?.head).toBe(1);
  });
});

describe('a program that throws', () => {
  it('closes its room only, and the room opens anew', () => {
    const cluster = new Cluster();
    const node = cluster.livingNode('n1', () => ({
      message: (publish, room) => {
        if (publish.data === 'boom') throw new Error('boom');
        room.relay(publish);
      },
    }));
    const router = node.router();
    router.open('room', [{ session: 'a' }]);
    router.open('other', [{ session: 'b', handle: 2 }]);
    router.take();
    router.frame(1, 1, 'boom');
    expect(find(router.take(), 'gone')).toMatchObject({ code: 1011 });
    expect(node.core.load().rooms).toBe(1);
    router.frame(2, 1, 'fine');
    expect(texts(router.take())).toMatchObject([{ data: 'fine' }]);
    router.open('room', [{ session: 'a', handle: 3, seat: 2 }]);
    expect(router.takeTypes()).toContain('opened');
  });
});

describe('time', () => {
  it('costs a room nothing in which nothing is due, and reaches the one in which something is', () => {
    const { cluster, node, router } = one();
    const names = ['a', 'b', 'c'];
    for (const [at, name] of names.entries()) router.open(name, [{ session: name, handle: at + 1 }]);
    // The list of members that was made for the joins is let go a second later.
    cluster.run(2_000);
    const ticked: string[] = [];
    for (const name of names) {
      const room = node.core.rooms.held(name);
      if (room !== undefined) vi.spyOn(room, 'tick').mockImplementation(() => void ticked.push(name));
    }
    cluster.run(30_000);
    expect(ticked).toEqual([]);
    router.say({ type: 'close-session', session: 2, how: 'broken' });
    cluster.run(4_900);
    expect(ticked).toEqual([]);
    cluster.run(200);
    expect(new Set(ticked)).toEqual(new Set(['b']));
  });

  it('of a room whose gate is shut when something is due is made up for once it opens', () => {
    const { cluster, node, router } = one();
    router.open('room', [{ session: 'a' }, { session: 'b' }]);
    router.say({ type: 'close-session', session: 2, how: 'broken' });
    node.fate = () => 'lost';
    cluster.run(8_000);
    expect(node.core.rooms.get('room')?.room?.memberCount).toBe(2);
    node.fate = () => undefined;
    cluster.run(1_000);
    expect(node.core.rooms.get('room')?.room?.memberCount).toBe(1);
  });

  it('releases a room 60 s after its last session has left, not after its first', () => {
    const { cluster, node, router } = one();
    router.open('room', [{ session: 'a' }]);
    router.say({ type: 'close-session', session: 1, how: 'left' });
    cluster.run(40_000, 50);
    router.open('room', [{ session: 'b', handle: 2 }]);
    cluster.run(3_000, 50);
    router.say({ type: 'close-session', session: 2, how: 'left' });
    cluster.run(58_000, 50);
    expect(node.core.rooms.held('room')).toBeDefined();
    cluster.run(5_000, 50);
    expect(node.core.rooms.get('room')).toBeUndefined();
  });
});

it.each(['a higher floor', 'another history'])(
  'releases no room that was claimed anew, for %s, while its output left',
  (why) => {
    const { cluster, node, router } = one();
    router.open('room', [{ session: 'a' }]);
    const epoch = node.core.rooms.held('room')?.epoch ?? 0;
    const leaving: (() => void)[] = [];
    node.leaving = leaving;
    router.say({ type: 'close-session', session: 1, how: 'left' });
    cluster.run(62_000, 200);
    expect(leaving).toHaveLength(1);
    if (why === 'another history') {
      cluster.directory.restart({ runId: 'run-2', data: 'kept' });
      cluster.run(2 * graceMs, 50);
    }
    router.open('room', [{ session: 'b', handle: 2 }], why === 'a higher floor' ? { floor: epoch + 1 } : {});
    cluster.run(200, 50);
    expect(node.core.rooms.held('room')?.memberCount).toBe(1);
    for (const done of leaving) done();
    cluster.run(1_000, 50);
    expect(node.core.rooms.held('room')?.memberCount).toBe(1);
  },
);

it('names the routers of another history as soon as it is registered there', () => {
  const cluster = new Cluster();
  const node = cluster.livingNode('n1');
  let reads = 0;
  node.fate = (operation) => {
    if (operation === 'readCluster') reads++;
    return undefined;
  };
  while (reads === 0) cluster.run(20);
  cluster.directory.restart({ runId: 'run-2', data: 'kept' });
  cluster.run(700);
  const { beats, ver } = cluster.directory.execute('readCluster', {}, cluster.clock.now().wallMs);
  expect(beats['n1']).toMatchObject({ view: ver });
});
