/** A whole node while Redis is away: what goes on, what is refused, what heals. */
import { describe, expect, it } from 'vitest';
import type { LinkMessage } from '../shared/link/messages.ts';
import { DEFAULT_TIMINGS } from '../shared/timing.ts';
import { Cluster, type TestNode, type TestRouter, texts } from './core-fixture.ts';

const { fenceMs } = DEFAULT_TIMINGS;
const RECORD = { url: '', version: '', host: '', pid: 1, startedAt: 0, counter: 0, sessions: 0 };

/** A node that owns `room`, and two registered routers with a link each, one of which has a member there. */
function two() {
  const cluster = new Cluster();
  const node = cluster.livingNode('n1');
  const routers = [node.router('r1'), node.router('r2')] as const;
  for (const { incarnation } of routers) {
    const timings = { fenceMs, deadMs: DEFAULT_TIMINGS.deadMs };
    const record = { ...RECORD, router: incarnation.slice(0, 8), incarnation, timings };
    cluster.directory.execute('registerRouter', { record }, 0);
  }
  cluster.run(2_500);
  routers[0].open('room', [{ session: 'a' }]);
  cluster.run(200);
  routers[0].take();
  return { cluster, node, routers };
}

/** Redis does not answer the node for `ms`; these routers, asked, say that it does not answer them. */
function away(
  { cluster, node }: { readonly cluster: Cluster; readonly node: TestNode },
  ms: number,
  say: readonly TestRouter[],
): void {
  node.fate = () => 'unavailable';
  for (let past = 0; past < ms; past += 20) {
    cluster.run(20);
    for (const { link } of say) {
      if (!node.pings.includes(link)) continue;
      const now = cluster.clock.now();
      node.core.pong(link, now, 'failed', now);
    }
    node.pings.length = 0;
  }
}

const types = (messages: readonly LinkMessage[]) => messages.map(({ type }) => type);

describe('a node whose Redis is away', () => {
  it('asks each registered router over its link, and nobody else', () => {
    const { cluster, node, routers } = two();
    const stranger = node.router('r3');
    const other = node.accept({ role: 'node', id: 'n2', incarnation: 'x' });
    node.fate = () => 'unavailable';
    cluster.run(600);
    expect(new Set(node.pings)).toEqual(new Set(routers.map(({ link }) => link)));
    expect(node.pings).not.toContain(stranger.link);
    expect(node.pings).not.toContain(other);
  });

  it('lets rooms go on: messages, signals, joins', () => {
    const world = two();
    const [router, second] = world.routers;
    away(world, 10_000, world.routers);
    router.take();
    router.frame(1, 1, 'hello');
    second.open('room', [{ session: 'b', handle: 2 }]);
    const said = router.take();
    expect(types(said)).toEqual(expect.arrayContaining(['cast', 'acks']));
    expect(texts(said)).toEqual(expect.arrayContaining([expect.objectContaining({ type: 'message', data: 'hello' })]));
    expect(types(second.take())).toContain('opened');
    expect(world.node.logs.filter((event) => event === 'suspended')).toEqual([]);
  });

  it('claims nothing: an unknown room is unavailable, at once where only a held one is asked for', () => {
    const world = two();
    const [router] = world.routers;
    away(world, 5_000, world.routers);
    router.take();
    router.open('unknown', [{ session: 'c', handle: 3 }], { heldOnly: true });
    router.open('other', [{ session: 'd', handle: 4 }]);
    expect(router.take()).toMatchObject([
      { type: 'refused', session: 3, reason: 'unavailable' },
      { type: 'refused', session: 4, reason: 'unavailable' },
    ]);
  });

  it('hands no room over, and keeps the empty ones', () => {
    const world = two();
    const [router] = world.routers;
    const next = world.cluster.livingNode('n2');
    world.cluster.run(1_500);
    away(world, 5_000, world.routers);
    expect(world.node.core.moveRoom('room', next.name, world.cluster.clock.now())).toMatch(/Redis/);
    router.say({ type: 'close-session', session: 1, how: 'left' });
    away(world, 70_000, world.routers);
    expect(world.node.core.rooms.held('room')).toBeDefined();
  });

  it('is silent once one registered router has no link to it', () => {
    const world = two();
    const [router, second] = world.routers;
    away(world, 5_000, world.routers);
    world.node.core.linkDown(second.link, world.cluster.clock.now());
    away(world, fenceMs + 100, [router]);
    router.take();
    router.frame(1, 1, 'hello');
    expect(router.take()).toEqual([]);
    expect(world.node.logs.at(-1)).toBe('suspended');
  });

  it('goes on where it was when Redis is back', () => {
    const world = two();
    const [router] = world.routers;
    away(world, 10_000, world.routers);
    router.take();
    world.node.fate = () => undefined;
    world.cluster.run(1_000);
    expect(router.takeTypes()).toEqual([]);
    router.open('new', [{ session: 'e', handle: 5 }]);
    expect(router.takeTypes()).toContain('opened');
  });
});

describe('an OPEN that may cause no claim', () => {
  it('seats where the room is held, and nowhere else', () => {
    const world = two();
    const [router, second] = world.routers;
    second.open('room', [{ session: 'b', handle: 2 }], { heldOnly: true });
    expect(second.takeTypes()).toContain('opened');
    router.take();
    router.open('unknown', [{ session: 'c', handle: 3 }], { heldOnly: true });
    expect(router.take()).toMatchObject([{ type: 'refused', session: 3, reason: 'unavailable' }]);
    world.cluster.run(200);
    const record = world.cluster.directory.execute('readRoom', { room: 'unknown' }, 0);
    expect(record).toEqual({ kind: 'missing' });
  });

  it('does not make an owner claim again above its epoch', () => {
    const world = two();
    const [router, second] = world.routers;
    const before = world.node.core.rooms.held('room')?.epoch ?? 0;
    second.open('room', [{ session: 'b', handle: 2 }], { heldOnly: true, floor: before + 5 });
    expect(second.take()).toMatchObject([{ type: 'refused', reason: 'wait' }]);
    expect(world.node.core.rooms.held('room')?.epoch).toBe(before);
    router.frame(1, 1, 'still here');
    expect(router.takeTypes()).toContain('cast');
  });
});
