/** What goes wrong, and when. Owns: the kinds of faults, how each begins and ends, and when the next one comes. Does not know: what
 *  must hold meanwhile.
 *  Invariant: every fault that lasts has an end, and `endAll` brings all of them to it. */
import { LEASE_STATES } from './coverage.ts';
import type { LinkSide } from './sim-link.ts';
import type { SimNode } from './sim-node.ts';
import type { SimRouter } from './sim-router.ts';
import type { World } from './world.ts';

export const FAULTS = [
  'node-crash',
  'node-pause',
  'node-drain',
  'drain-storm',
  'drain-undone',
  'move',
  'pin',
  'wall-step',
  'router-crash',
  'router-pause',
  'client-break',
  'client-slow',
  'join-storm',
  'link-reset',
  'link-reject',
  'link-stall',
  'router-node-cut',
  'node-node-cut',
  'node-redis-cut',
  'router-redis-cut',
  'island-cut',
  'redis-slow',
  'redis-late',
  'redis-lost',
  'redis-reset',
  'redis-pause',
  'redis-restart',
  'redis-empty',
  'redis-rollback',
  'redis-rewind',
  'redis-flush',
  'redis-clock',
] as const;

export type Fault = (typeof FAULTS)[number];

/** How often each kind comes, relative to the others. */
export type Mix = { readonly [F in Fault]?: number };

/** All of them; those that lead to takeovers more often. */
export const FULL_MIX: Mix = {
  ...Object.fromEntries(FAULTS.map((fault) => [fault, 2])),
  'node-crash': 7,
  'node-pause': 4,
};

/** What an operator does, and clients: none of it may close a socket, or lose anything. */
export const CALM_MIX: Mix = {
  'node-drain': 2,
  'drain-storm': 1,
  'drain-undone': 2,
  move: 6,
  pin: 4,
  'join-storm': 3,
};

/** Faults of one node's way to Redis; the others of that name are of Redis itself. */
const OF_ONE_NODE: ReadonlySet<Fault> = new Set(['redis-slow', 'redis-late', 'redis-lost', 'redis-reset']);
/** Longer than Redis is ever down, and than a node that was cut off meanwhile may speak. */
const LOSS_APART_MS = 16_000;
/** Routers have registered, and nodes have read of them and said so, this long after all faults have ended. */
const KNOWN_MS = 2_500;
/** A fault waits this long at most for a room in the state it is meant for: some states last a few milliseconds and come seldom. */
const ARMED_MS = 6_000;
/** So many wait at most; the oldest gives way. */
const ARMED_MAX = 6;
/** What leads to states that are seldom met by themselves. */
const LEADS_TO: Readonly<Record<string, readonly Fault[]>> = {
  seeking: ['node-crash'],
  stale: ['redis-restart', 'redis-flush', 'redis-empty'],
  reclaiming: ['redis-restart', 'redis-flush', 'redis-rollback'],
  releasing: [],
  transferring: ['move', 'node-drain'],
  suspended: ['node-redis-cut', 'redis-pause'],
  islanded: ['island-cut', 'redis-pause', 'redis-restart'],
  rejoining: ['redis-restart', 'redis-flush', 'redis-empty'],
  observing: ['node-crash'],
  settling: ['node-crash', 'join-storm'],
  quiet: ['move', 'node-drain'],
  replaying: ['client-break', 'client-slow', 'join-storm'],
};

/** What half of the faults of a usual run wait for. */
export const AIMS: readonly string[] = Object.keys(LEADS_TO);

export class Faults {
  readonly #world: World;
  readonly #bag: readonly Fault[];
  readonly #aims: readonly string[];
  readonly #ends = new Set<() => void>();
  #armed: readonly { readonly fault: Fault; readonly state: string; readonly untilMs: number }[] = [];
  #isOver = false;
  #lostDataMs = Number.NEGATIVE_INFINITY;
  #keepDataUntilMs = 0;

  /** @param aims  half of the faults wait for a room or a node in one of these states, which are seldom met */
  constructor(world: World, mix: Mix, aims: readonly string[]) {
    this.#world = world;
    this.#aims = aims;
    this.#bag = FAULTS.flatMap((fault) => Array.from({ length: mix[fault] ?? 0 }, () => fault));
  }

  start(): void {
    const { queue, random } = this.#world;
    queue.after(-Math.log(1 - random.unit()) * this.#world.meanFaultMs, () => {
      if (this.#isOver) return;
      this.#next();
      this.start();
    });
  }

  /** Faults end: whatever still lasts is over. */
  endAll(): void {
    this.#isOver = true;
    this.#armed = [];
    for (const end of [...this.#ends]) end();
    this.#world.network.healAll();
    this.#world.redis.start();
    this.#world.trace.say('FAULT', 'all faults end');
  }

  /** Faults end but for one node, which is gone, stands still or does not reach Redis, for good: once it has had the time to name the
   *  routers of the history in force, without which they wait for as long as an island may last. */
  endAllButOne(): void {
    this.endAll();
    this.#world.queue.after(KNOWN_MS, () => this.#fallIll());
  }

  #fallIll(): void {
    const { random, network, redis, trace } = this.#world;
    const nodes = this.#world.livingNodes().filter((node) => node.leaseState() === 'living');
    if (nodes.length < 2) return;
    const node = random.pick(nodes);
    const how = random.pick(['gone', 'paused', 'cut'] as const);
    trace.say('FAULT', 'one node falls ill', { node: node.id, how });
    this.#world.ill = node;
    if (how === 'gone') node.kill('host');
    else if (how === 'paused') node.process.pause();
    else {
      const which = random.below(3);
      if (which !== 1) network.cut(node.process.name, redis.name);
      if (which !== 0) network.cut(redis.name, node.process.name);
    }
  }

  /** A turn of this node has ended: is it what an armed fault waits for? One at a time, or the first would end the state for the others. */
  onTurn(node: SimNode): void {
    if (this.#armed.length === 0) return;
    const { random, queue } = this.#world;
    const states = new Set<string>([node.leaseState()]);
    for (const { name } of node.core.rooms.all()) for (const state of node.roomStates(name)) states.add(state);
    const met = this.#armed.find(({ state, untilMs }) => states.has(state) && queue.nowMs <= untilMs);
    if (met === undefined) return;
    this.#armed = this.#armed.filter((one) => one !== met);
    // At once, or somewhere within the few milliseconds that such a state lasts.
    queue.after(random.unit() < 0.5 ? 0 : random.unit() * 2, () => {
      if (!this.#isOver) this.#inject(met.fault, node);
    });
  }

  #next(): void {
    const { random, queue } = this.#world;
    if (this.#bag.length === 0) return;
    const fault = random.pick(this.#bag);
    if (this.#aims.length > 0 && random.unit() < 0.5) {
      const state = random.pick(this.#aims);
      const waiting = this.#armed.filter(({ untilMs }) => queue.nowMs <= untilMs);
      this.#armed = [...waiting, { fault, state, untilMs: queue.nowMs + ARMED_MS }].slice(-ARMED_MAX);
      const leads = (LEADS_TO[state] ?? []).filter((one) => this.#bag.includes(one));
      if (leads.length > 0 && random.unit() < 0.6) this.#injectAnywhere(random.pick(leads));
      return;
    }
    this.#injectAnywhere(fault);
  }

  #injectAnywhere(fault: Fault): void {
    const nodes = this.#world.livingNodes();
    if (nodes.length > 0) this.#inject(fault, this.#world.random.pick(nodes));
  }

  #inject(fault: Fault, node: SimNode): void {
    if (!node.isAlive) return;
    const isGlobal = fault.startsWith('redis-') && !OF_ONE_NODE.has(fault);
    const affected = isGlobal || fault.startsWith('router-') ? this.#world.livingNodes() : [node];
    const cells = affected.flatMap((one) => statesOf(one, this.#world.rooms));
    if (!this.#begin(fault, node)) return;
    this.#world.trace.say('FAULT', fault, { node: node.id });
    for (const state of cells) this.#world.coverage.hit(fault, state);
  }

  /** @returns whether it could be */
  #begin(fault: Fault, node: SimNode): boolean {
    const { random, network, redis } = this.#world;
    const routers = this.#world.routers.filter((one) => one.isAlive);
    const router = routers.length === 0 ? undefined : random.pick(routers);
    switch (fault) {
      case 'node-crash':
        return this.#world.crash(node, random.unit() < 0.8 ? 'process' : 'host');
      case 'node-pause':
        return this.#pause(node, random.unit() < 0.6 ? 300 + random.unit() * 1_500 : 2_000 + random.unit() * 5_000);
      case 'node-drain':
        return this.#world.drain(node);
      case 'drain-storm':
        return this.#drainAll(node);
      case 'move': {
        const held = [...node.core.rooms.all()].filter((hosted) => hosted.ownership.held !== undefined);
        const others = this.#world.livingNodes().filter((one) => one !== node);
        if (held.length === 0 || others.length === 0 || node.process.isPaused) return false;
        return node.core.moveRoom(random.pick(held).name, random.pick(others).id, node.process.now()) === undefined;
      }
      case 'drain-undone': {
        const isBegun = this.#world.drain(node, 1 + random.below(20));
        return isBegun && this.#lasting(200 + random.unit() * 3_000, () => node.undrain());
      }
      case 'pin': {
        const pinned = random.pick(this.#world.rooms);
        const pin = { room: pinned, node: random.pick(this.#world.livingNodes()).id, by: 'operator', at: 0 };
        if (!redis.isUp) return false;
        redis.execute('operator', 'setPin', { pin });
        return this.#lasting(500 + random.unit() * 5_000, () => redis.execute('operator', 'removePin', { pinned }));
      }
      case 'wall-step': {
        const process = router !== undefined && random.unit() < 0.3 ? router.process : node.process;
        process.stepWall((random.unit() * 2 - 1) * 10_000);
        return true;
      }
      case 'router-crash':
        return router !== undefined && this.#world.crashRouter(router);
      case 'router-pause':
        return router !== undefined && this.#pause(router, 200 + random.unit() * 4_000);
      case 'client-break':
        return random.pick(this.#world.clients).breakSocket();
      case 'client-slow': {
        const readOn = random.pick(this.#world.clients).stopReading();
        return readOn !== undefined && this.#lasting(200 + random.unit() * 3_000, readOn);
      }
      case 'join-storm':
        return this.#world.clients.filter((client) => random.unit() < 0.7 && client.comeOrGo()).length > 0;
      case 'link-reset':
        return this.#onSide(node, (side) => side.fail());
      case 'link-reject':
        if (router === undefined) return false;
        network.reject(router.process.name, node.process.name);
        for (const side of node.links) if (side.peerName === router.process.name) side.fail();
        return this.#lasting(200 + random.unit() * 2_500, () => network.admit(router.process.name, node.process.name));
      case 'link-stall':
        return this.#onSide(node, (side) => {
          if (random.unit() < 0.5) side.stall();
          else side.refuse();
          this.#lasting(100 + random.unit() * 3_500, () => side.unstall());
        });
      case 'router-node-cut':
        return router !== undefined && this.#cut(router.process.name, node.process.name);
      case 'node-node-cut': {
        const other = random.pick(this.#world.livingNodes());
        return other !== node && this.#cut(other.process.name, node.process.name);
      }
      case 'node-redis-cut':
        return this.#cut(node.process.name, redis.name);
      case 'router-redis-cut':
        return router !== undefined && this.#cut(router.process.name, redis.name);
      case 'island-cut': {
        return router !== undefined && this.#island(node, routers);
      }
      case 'redis-slow': {
        const { directory } = node;
        directory.slowMs = random.unit() < 0.4 ? 50 + random.unit() * 320 : 300 + random.unit() * 2_500;
        return this.#lasting(50 + random.unit() * 1_000, () => {
          directory.slowMs = 0;
        });
      }
      case 'redis-late': {
        const { directory } = node;
        directory.lateMs = 300 + random.unit() * 1_500;
        return this.#lasting(50 + random.unit() * 1_000, () => {
          directory.lateMs = 0;
        });
      }
      case 'redis-lost':
        node.directory.repliesToLose += 1 + random.below(4);
        return this.#lasting(1_000, () => {
          node.directory.repliesToLose = 0;
        });
      case 'redis-reset':
        if (node.process.isPaused) return false;
        node.directory.reset();
        return true;
      case 'redis-pause':
        redis.pause();
        return this.#lasting(100 + this.#span(900, 6_000), () => redis.resume());
      case 'redis-restart':
        return this.#restart('kept');
      case 'redis-empty':
        return this.#losesData() && this.#restart('empty');
      case 'redis-rollback':
        return this.#losesData() && this.#restart('rollback');
      case 'redis-rewind':
        return redis.isUp && this.#losesData() && redis.rewind();
      case 'redis-flush':
        if (!this.#losesData()) return false;
        redis.flush();
        return true;
      case 'redis-clock':
        redis.stepClock((random.unit() * 2 - 1) * 10_000);
        return true;
      default:
        fault satisfies never;
        return false;
    }
  }

  /** One node after the other is told to go, while those before it may still be at it. */
  #drainAll(node: SimNode): boolean {
    const { random, queue } = this.#world;
    if (!this.#world.drain(node)) return false;
    for (const other of this.#world.livingNodes()) {
      if (other === node || random.unit() < 0.3) continue;
      queue.after(random.unit() * 1_500, () => {
        if (!this.#isOver && other.isAlive && other.ended === undefined) this.#world.drain(other);
      });
    }
    return true;
  }

  #restart(data: 'kept' | 'empty' | 'rollback'): boolean {
    const { redis } = this.#world;
    if (!redis.isUp) return false;
    redis.restart(data, this.#span(300, 5_000));
    return true;
  }

  /** How long something is away: mostly short, sometimes long, and now and then longer than anybody waits. */
  #span(shortMs: number, longMs: number): number {
    const { random } = this.#world;
    const luck = random.unit();
    return random.unit() * (luck < 0.6 ? shortMs : luck < 0.95 ? longMs : 14_000);
  }

  #lasting(ms: number, end: () => void): true {
    const once = () => {
      if (this.#ends.delete(once)) end();
    };
    this.#ends.add(once);
    this.#world.queue.after(ms, once);
    return true;
  }

  #pause(
    who: { readonly process: { readonly isPaused: boolean; pause(): void; resume(): void } },
    ms: number,
  ): boolean {
    if (who.process.isPaused) return false;
    who.process.pause();
    return this.#lasting(ms, () => who.process.resume());
  }

  /** One node and some of the routers, often all, are cut from Redis together, and often from the other routers too, of which one may
   *  come new meanwhile. One of those that were cut off may have Redis back before the others. */
  #island(node: SimNode, routers: readonly SimRouter[]): true {
    const { network, random, redis } = this.#world;
    const inside = random.unit() < 0.5 ? routers : routers.filter(() => random.unit() < 0.5);
    const outside = routers.filter((one) => !inside.includes(one));
    const ms = 1_500 + random.unit() * 8_000;
    const newcomer = outside.length === 0 && random.unit() < 0.5 ? this.#newcomer(ms) : undefined;
    const away = [node, ...inside].map((one) => one.process.name);
    const early = random.unit() < 0.3 ? random.pick(away) : undefined;
    const cutFor = (lastsMs: number, a: string, b: string) => {
      network.cut(a, b);
      network.cut(b, a);
      this.#lasting(lastsMs, () => {
        network.heal(a, b);
        network.heal(b, a);
      });
    };
    for (const name of away) cutFor(name === early ? random.unit() * ms : ms, name, redis.name);
    if (random.unit() < 0.3) return true;
    for (const one of [...outside, ...(newcomer === undefined ? [] : [newcomer])])
      cutFor(ms, one.process.name, node.process.name);
    return true;
  }

  /** A router that comes new while a node and all that it knows are cut off. Not where Redis loses its data at that time: then it may
   *  have rooms claimed for which the node still speaks, see docs/failures.md. */
  #newcomer(ms: number): SimRouter | undefined {
    const { queue } = this.#world;
    if (queue.nowMs - this.#lostDataMs < LOSS_APART_MS) return undefined;
    const newcomer = this.#world.joinRouter();
    if (newcomer !== undefined) this.#keepDataUntilMs = queue.nowMs + ms + LOSS_APART_MS;
    return newcomer;
  }

  /** Whether Redis may lose data now. */
  #losesData(): boolean {
    const { nowMs } = this.#world.queue;
    if (nowMs < this.#keepDataUntilMs) return false;
    this.#lostDataMs = nowMs;
    return true;
  }

  /** A partition between two hosts: both ways, or only one. */
  #cut(a: string, b: string): boolean {
    const { network, random } = this.#world;
    const which = random.below(4);
    const ways: (readonly [string, string])[] =
      which === 0
        ? [[a, b]]
        : which === 1
          ? [[b, a]]
          : [
              [a, b],
              [b, a],
            ];
    for (const [from, to] of ways) network.cut(from, to);
    return this.#lasting(200 + this.#span(1_500, 8_000), () => {
      for (const [from, to] of ways) network.heal(from, to);
    });
  }

  #onSide(node: SimNode, act: (side: LinkSide) => void): boolean {
    const { links } = node;
    if (links.length === 0 || node.process.isPaused) return false;
    act(this.#world.random.pick(links));
    return true;
  }
}

/** The states that a fault at this node meets. */
function statesOf(node: SimNode, rooms: readonly string[]): string[] {
  const lease = node.leaseState();
  const known: readonly string[] = LEASE_STATES;
  return [...rooms.flatMap((room) => node.roomStates(room)), ...(known.includes(lease) ? [lease] : [])];
}
