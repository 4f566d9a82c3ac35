/** A router process: the core with its sockets, its links, its Redis and its HTTP. Owns: start, stop, close. Does not know: argv,
 *  signals.
 *  @see DESIGN §2, §4 Routers */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { systemClock } from '../shared/clock.ts';
import { linkTlsPaths, type RouterConfig, routerUrl, tlsPaths } from '../shared/config.ts';
import { DirectoryError, type RouterRecord } from '../shared/directory/directory.ts';
import { RedisDirectory } from '../shared/directory/redis-directory.ts';
import { windowAtStop } from '../shared/herd.ts';
import { isProcessGone, processFacts } from '../shared/host-facts.ts';
import { newIncarnation, workerId } from '../shared/ids.ts';
import type { Logger } from '../shared/log.ts';
import { Placement } from '../shared/placement.ts';
import { systemRandom } from '../shared/random.ts';
import { followSecrets } from '../shared/secret-file.ts';
import { followTls, type TlsFiles } from '../shared/tls-files.ts';
import { tracedCall } from '../shared/tracing.ts';
import { VERSION } from '../shared/version.ts';
import { isRebound } from './access.ts';
import { AdmissionRate } from './admission-rate.ts';
import { admit } from './admit.ts';
import { Attended } from './attended/attended.ts';
import type { Grant } from './authenticate.ts';
import { ApiBackend } from './backend.ts';
import { isAttended } from './candidates.ts';
import { type ClientAddress, clientAddress } from './client-address.ts';
import type { ClientSocket } from './client-socket.ts';
import { Clients } from './clients.ts';
import { ComeBack } from './come-back.ts';
import { Inflation } from './compression/inflation.ts';
import { RouterCore } from './core.ts';
import { EdgeServer } from './edge-server.ts';
import { connectionsWithin, openFilesMax } from './files-limit.ts';
import { Handshakes } from './handshakes.ts';
import { BODY_BYTES_MAX } from './http-answer.ts';
import { httpApi, type MetricsText } from './http-api.ts';
import { Limits } from './limits.ts';
import { RouterLinks } from './link-edge.ts';
import { Live } from './live/live.ts';
import { RouterMetrics } from './metrics.ts';
import type { AcceptedClient, RouterPorts } from './ports.ts';
import { restedMetrics } from './rested-metrics.ts';
import { RouterRights } from './rights/router-rights.ts';
import type { Holder } from './route.ts';
import { StaticPages } from './static-pages.ts';
import { TokenRenewal } from './token-renewal.ts';
import { ClusterWatch } from './watch.ts';
import { GroupEnd } from './workers/group-end.ts';
import type { ToParent } from './workers/messages.ts';

const TICK_MS = 20;
/** While a certificate is waited for. */
const HURRIED_TICK_MS = 5;

/** What the cores say that somebody has to see to, or waits for the end of: also shown where only warnings are (`npm start`). */
const WARNINGS = new Set(['redis does not answer', 'redis answers']);

export class Router {
  readonly #config: RouterConfig;
  readonly #log: Logger;
  readonly #onRefused: (message: string) => void;
  readonly #killNode: ((node: string) => void) | undefined;
  /** Of a worker: what binds it to the others of its router. */
  readonly #group: GroupEnd | undefined;
  /** Where a client is, by what trusted proxies say. */
  readonly #addressOf: ClientAddress;
  readonly #incarnation = newIncarnation(systemRandom);
  readonly #directory: RedisDirectory;
  readonly #loop = monitorEventLoopDelay({ resolution: 20 });
  readonly #admissionRate: AdmissionRate;
  readonly #handshakes: Handshakes;
  readonly #limits: Limits;
  readonly #comeBack: ComeBack;
  readonly #inflation: Inflation;
  readonly #clients: Clients;
  /** Of attended rooms: their sockets are not in `#clients`. */
  readonly #attended: Attended;
  readonly #links: RouterLinks;
  readonly #edge: EdgeServer;
  readonly #tls: TlsFiles | undefined;
  readonly #linkTls: TlsFiles | undefined;
  readonly #secretFile: ReturnType<typeof followSecrets>;
  readonly #backend: ApiBackend;
  readonly #live: Live;
  readonly #rights: RouterRights;
  readonly #metrics: RouterMetrics;
  readonly #metricsText: MetricsText;
  readonly #ports: RouterPorts;
  #core: RouterCore | undefined;
  #watch: ClusterWatch | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #hurriedTicker: NodeJS.Timeout | undefined;
  #handles = 0;
  #wasUp = false;
  #stopping = false;
  #stopped: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  /** @param toParent  of a worker: how it reaches the parent of its router
   *  @param killNode  in development: has a node of this cluster killed */
  constructor(
    config: RouterConfig,
    log: Logger,
    onRefused: (message: string) => void,
    toParent?: (message: ToParent) => void,
    killNode?: (node: string) => void,
  ) {
    this.#config = config;
    this.#addressOf = clientAddress(config.trustedProxies);
    this.#log = log;
    this.#onRefused = onRefused;
    this.#killNode = killNode;
    const { redisUrl: url, cluster, prefix, timings, replicas, secrets, linkAllow: allow } = config;
    const trust = { secrets, allow };
    this.#directory = new RedisDirectory({ url, cluster, prefix, timings, replicas, trust });
    this.#admissionRate = new AdmissionRate(systemClock, config.acceptRate);
    this.#handshakes = new Handshakes(systemClock, this.#admissionRate);
    this.#limits = new Limits(systemClock, config);
    this.#comeBack = new ComeBack(systemClock, systemRandom, this.#admissionRate);
    this.#inflation = new Inflation(config.payloadBytesMax);
    this.#secretFile = followSecrets(config.secretFile, secrets, log);
    this.#tls = followTls(tlsPaths(config), log);
    this.#linkTls = followTls(linkTlsPaths(config), log);
    this.#clients = new Clients(
      { clock: systemClock, random: systemRandom, comeBack: this.#comeBack, limits: this.#limits, ...config },
      {
        clientFrame: (handle, payload) => {
          if (this.#rights.guard.passes(handle, payload)) this.#core?.clientFrame(handle, payload);
        },
        clientClosed: (handle, how) => this.#clientClosed(handle, how),
      },
    );
    this.#attended = this.#makeAttended();
    this.#links = this.#makeLinks();
    this.#metrics = new RouterMetrics({
      clients: this.#clients,
      handshakes: this.#handshakes.stats,
      admissionRate: this.#admissionRate,
      limits: this.#limits.refused,
      inflated: this.#inflation.stats,
      rooms: () => this.#core?.rooms ?? 0,
      sessions: () => this.#core?.sessions ?? 0,
      links: () => this.#links.up,
      attendedSockets: () => this.#attended.sockets,
      redisUp: () => this.#watch?.redis === 'answered',
      linkBacklogBytes: () => this.#links.backlogBytes,
      nodes: () => this.#watch?.describeNodes(systemClock.now().monoMs) ?? [],
    });
    const { registry } = this.#metrics;
    this.#group =
      toParent &&
      new GroupEnd({
        send: toParent,
        metrics: () => registry.getMetricsAsJSON(),
        events: (events, missed) => this.#live.tell(events, missed),
      });
    this.#metricsText = this.#makeMetricsText();
    this.#ports = this.#makePorts();
    this.#backend = new ApiBackend({
      directory: this.#directory,
      links: this.#links,
      now: () => systemClock.now(),
      placement: new Placement(config.placementKey),
      core: () => this.#core,
      watch: () => this.#watch,
      ready: () => this.ready && this.#group?.ready !== false,
    });
    this.#live = this.#makeLive();
    this.#rights = this.#makeRights();
    this.#edge = this.#makeEdge();
  }

  /** False only while starting or stopping. */
  get ready(): boolean {
    const watch = this.#watch;
    if (this.#stopping || watch === undefined) return false;
    // Once up, a node that cannot be reached or a Redis that is away does not make this router useless to its clients.
    this.#wasUp ||= watch.registered && watch.membership.living().every((node) => this.#links.isUp(node.incarnation));
    return this.#wasUp;
  }

  get ended(): boolean {
    return this.#stopping;
  }

  /** Takes what the parent of a router's workers says. */
  parentSaid(message: unknown): void {
    this.#group?.heard(message);
  }

  /** Listens, connects, registers. A worker listens only once it can serve (`listen`): it shares its port with others, and a
   *  client that it would refuse meanwhile is better off with them. @returns the port */
  async start(): Promise<number> {
    this.#loop.enable();
    const port = this.#group === undefined ? await this.#edge.start() : this.#config.port;
    this.#directory.onState((event) => {
      if (event.kind === 'call') this.#metrics.redis(event.connection, event.outcome, event.ms);
      if (event.kind === 'ignored') this.#ignored(event);
    });
    this.#directory.start();
    this.#clients.start();
    this.#watch = this.#makeWatch(routerUrl(this.#config, port));
    this.#core = this.#makeCore(this.#watch);
    this.#ticker = setInterval(() => {
      const now = systemClock.now();
      this.#admissionRate.late(this.#metrics.loopDelay.tick(now.monoMs, TICK_MS));
      this.#links.tick();
      this.#watch?.tick(now);
      this.#core?.tick(now);
      this.#live.tick(now);
      this.#rights.tick(now);
    }, TICK_MS);
    return port;
  }

  /** Takes connections from now on. Safe to repeat.
   *  @throws the fault of the operating system, e.g. EADDRINUSE */
  async listen(): Promise<void> {
    await this.#edge.start();
  }

  checkServer(): Promise<string[]> {
    return this.#directory.checkServer();
  }

  /** Sends every client away with its own time to come back, then ends. Safe to repeat. */
  stop(): Promise<void> {
    this.#stopping = true;
    const { stopSpreadMs } = this.#config;
    this.#stopped ??= Promise.all([this.#clients.stop(this.#stopWindowMs()), this.#attended.stop(stopSpreadMs)]).then(
      () => this.close(),
    );
    return this.#stopped;
  }

  /** Over which its clients come back: what the other routers need for them. */
  #stopWindowMs(): number {
    const { id, acceptRate, worker, stopSpreadMs } = this.#config;
    const process = worker === undefined ? id : workerId(id, worker.position);
    const self = { router: id, process, acceptRate, sessions: this.#clients.sessions };
    return windowAtStop(this.#watch?.membership.routers ?? [], self, stopSpreadMs);
  }

  /** Ends at once. Safe to repeat. */
  close(): Promise<void> {
    this.#stopping = true;
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#ticker);
    clearInterval(this.#hurriedTicker);
    await new Promise<void>((resolve) => {
      if (this.#watch === undefined) resolve();
      else this.#watch.leave(resolve);
    });
    this.#clients.closeAll();
    this.#attended.closeAll();
    this.#live.close();
    await this.#edge.close();
    await this.#links.closeAll();
    await this.#directory.close();
    this.#tls?.close();
    this.#secretFile.close();
    this.#linkTls?.close();
    this.#loop.disable();
  }

  /** Reads certificates and secrets again now, and goes by them from the next connection on. */
  reload(): void {
    this.#secretFile.reload();
    this.#tls?.reload();
    this.#linkTls?.reload();
  }

  #makeLinks(): RouterLinks {
    const { cluster, id, secrets } = this.#config;
    return new RouterLinks({
      self: { role: 'router', cluster, id, incarnation: this.#incarnation, features: [] },
      secrets,
      now: () => systemClock.now(),
      pulse: ({ incarnation }) => ({
        loopDelayUs: this.#loop.percentile(99) / 1_000,
        redis: this.#watch?.tell(incarnation) ?? 'unknown',
      }),
      linkUp: (at) => this.#core?.linkUp(at, systemClock.now()),
      linkDown: (at) => this.#core?.linkDown(at, systemClock.now()),
      linkDrained: (at) => this.#core?.linkDrained(at),
      linkPressed: (at, isPressed) => this.#core?.linkPressed(at, isPressed),
      undeliverable: (handle) => this.#core?.undeliverable(handle),
      takes: () => !this.#clients.isOverfull,
      windowBytes: this.#config.linkWindowBytes,
      tls: this.#linkTls,
      message: (at, message) => this.#core?.message(at, message, systemClock.now()),
      afterFreshPoll: (done) => {
        if (this.#watch === undefined) done();
        else this.#watch.afterFreshPoll(systemClock.now(), done);
      },
      roundTrip: (ms) => this.#metrics.linkRoundTrip(ms),
      log: (event, fields) => this.#log.warn(event, fields),
    });
  }

  #makePorts(): RouterPorts {
    const clients = this.#clients;
    return {
      join: (group, handle) => clients.join(group, handle),
      leave: (group, handle) => clients.leave(group, handle),
      cast: (group, frame, excluded, frameClass) => clients.cast(group, frame, excluded, frameClass),
      direct: (handle, frame, ephemeral) => clients.direct(handle, frame, ephemeral),
      close: (handle, how) => {
        this.#rights.guard.remove(handle);
        if (!this.#attended.close(handle, how)) clients.close(handle, how);
      },
      setReading: (handle, reading) => clients.setReading(handle, reading),
      send: (_node, incarnation, message) => this.#links.send(incarnation, message),
      keepLink: (node, incarnation, address) => this.#links.keep({ node, incarnation }, address),
      dropLink: (node, incarnation) => this.#links.drop({ node, incarnation }),
      call: (operation, args, done) => {
        const told = tracedCall(operation, args, done);
        this.#directory.call(operation, args).then(told, (error: unknown) => {
          if (error instanceof DirectoryError) told(error);
          else throw error;
        });
      },
      useRun: (runId) => this.#directory.useRun(runId),
      log: (event, fields) => this.#log[WARNINGS.has(event) ? 'warn' : 'info'](event, fields),
      count: (metric, by) => this.#metrics.count(metric, by),
      observe: (metric, ms) => this.#metrics.observe(metric, ms),
    };
  }

  #makeWatch(url: string): ClusterWatch {
    const { id, timings, certifyBy, worker, acceptRate } = this.#config;
    const { host, pid } = processFacts();
    const record: RouterRecord = {
      // Each worker observes and is observed for itself; on links and in presence all bear the name of their router.
      router: worker === undefined ? id : workerId(id, worker.position),
      incarnation: this.#incarnation,
      url,
      version: VERSION,
      timings: { fenceMs: timings.fenceMs, deadMs: timings.deadMs },
      host,
      pid,
      startedAt: Date.now(),
      counter: 0,
      sessions: 0,
      acceptRate,
      workerOf: worker && { router: id, incarnation: worker.routerIncarnation, pid: process.ppid },
    };
    return new ClusterWatch(
      {
        record,
        timings,
        random: systemRandom,
        now: () => systemClock.now(),
        byPatience: certifyBy.includes('patience'),
        isGone: certifyBy.includes('pid') ? (node) => isProcessGone(node) === 'gone' : undefined,
        sessions: () => this.#core?.sessions ?? 0,
        onCertified: (at: Holder, now) => {
          this.#attended.nodeCertified(at.incarnation);
          this.#core?.nodeCertified(at, now);
        },
        onForgotten: (at: Holder, now) => {
          this.#attended.nodeCertified(at.incarnation);
          this.#core?.nodeForgotten(at, now);
        },
        onRefused: this.#onRefused,
      },
      this.#ports,
    );
  }

  #pollSoon(watch: ClusterWatch): void {
    watch.pollSoon(systemClock.now());
    if (this.#stopping) return;
    this.#hurriedTicker ??= setInterval(() => {
      const now = systemClock.now();
      watch.tick(now);
      if (watch.isHurried(now)) return;
      clearInterval(this.#hurriedTicker);
      this.#hurriedTicker = undefined;
    }, HURRIED_TICK_MS);
  }

  #ignored({ node, why }: { readonly node: string; readonly why: string }): void {
    this.#log.warn('node record ignored', { node, why });
    this.#metrics.count('records_ignored');
  }

  /** Of all workers of this router. */
  #makeMetricsText(): MetricsText {
    const group = this.#group;
    const { registry } = this.#metrics;
    const { contentType } = registry;
    const all = group === undefined ? registry : { contentType, metrics: () => group.metrics() };
    return restedMetrics(all, () => performance.now());
  }

  #makeCore(watch: ClusterWatch): RouterCore {
    const { timings, placementKey, secrets } = this.#config;
    return new RouterCore(
      {
        timings,
        placement: new Placement(placementKey),
        random: systemRandom,
        now: () => systemClock.now(),
        membership: watch.membership,
        redisFailed: () => watch.redis === 'failed',
        mayCauseClaims: () => watch.mayCauseClaims(systemClock.now().monoMs),
        pollSoon: () => this.#pollSoon(watch),
        attended: {
          isAttendant: (at) => this.#targetOf(at) !== undefined,
          seated: (handle, at, epoch) => this.#attended.seated(handle, at, epoch),
        },
        renewal: new TokenRenewal(secrets, this.#ports),
        comeBackMs: (window) => this.#comeBack.next(window),
        onMove: (room, from, to, epoch) => {
          this.#backend.moved(room, from, to, epoch);
          this.#live.moved(room, from?.node, to.node, epoch);
        },
      },
      this.#ports,
    );
  }

  #makeEdge(): EdgeServer {
    const config = this.#config;
    const { authenticator } = this.#rights;
    return new EdgeServer({
      host: config.host,
      port: config.port,
      payloadBytesMax: config.payloadBytesMax,
      ...this.#connectionBounds(),
      origins: config.allowOrigins.length === 0 ? undefined : config.allowOrigins,
      isRebound: config.authenticates || config.insecure ? undefined : isRebound,
      handshakes: this.#handshakes,
      limits: this.#limits,
      addressOf: (request) => this.#addressOf(request) || undefined,
      comeBack: this.#comeBack,
      request: httpApi({
        ports: this.#backend,
        // A backend may say what a client may; the rest is for what stands around it.
        bodyBytesMax: Math.max(BODY_BYTES_MAX, config.payloadBytesMax + 4_096),
        apiTokens: config.apiTokens,
        readRate: config.apiRate,
        rights: config,
        open: config.insecure,
        registry: this.#metricsText,
        live: this.#live,
        pages: new StaticPages(config.development),
        killNode: config.development ? this.#killNode : undefined,
      }),
      isReady: () => !this.#stopping && this.#watch?.registered === true,
      admit: (request) =>
        admit(request, { authenticator, secrets: config.secrets, clock: systemClock, random: systemRandom }),
      accept: (client, ws, grant) => this.#accept(client, ws, grant),
      counted: (code) => (code === undefined ? this.#metrics.admitted() : this.#metrics.refused(code)),
      attended: {
        isAttended: (room) => this.#watch !== undefined && isAttended(this.#watch.membership, room),
        take: (upgrade) => this.#attended.take(upgrade),
      },
      inflation: config.compression ? this.#inflation : undefined,
      tls: this.#tls,
      admitTimeoutMs: config.handshakeTimeoutMs,
      log: (event, fields) => this.#log.warn(event, fields),
    });
  }

  #makeLive(): Live {
    const { id, cluster, workers } = this.#config;
    const group = this.#group;
    return new Live({
      ports: this.#backend,
      now: () => systemClock.now(),
      about: { router: id, version: VERSION, cluster, workers },
      look: () => this.#watch?.look() ?? { nodes: [], routers: [], redis: 'unknown', runId: undefined },
      metrics: () => this.#metricsText.metrics(),
      reports: group && { send: (reports, missed) => group.report(reports, missed) },
    });
  }

  #connectionBounds() {
    const { connectionsMax: wanted } = this.#config;
    const files = openFilesMax();
    const bounds = connectionsWithin(files, wanted);
    if (bounds.connectionsMax < wanted) {
      this.#log.info('connections-bounded-by-files', { wanted, files, connectionsMax: bounds.connectionsMax });
    }
    return bounds;
  }

  #makeAttended(): Attended {
    return new Attended({
      random: systemRandom,
      now: () => systemClock.now(),
      authenticates: this.#config.authenticates,
      newHandle: () => ++this.#handles,
      addressOf: this.#addressOf,
      opened: (handle, client, grant) => {
        this.#rights.accepted(handle, client, grant);
        this.#core?.clientOpened(handle, client, systemClock.now());
      },
      ended: (handle, how) => this.#clientClosed(handle, how),
      targetOf: (at) => this.#targetOf(at),
      log: (event, fields) => this.#log.warn(event, fields),
    });
  }

  /** Where the server of this incarnation is; undefined where it is no attendant. */
  #targetOf({ node, incarnation }: Holder): string | undefined {
    const record = this.#watch?.membership.node(node);
    return record?.incarnation === incarnation ? record.attends : undefined;
  }

  #accept(client: AcceptedClient, ws: ClientSocket, grant: Grant | undefined): void {
    const handle = ++this.#handles;
    this.#clients.add(handle, ws, this.#limits.entered(client.user));
    // First: the core may turn it away at once, and then nobody would take it out of the guard again.
    this.#rights.accepted(handle, client, grant);
    this.#core?.clientOpened(handle, client, systemClock.now());
  }

  #clientClosed(handle: number, how: 'left' | 'broken'): void {
    this.#rights.guard.remove(handle);
    this.#core?.clientClosed(handle, how);
  }

  #makeRights(): RouterRights {
    return new RouterRights(this.#config, systemClock, {
      directory: this.#directory,
      tell: (handle, frame) => this.#ports.direct(handle, frame, false),
      end: (handle, close, how) => {
        this.#core?.clientClosed(handle, how);
        this.#ports.close(handle, close);
      },
    });
  }
}
