/** A router process: the production core and watch between a simulated directory, simulated links and simulated clients. Owns: what
 *  router.ts, link-edge.ts and clients.ts own in production. Does not know: faults.
 *  Invariant: after a stall nothing is told to the core before a fresh poll was answered or has failed, as in link-edge.ts. */
import { RouterCore } from '../../router/core.ts';
import type { AcceptedClient, ClientClose, RouterPorts } from '../../router/ports.ts';
import type { Holder } from '../../router/route.ts';
import { ClusterWatch } from '../../router/watch.ts';
import type { RouterRecord } from '../../shared/directory/directory.ts';
import { DirectoryError } from '../../shared/directory/directory.ts';
import { payloadOf } from '../../shared/websocket-frame.ts';
import { RouterBugs } from './bugs.ts';
import { ObservationOracle } from './oracle.ts';
import type { SimClient } from './sim-client.ts';
import { SimDialer } from './sim-dialer.ts';
import { SimDirectory } from './sim-directory.ts';
import type { Speaks, Tagged } from './sim-link.ts';
import { SimProcess } from './sim-process.ts';
import type { World } from './world.ts';

const TICK_MS = 20;
const STALL_MS = 1_000;
const CLIENT_WAY_MS = 0.5;
/** More redirections than are followed in a row take at least the shortest pause. */
const HOPS_IN_A_ROW = 5;
const HOP_PAUSE_MS = 30;

interface Seated {
  readonly client: SimClient;
  group: number | undefined;
  isReading: boolean;
  /** Frames that lie in the socket while it is not read. */
  unread: Buffer[];
  /** What waits for a client that does not read; undefined while it does. */
  backlog: { readonly frame: Buffer; readonly speaks: Speaks | undefined }[] | undefined;
}

/** A client with more than this waiting is closed; in production it is bytes and seconds that count. */
const BACKLOG_MAX = 25;

export class SimRouter {
  readonly id: string;
  readonly incarnation: string;
  readonly process: SimProcess;
  readonly core: RouterCore;
  readonly watch: ClusterWatch;
  readonly directory: SimDirectory;
  readonly #world: World;
  readonly #observation: ObservationOracle;
  readonly #bugs: RouterBugs;
  readonly #kept = new Map<string, SimDialer>();
  readonly #clients = new Map<number, Seated>();
  /** Clients' ends of sockets, accepted or still in the kernel's queue. */
  readonly #sockets = new Map<number, SimClient>();
  readonly #groups = new Map<number, Set<number>>();
  /** In whose name the message that is being told speaks. */
  #speaking: Speaks | undefined;
  #aliveMs: number;
  #isHeld = false;
  /** The room of which the message that is being told may redirect. */
  #redirected: string | undefined;
  /** Room → when its last redirections were followed, monotonic ms. Void where a node or a link is new: whoever pauses looks again then. */
  readonly #hops = new Map<string, readonly number[]>();
  #later: (() => void)[] = [];

  constructor(world: World, id: string) {
    this.#world = world;
    this.id = id;
    this.incarnation = world.random.hex(16);
    this.process = new SimProcess(id, world);
    this.directory = new SimDirectory(this.process, world);
    this.#aliveMs = this.process.now().monoMs;
    const now = () => this.process.now();
    const { random } = world;
    const timings = world.routerTimings();
    this.#observation = new ObservationOracle(world.routerTimings());
    this.#bugs = new RouterBugs(world, this);
    const ports = this.#bugs.wrap(this.#ports());
    this.watch = new ClusterWatch(
      {
        record: this.#record(),
        timings: this.#bugs.watchTimings(timings),
        random,
        now,
        byPatience: true,
        isGone: world.proofs.pid ? (record) => world.isGone(record.incarnation) : undefined,
        sessions: () => this.core.sessions,
        onCertified: (at, when) => this.core.nodeCertified(at, when),
        onForgotten: (at, when) => this.core.nodeForgotten(at, when),
        onRefused: (message) => world.trace.violate('join', `${id} may not join: ${message}`),
      },
      ports,
    );
    this.core = new RouterCore(
      {
        timings,
        placement: world.placement,
        random,
        now,
        membership: this.watch.membership,
        redisFailed: () => this.watch.redis === 'failed',
        hopsMax: world.options.bug === 'unbounded-hops' ? Number.POSITIVE_INFINITY : undefined,
        mayCauseClaims: () => this.#bugs.mayCauseClaims() || this.watch.mayCauseClaims(this.process.now().monoMs),
        pollSoon: () => this.watch.pollSoon(this.process.now()),
      },
      ports,
    );
    this.#tick();
  }

  get isAlive(): boolean {
    return !this.process.isDead;
  }

  get dialers(): readonly SimDialer[] {
    return [...this.#kept.values()];
  }

  #record(): RouterRecord {
    const fenceMs = this.#world.publishedFenceMs();
    const { deadMs } = this.#world.timings;
    const { id: router, incarnation } = this;
    const timings = { fenceMs, deadMs };
    return {
      router,
      incarnation,
      url: '',
      version: '0',
      timings,
      host: 'host',
      pid: 1,
      startedAt: 0,
      counter: 0,
      sessions: 0,
    };
  }

  #tick(): void {
    const now = this.process.now();
    if (now.monoMs - this.#aliveMs > STALL_MS) this.#holdBack();
    this.#aliveMs = now.monoMs;
    this.#bugs.tick(now);
    this.watch.tick(now);
    this.core.tick(now);
    this.process.timer(TICK_MS + this.#world.random.unit() * 5, () => this.#tick());
  }

  #ports(): RouterPorts {
    const { trace } = this.#world;
    return {
      join: (group, handle) => this.#join(group, handle),
      leave: (group, handle) => this.#leave(group, handle),
      cast: (group, frame, excluded) => {
        for (const handle of this.#groups.get(group) ?? []) if (handle !== excluded) this.#show(handle, frame);
      },
      direct: (handle, frame) => this.#show(handle, frame),
      close: (handle, how) => this.#close(handle, how),
      setReading: (handle, reading) => this.#setReading(handle, reading),
      send: (_node, incarnation, message) => this.#kept.get(incarnation)?.side?.send({ message, speaks: [] }) ?? false,
      keepLink: (node, incarnation) => this.#keep({ node, incarnation }),
      dropLink: (_node, incarnation) => {
        this.#kept.get(incarnation)?.stop();
        this.#kept.delete(incarnation);
      },
      call: (operation, args, done) => {
        const sentMs = this.process.now().monoMs;
        if (operation === 'certify' && 'by' in args && args.by.kind === 'patience') this.#judge(args.node, sentMs);
        this.directory.call(operation, args, (result) => {
          if (operation === 'readCluster') {
            this.#observation.polled(sentMs, this.process.now().monoMs, !(result instanceof DirectoryError));
          }
          done(result);
        });
      },
      useRun: (runId) => this.directory.useRun(runId),
      log: (event, fields) => {
        if (event.startsWith('node ')) this.#hops.clear();
        trace.say(this.id, event, fields);
      },
      count: (metric) => {
        if (metric === 'hops' && this.#redirected !== undefined) this.#hop(this.#redirected);
      },
      observe: () => undefined,
    };
  }

  /** Whoever is redirected again and again pauses in between. */
  #hop(room: string): void {
    const nowMs = this.process.now().monoMs;
    const hops = [...(this.#hops.get(room) ?? []), nowMs].slice(-HOPS_IN_A_ROW);
    this.#hops.set(room, hops);
    const [first] = hops;
    if (hops.length < HOPS_IN_A_ROW || first === undefined || nowMs - first >= HOP_PAUSE_MS) return;
    this.#world.trace.violate('4 Routers', `${this.id} follows ${hops.length} redirections of ${room} without a pause`);
  }

  #judge(node: string, nowMs: number): void {
    const objection = this.#observation.objection(nowMs);
    if (objection !== undefined) this.#world.trace.violate('4 Certificate', `${this.id} ${objection} (${node})`);
  }

  // Links

  #keep(at: Holder): void {
    this.#kept.get(at.incarnation)?.stop();
    const dialer = new SimDialer(this.#world, this.process, at, {
      accept: (node) => node.accept('router', this.id, this.incarnation),
      up: () =>
        this.#inOrder(at, () => {
          this.#hops.clear();
          this.core.linkUp(at, this.process.now());
        }),
      message: (tagged) => this.#take(at, tagged),
      pulse: () => this.watch.tell(at.incarnation),
      down: () => {
        this.#bugs.linkDown(at);
        this.#inOrder(at, () => this.core.linkDown(at, this.process.now()));
      },
      idle: () => this.core.linkDrained(at),
      refused: () => this.#bugs.dialRefused(at),
    });
    this.#kept.set(at.incarnation, dialer);
  }

  #inOrder(at: Holder, run: () => void): void {
    if (this.#isHeld) this.#later.push(() => this.#kept.has(at.incarnation) && run());
    else run();
  }

  #take(at: Holder, tagged: Tagged): void {
    if (this.process.now().monoMs - this.#aliveMs > STALL_MS) this.#holdBack();
    this.#inOrder(at, () => this.#tell(at, tagged));
  }

  #tell(at: Holder, { message, speaks }: Tagged): void {
    this.#redirected = message.type === 'refused' ? this.#world.roomOf(message.session) : undefined;
    this.#speaking = speaks.length === 1 ? speaks[0] : undefined;
    this.core.message(at, message, this.process.now());
    this.#speaking = undefined;
    this.#redirected = undefined;
  }

  #holdBack(): void {
    this.#aliveMs = this.process.now().monoMs;
    if (this.#isHeld) return;
    this.#isHeld = true;
    this.watch.afterFreshPoll(this.process.now(), () => {
      this.#isHeld = false;
      const later = this.#later;
      this.#later = [];
      for (const run of later) run();
    });
  }

  // Clients

  /** A client's socket is accepted. @returns its handle */
  connect(client: SimClient, accepted: AcceptedClient): number {
    const handle = this.#world.newHandle(accepted.room);
    this.#sockets.set(handle, client);
    this.#hear(handle, () => {
      this.#clients.set(handle, { client, group: undefined, isReading: true, unread: [], backlog: undefined });
      this.core.clientOpened(handle, accepted, this.process.now());
    });
    return handle;
  }

  /** Every client is as far away as every other, so that what it sends keeps its order. */
  #hear(handle: number, run: () => void): void {
    this.#world.queue.after(CLIENT_WAY_MS, () => this.process.receive(`client ${handle}`, run));
  }

  frame(handle: number, payload: Buffer): void {
    this.#hear(handle, () => {
      const seated = this.#clients.get(handle);
      if (seated === undefined) return;
      if (seated.isReading) this.core.clientFrame(handle, payload);
      else seated.unread.push(payload);
    });
  }

  socketGone(handle: number, how: 'left' | 'broken'): void {
    this.#sockets.delete(handle);
    this.#hear(handle, () => {
      if (!this.#clients.has(handle)) return;
      this.#forget(handle);
      this.core.clientClosed(handle, how);
    });
  }

  #setReading(handle: number, reading: boolean): void {
    const seated = this.#clients.get(handle);
    if (seated === undefined) return;
    seated.isReading = reading;
    this.process.timer(0, () => {
      while (seated.isReading && this.#clients.get(handle) === seated) {
        const payload = seated.unread.shift();
        if (payload === undefined) return;
        this.core.clientFrame(handle, payload);
      }
    });
  }

  #join(group: number, handle: number): void {
    const seated = this.#clients.get(handle);
    if (seated === undefined) return;
    if (seated.group !== undefined) this.#leave(seated.group, handle);
    seated.group = group;
    const members = this.#groups.get(group) ?? new Set();
    this.#groups.set(group, members.add(handle));
  }

  #leave(group: number, handle: number): void {
    const members = this.#groups.get(group);
    members?.delete(handle);
    if (members?.size === 0) this.#groups.delete(group);
    const seated = this.#clients.get(handle);
    if (seated?.group === group) seated.group = undefined;
  }

  #forget(handle: number): void {
    const group = this.#clients.get(handle)?.group;
    if (group !== undefined) this.#leave(group, handle);
    this.#clients.delete(handle);
  }

  #show(handle: number, frame: Buffer): void {
    const seated = this.#clients.get(handle);
    if (seated === undefined) return;
    const speaks = this.#speaking;
    if (seated.backlog === undefined) return seated.client.shown(handle, payloadOf(frame).toString('utf8'), speaks);
    seated.backlog.push({ frame, speaks });
    if (seated.backlog.length <= BACKLOG_MAX) return;
    seated.backlog = [];
    this.process.timer(0, () => this.#slowConsumer(handle));
  }

  #slowConsumer(handle: number): void {
    if (!this.#clients.has(handle)) return;
    this.#close(handle, { code: 4100, reason: 'too slow', retryAfterMs: 100 });
    this.core.clientClosed(handle, 'broken');
  }

  /** The client at this socket does not read any more. */
  stopReading(handle: number): void {
    const seated = this.#clients.get(handle);
    if (seated !== undefined) seated.backlog ??= [];
  }

  /** It reads again, and takes what has waited. */
  readOn(handle: number): void {
    const seated = this.#clients.get(handle);
    const backlog = seated?.backlog ?? [];
    if (seated !== undefined) seated.backlog = undefined;
    for (const { frame, speaks } of backlog) {
      if (this.#clients.get(handle) !== seated) return;
      seated?.client.shown(handle, payloadOf(frame).toString('utf8'), speaks);
    }
  }

  #close(handle: number, how: ClientClose): void {
    const client = this.#clients.get(handle)?.client;
    this.#sockets.delete(handle);
    this.#forget(handle);
    client?.closed(handle, how.code, how.retryAfterMs);
  }

  kill(how: 'process' | 'host'): void {
    this.process.die();
    for (const dialer of this.#kept.values()) dialer.kill(how);
    this.directory.reset();
    for (const [handle, client] of this.#sockets) client.closed(handle, 1006, undefined);
  }
}
