/** Where nemeses act: a cluster under load, with its history. Owns: starting and ending all of it, what was done to which process, and
 *  waiting until everything works again. Does not know: which nemesis strikes, and how results are told. */
import { systemClock } from '../../shared/clock.ts';
import { isGated } from '../../shared/link/messages.ts';
import type { RandomSource } from '../../shared/random.ts';
import { type RedisServer, startRedis } from '../../shared/testing/redis-server.ts';
import { DEFAULT_TIMINGS } from '../../shared/timing.ts';
import { createCertifier } from '../certifier.ts';
import { CLUSTER_NAME, Cluster } from '../scenarios/cluster.ts';
import { LinkRouter } from '../scenarios/link-router.ts';
import type { ClusterProcess } from '../scenarios/processes.ts';
import { pause, until } from '../scenarios/wait.ts';
import type { ProcessAct, RoomClass } from './history/events.ts';
import { Recorder } from './history/recorder.ts';
import { ChaosLoad, type LoadShape } from './load/chaos-load.ts';
import { Network } from './network.ts';
import { RedisPair } from './redis-pair.ts';
import { SentinelSet } from './sentinel-set.ts';

export interface StageOptions extends LoadShape {
  readonly nodes: number;
  readonly routers: number;
  readonly roomClass: RoomClass;
  /** How a death may be certified; without `supervisor` nobody does it at once. */
  readonly proof: 'supervisor' | 'patience';
  /** `append-only`: a restart brings the data back. `pair`: a replica stands by, and every way to Redis can be moved and can fail.
   *  `sentinels`: a replica stands by, and three sentinels, whom processes ask for the primary. */
  readonly redis: 'empty' | 'append-only' | 'pair' | 'sentinels';
  /** Whether every way to Redis and to nodes leads through a proxy. */
  readonly proxies: boolean;
  readonly random: RandomSource;
  readonly say: (line: string) => void;
}

/** After faults have ended everything must work again within this. The protocol's promise is 15 s. */
const HEAL_BOUND_MS = 15_000;
/** All that a run says is in its logs at the end. */
const WHOLE_LOGS = ['--log-messages', '100000'];
const APPEND_ONLY = ['--appendonly', 'yes', '--appendfsync', 'everysec'];

export class Stage {
  readonly cluster: Cluster;
  readonly load: ChaosLoad;
  readonly history: Recorder;
  readonly options: StageOptions;
  readonly network: Network | undefined;
  readonly pair: RedisPair | undefined;
  readonly sentinels: SentinelSet | undefined;
  /** Nodes that are to run; a drained one is not among them until it is added again. */
  readonly nodes = new Set<string>();
  /** Nodes that were certified without a fault of theirs: the machine stood still. */
  starved = 0;
  /** Processes whose end is explained by what was done to them. */
  readonly #meant = new Set<ClusterProcess>();
  readonly #listeners: LinkRouter[] = [];
  /** Lines that were counted. */
  readonly #pausesTold = new Set<string>();
  #turn = 0;

  private constructor(
    cluster: Cluster,
    load: ChaosLoad,
    history: Recorder,
    options: StageOptions,
    network: Network | undefined,
    standby: RedisPair | SentinelSet | undefined,
  ) {
    this.cluster = cluster;
    this.load = load;
    this.history = history;
    this.options = options;
    this.network = network;
    this.pair = standby instanceof RedisPair ? standby : undefined;
    this.sentinels = standby instanceof SentinelSet ? standby : undefined;
    for (const [id, process] of cluster.nodes) {
      this.nodes.add(id);
      this.#follow(process);
    }
    for (const { process } of cluster.routers.values()) this.#follow(process);
  }

  /** Starts a cluster and its load, and waits until every client is seated and every room was heard. */
  static async start(options: StageOptions): Promise<Stage> {
    const standby = await standbyOf(options.redis);
    const redis = standby?.primary ?? (await startRedis({ args: options.redis === 'append-only' ? APPEND_ONLY : [] }));
    const network =
      options.proxies || standby instanceof RedisPair
        ? await Network.open(named('n', options.nodes), named('r', options.routers), redis.port)
        : undefined;
    const argsOf = (id: string): string[] => [
      ...(network?.argsOf(id) ?? []),
      ...(standby instanceof SentinelSet ? ['--redis-url', standby.url] : []),
    ];
    const cluster = await Cluster.start({
      nodes: options.nodes,
      routers: options.routers,
      redis,
      nodeArgs: ['--durability', options.roomClass, ...(options.roomClass === 'durable' ? WHOLE_LOGS : [])],
      routerArgs: options.proof === 'patience' ? ['--certify-by', 'patience'] : [],
      argsOf,
    });
    const history = new Recorder(options.roomClass);
    const routers = [...cluster.routers].map(([id, { url }]) => ({ id, url: url.replace('http', 'ws') }));
    const load = new ChaosLoad({ ...options, routers, history });
    const stage = new Stage(cluster, load, history, options, network, standby);
    try {
      await load.connect();
      load.start();
      load.mark();
      await stage.settled();
      return stage;
    } catch (error) {
      options.say(cluster.said());
      await stage.close();
      throw error;
    }
  }

  get redis(): RedisServer {
    return this.cluster.redis;
  }

  now(): number {
    return systemClock.now().monoMs;
  }

  /** One node after another, of those that run. */
  nextNode(): string {
    const ids = [...this.nodes];
    const id = ids[this.#turn++ % ids.length];
    if (id === undefined) throw new Error('no node runs');
    return id;
  }

  pick<T>(from: readonly T[]): T {
    const one = from[Math.floor(this.options.random.unit() * from.length)];
    if (one === undefined) throw new Error('nothing to pick from');
    return one;
  }

  between(fromMs: number, toMs: number): number {
    return Math.round(fromMs + this.options.random.unit() * (toMs - fromMs));
  }

  /** Rooms of the load that a node owns. */
  async roomsOf(node: string): Promise<string[]> {
    const owners = await this.cluster.ownersOf(this.load.rooms);
    return this.load.rooms.filter((room) => owners.get(room) === node);
  }

  /** A fault strikes now; `routers` are those whose clients may lose their sockets by it. @returns the moment */
  begin(what: string, routers: readonly string[] = []): number {
    const at = this.load.mark();
    this.history.add({ kind: 'fault', at, phase: 'begin', what, routers });
    return at;
  }

  end(what: string, routers: readonly string[] = []): void {
    this.history.add({ kind: 'fault', at: this.now(), phase: 'end', what, routers });
  }

  /** Sends a signal to a process and writes down what was meant by it. */
  signal(process: ClusterProcess, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void {
    const acts = { SIGKILL: 'killed', SIGSTOP: 'stopped', SIGCONT: 'continued', SIGTERM: 'terminated' } as const;
    this.#meant.add(process);
    this.#note(process, acts[signal], signal);
    process.signal(signal);
  }

  /** This node may be certified by what happens next: its end is no crash. */
  endangers(node: string): void {
    this.#meant.add(this.cluster.node(node));
  }

  /** Certifies a node's life that this process has reaped, as its supervisor would. */
  async certify(process: ClusterProcess): Promise<void> {
    await process.exited;
    const { incarnation } = await process.ready;
    const directory = { url: this.redis.url, cluster: CLUSTER_NAME, timings: DEFAULT_TIMINGS };
    await createCertifier(directory, this.options.say).certify({
      node: process.name,
      incarnation: String(incarnation),
    });
  }

  /** Starts a node again under its name; what is left of its last life ends. */
  async startNode(id: string): Promise<void> {
    const before = this.cluster.nodes.get(id);
    if (before !== undefined && before.exit === undefined) this.#meant.add(before);
    await before?.kill();
    this.nodes.add(id);
    const starting = this.cluster.startNode(id);
    this.#follow(this.cluster.node(id));
    await starting;
  }

  /** Starts a router again on its port. */
  async startRouter(id: string): Promise<void> {
    const { url } = this.cluster.router(id);
    const { process } = await this.cluster.startRouter(id, ['--port', new URL(url).port]);
    this.#follow(process);
    if (!this.load.routers.some((router) => router.id === id))
      this.load.routers.push({ id, url: url.replace('http', 'ws') });
  }

  /** Clients do not come back to a router that is gone. */
  avoid(id: string): void {
    const at = this.load.routers.findIndex((router) => router.id === id);
    if (at >= 0) this.load.routers.splice(at, 1);
  }

  /** Writes down every frame of gated output that a node hands to a link of its own in this room, while it is made to talk. @returns its end */
  async listen(node: string, room: string): Promise<() => void> {
    let epoch = 0;
    let incarnation = '';
    const listener = await LinkRouter.open(this.cluster, node, room, ({ atMs, message }) => {
      if (message.type === 'bind') ({ epoch, incarnation } = message);
      if (epoch > 0 && isGated(message))
        this.history.add({ kind: 'emit', at: atMs, room, incarnation, epoch, type: message.type });
    });
    this.#listeners.push(listener);
    const chatter = setInterval(() => listener.signal('anyone there?'), 50);
    await until('the node speaks on the link', () => listener.heardSignal);
    return () => {
      clearInterval(chatter);
      listener.close();
    };
  }

  /** Waits until all nodes run, every client is seated and every room has heard something that was said from now on.
   *  @returns how long that took, ms
   *  @throws Error naming what does not work within the bound */
  async settled(boundMs: number = HEAL_BOUND_MS): Promise<number> {
    const began = this.load.mark();
    for (const id of this.nodes) if (this.cluster.node(id).exit !== undefined) await this.startNode(id);
    await until(
      'every client is seated',
      () => {
        const [first, ...more] = this.load.unseated;
        if (first === undefined) return true;
        throw new Error(`${more.length + 1} are not, the first in ${first.options.room} at ${first.router}`);
      },
      boundMs,
    );
    await until(
      'every room is heard',
      () => {
        const silent = this.load.watches.filter(({ nextMessageMs }) => nextMessageMs === undefined);
        if (silent.length === 0) return true;
        throw new Error(`${silent.length} are silent, the first is ${silent[0]?.room}`);
      },
      boundMs,
    );
    return this.now() - began;
  }

  /** What nodes have said since this was last called of how long rooms stood still for a handover to them, ms. */
  handoverPauses(): number[] {
    const pauses: number[] = [];
    for (const { said } of this.cluster.nodes.values()) {
      for (const line of said.split('\n')) {
        const ms = /"event":"handover is over"/.test(line) ? /"pausedMs":([\d.]+)/.exec(line)?.[1] : undefined;
        if (ms === undefined || this.#pausesTold.has(line)) continue;
        this.#pausesTold.add(line);
        pauses.push(Number(ms));
      }
    }
    return pauses;
  }

  async close(): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    this.load.close();
    for (const process of this.#all()) this.#meant.add(process);
    await this.cluster.stop();
    await this.pair?.stop();
    await this.sentinels?.stop();
    await this.network?.close();
  }

  /** Gives what is under way the time to come to its end. */
  async quiet(boundMs: number): Promise<void> {
    this.load.churn(0);
    this.load.pause();
    await until('every publish has an outcome', () => this.load.pending === 0, boundMs).catch(() => undefined);
    // Whoever spoke last has its ack; the others hear it within moments.
    await pause(500);
  }

  *#all(): Iterable<ClusterProcess> {
    yield* this.cluster.nodes.values();
    for (const { process } of this.cluster.routers.values()) yield process;
  }

  #follow(process: ClusterProcess): void {
    this.#note(process, 'started', '');
    void process.exited.then(({ code, signal }) => {
      const isMeant = this.#meant.has(process);
      // Certified by its peers: it stood still for longer than it may, which is no fault of its program.
      const isStarved = !isMeant && code === 3;
      if (isStarved) this.starved++;
      this.#note(process, isMeant || isStarved ? 'ended' : 'crashed', String(code ?? signal));
      if (!isMeant && !isStarved) this.options.say(`${process.name} ended with ${code ?? signal}:\n${process.said}`);
    });
  }

  #note({ name }: ClusterProcess, act: ProcessAct, code: string): void {
    this.history.add({ kind: 'process', at: this.now(), process: name, act, code });
  }
}

async function standbyOf(redis: StageOptions['redis']): Promise<RedisPair | SentinelSet | undefined> {
  if (redis === 'pair') return RedisPair.start();
  return redis === 'sentinels' ? SentinelSet.start() : undefined;
}

function named(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${letter}${i + 1}`);
}
