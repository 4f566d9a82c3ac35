/** Everything in one run: Redis, the network, nodes, routers, clients, and who looks after them. Owns: births and deaths.
 *  Does not know: what goes wrong (faults.ts) or what must hold (the oracles).
 *  Invariant: all chance comes from one seeded source and all time from one queue, so a seed replays exactly. */
import type { NodeEnd, NodeMetric } from '../../node/ports.ts';
import type { LogRules } from '../../node/room-log.ts';
import type { RoomLimits } from '../../node/room-output.ts';
import { type Args, type Reply, tagOf } from '../../shared/directory/directory.ts';
import { Placement } from '../../shared/placement.ts';
import { SeededRandom } from '../../shared/random.ts';
import { DEFAULT_TIMINGS, type Timings } from '../../shared/timing.ts';
import { type Bug, executeWith } from './bugs.ts';
import { Coverage } from './coverage.ts';
import { Sayings } from './delivery-oracle.ts';
import { EventQueue } from './event-queue.ts';
import { LogOracle } from './log-oracle.ts';
import { Network } from './network.ts';
import { Oracle } from './oracle.ts';
import { SimClient } from './sim-client.ts';
import { SimNode } from './sim-node.ts';
import type { ProcessWorld, SimProcess } from './sim-process.ts';
import { SimRedis } from './sim-redis.ts';
import { SimRouter } from './sim-router.ts';
import { Trace } from './trace.ts';

export interface WorldOptions {
  readonly seed: number;
  readonly bug?: Bug | undefined;
  readonly print?: ((line: string) => void) | undefined;
  /** No room is durable. */
  readonly isRelayOnly?: boolean;
  /** Clients do only what they are told to, and no supervisor or router proves a death. */
  readonly isScripted?: boolean;
  /** Owners leave rooms where they are, but for drains and moves by order. */
  readonly isStill?: boolean;
}

const NODES = ['n1', 'n2', 'n3'];
const ROUTERS = ['r1', 'r2'];
const ROUTERS_MAX = 3;
const SNAPSHOT_EVERY_MS = 900;

export class World implements ProcessWorld {
  readonly options: WorldOptions;
  readonly queue = new EventQueue();
  readonly random: SeededRandom;
  readonly network = new Network();
  readonly trace: Trace;
  readonly oracle: Oracle;
  readonly sayings = new Sayings();
  readonly logs: LogOracle;
  readonly logRules: LogRules;
  readonly coverage = new Coverage();
  readonly redis: SimRedis;
  readonly placement = new Placement(Buffer.alloc(16, 7));
  readonly timings: Timings = DEFAULT_TIMINGS;
  readonly rooms: readonly string[];
  readonly clients: readonly SimClient[];
  /** Which proofs of death this cluster knows: a supervisor's, and that of a router on the same host. */
  readonly proofs: { readonly supervisor: boolean; readonly pid: boolean };
  readonly meanFaultMs: number;
  readonly limits: RoomLimits;
  /** Sockets of clients that were closed on them. */
  closes = 0;
  /** Resets that clients were told. */
  resets = 0;
  /** Rooms that nodes still had when their drains ended. */
  leftBehind = 0;
  /** A node that stays paused, cut off or gone when faults end: what it holds does not count. */
  ill: SimNode | undefined;
  /** Told of each turn of a living node. */
  onNodeTurn: (node: SimNode) => void = () => undefined;
  readonly #nodes = new Map<string, SimNode>();
  #routers: SimRouter[];
  readonly #roomOf = new Map<number, string>();
  readonly #counts = new Map<NodeMetric, number>();
  readonly #gone = new Set<string>();
  #joins = NODES.length;
  #handles = 0;

  constructor(options: WorldOptions) {
    this.options = options;
    this.random = new SeededRandom(options.seed);
    const { random, queue } = this;
    this.trace = new Trace(() => queue.nowMs, options.print);
    this.oracle = new Oracle(this.trace);
    const execute = executeWith(options.bug);
    this.redis = new SimRedis(
      queue,
      random,
      (directory, operation, args, nowMs) => {
        if (operation === 'claim' && 'numbering' in args) {
          const read = directory.execute('readRoom', { room: args.room }, nowMs);
          this.oracle.before(read.kind === 'record' ? read.record.owner?.incarnation : undefined, args.incarnation);
        }
        return execute(directory, operation, args, nowMs);
      },
      (by, operation, args, reply) => {
        this.oracle.executed(by, operation, args, reply);
        if (operation === 'append') this.logs.executed(args as Args<'append'>, reply as Reply<'append'>);
        if (
          operation === 'claim' &&
          'kind' in reply &&
          reply.kind === 'owned' &&
          'room' in args &&
          this.isDurable(args.room)
        ) {
          this.logs.claimed(args.room);
        }
        if (operation === 'certify' && 'kind' in reply && reply.kind === 'certified' && 'node' in args) {
          this.trace.say('redis', `${args.node} is certified by ${by}`, 'by' in args ? args.by : undefined);
        }
      },
      () => {
        this.oracle.lost((room) => this.#tagOf(room));
        this.logs.lost();
      },
    );
    this.logRules = { keep: { entries: random.pick([40, 1_000]), ms: 86_400_000 }, sendersMax: 2_000 };
    const readLog = (room: string) =>
      this.redis.directory.execute('readLog', { room, after: 0, limit: 1e6, bytesMax: 1e9 }, this.redis.wallMs);
    this.logs = new LogOracle(this.trace, this.oracle, readLog, this.logRules.keep.entries);
    this.limits = {
      recentMax: random.pick([3, 20, 100]),
      sessionsMax: 1_000,
      namedMembersMax: 100,
      presenceMembersMax: 500,
      leaveBrokenMs: 5_000,
      leaveRouterLostMs: 10_000,
      resumeMs: 120_000,
      payloadBytesMax: 65_536,
      messageRate: 100,
      pingIntervalMs: 25_000,
      retryWindowMs: () => 5_000,
    };
    this.rooms = Array.from({ length: 4 + random.below(5) }, (_, at) =>
      at % 2 === 0 && options.isRelayOnly !== true ? `log-${at}` : `relay-${at}`,
    );
    const isProving = options.isScripted !== true;
    this.proofs = { supervisor: random.unit() < 0.5 && isProving, pid: random.unit() < 0.3 && isProving };
    this.meanFaultMs = random.pick([500, 1_200, 2_500]);
    const gen = random.hex(16);
    this.redis.execute('setup', 'createHistory', { gen });
    for (const id of NODES) this.#nodes.set(id, new SimNode(this, id, gen));
    this.#routers = ROUTERS.map((id) => new SimRouter(this, id));
    this.clients = Array.from({ length: 5 + random.below(5) }, (_, at) => new SimClient(this, `u${at}`));
    this.#save();
  }

  get routers(): readonly SimRouter[] {
    return this.#routers;
  }

  nodeTimings(): Timings {
    return this.options.bug === 'no-grace' ? { ...this.timings, graceMs: 1 } : this.timings;
  }

  /** What nodes publish. Under the bug it is not what they keep, or routers would refuse to join. */
  publishedFenceMs(): number {
    return this.options.bug === 'dead-below-fence' ? -1_000 : this.timings.fenceMs;
  }

  routerTimings(): Timings {
    return this.options.bug === 'dead-below-fence' ? { ...this.timings, deadMs: 700 } : this.timings;
  }

  /** The process that runs, or ran last, under this id. */
  node(id: string): SimNode | undefined {
    return this.#nodes.get(id);
  }

  livingNodes(): SimNode[] {
    return [...this.#nodes.values()].filter((node) => node.isAlive && node.ended === undefined);
  }

  /** Whether what is said there is logged: its name says so. */
  isDurable(room: string): boolean {
    return room.startsWith('log-');
  }

  get queuesOffline(): boolean {
    return this.options.bug === 'offline-queue';
  }

  onStray(by: string, operation: string): void {
    this.trace.violate(
      '4 Connections',
      `${operation} of ${by} is executed in another run of Redis than it was made for`,
    );
  }

  count(metric: NodeMetric, by = 1): void {
    this.#counts.set(metric, (this.#counts.get(metric) ?? 0) + by);
  }

  counted(metric: NodeMetric): number {
    return this.#counts.get(metric) ?? 0;
  }

  #tagOf(room: string): string | undefined {
    const read = this.redis.directory.execute('readRoom', { room }, this.redis.wallMs);
    return read.kind === 'record' ? tagOf(read.record) : undefined;
  }

  /** A number for a client's socket at some router. */
  newHandle(room: string): number {
    const handle = ++this.#handles;
    this.#roomOf.set(handle, room);
    return handle;
  }

  roomOf(handle: number): string | undefined {
    return this.#roomOf.get(handle);
  }

  onThrown(process: SimProcess, error: unknown): void {
    this.trace.violate('no crash', `${process.name} threw ${error instanceof Error ? error.stack : String(error)}`);
    process.die();
  }

  onTurn(process: SimProcess): void {
    const node = this.#nodes.get(process.name);
    if (node?.process === process && node.isAlive && node.ended === undefined) this.onNodeTurn(node);
  }

  // Births and deaths

  #save(): void {
    this.redis.save();
    this.queue.after(SNAPSHOT_EVERY_MS * (0.5 + this.random.unit()), () => this.#save());
  }

  crash(node: SimNode, how: 'process' | 'host'): boolean {
    if (this.livingNodes().length < 2) return false;
    node.kill(how);
    this.#buried(node);
    return true;
  }

  /** @param roomsPerSecond  of a drain by order, which may be undone; without one the node is told to end */
  drain(node: SimNode, roomsPerSecond?: number): boolean {
    const others = this.livingNodes().filter((one) => one !== node && one.gateOpen() && !one.core.draining);
    if (others.length === 0 || node.process.isPaused || node.core.draining) return false;
    node.drain(roomsPerSecond);
    return true;
  }

  /** A node has ended by itself. */
  nodeEnded(node: SimNode, how: NodeEnd): void {
    // Whoever has left makes room: a node of another name may join, or the same one again.
    if (how.kind === 'left' && this.random.unit() < 0.5) this.#join(`n${++this.#joins}`);
    this.#buried(node);
  }

  #buried(node: SimNode): void {
    const { random, queue } = this;
    this.#gone.add(node.incarnation);
    if (this.proofs.supervisor) this.#certifyByProof(node, 5 + random.unit() * 40);
    queue.after(random.unit() < 0.5 ? 200 + random.unit() * 800 : 1_000 + random.unit() * 8_000, () => {
      if (this.#nodes.get(node.id) === node) this.#join(node.id);
    });
  }

  /** A node of this name starts. */
  join(id: string): SimNode {
    this.#join(id);
    return this.#nodes.get(id) as SimNode;
  }

  #join(id: string): void {
    this.#nodes.set(id, new SimNode(this, id, undefined));
  }

  /** Whether this life of a node is over, as the operating system knows. */
  isGone(incarnation: string): boolean {
    return this.#gone.has(incarnation);
  }

  #certifyByProof({ id: node, incarnation }: SimNode, ms: number): void {
    this.queue.after(ms, () => {
      const again = () => this.#certifyByProof({ id: node, incarnation } as SimNode, 500);
      if (!this.redis.isUp) return again();
      const { life } = this.redis;
      this.redis.arrive(life, () => {
        const { runId, gen } = this.redis.execute('supervisor', 'standing', { node, incarnation });
        if (gen === undefined) return;
        const by = { kind: 'proof', how: 'reaped' } as const;
        this.redis.execute('supervisor', 'certify', { node, incarnation, by, runId, gen });
      });
    });
  }

  /** One more router; undefined where there are enough. */
  joinRouter(): SimRouter | undefined {
    if (this.#routers.length >= ROUTERS_MAX) return undefined;
    const router = new SimRouter(this, `r${this.#routers.length + 1}`);
    this.#routers = [...this.#routers, router];
    return router;
  }

  crashRouter(router: SimRouter): boolean {
    if (this.#routers.filter((one) => one.isAlive).length < 2) return false;
    router.kill(this.random.unit() < 0.8 ? 'process' : 'host');
    this.queue.after(300 + this.random.unit() * 3_000, () => {
      this.#routers = this.#routers.map((one) => (one === router ? new SimRouter(this, router.id) : one));
    });
    return true;
  }
}
