/** A node process: the core with its sockets, its Redis and its life. Owns: start, drain, close. Does not know: argv, signals.
 *  @see DESIGN §4 */
import { totalmem } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Instant, systemClock } from '../shared/clock.ts';
import { linkTlsPaths, type NodeConfig } from '../shared/config.ts';
import { DirectoryError, type NodeRecord } from '../shared/directory/directory.ts';
import { RedisDirectory } from '../shared/directory/redis-directory.ts';
import { windowAtLoss } from '../shared/herd.ts';
import { processFacts } from '../shared/host-facts.ts';
import { matchesPattern } from '../shared/ids.ts';
import type { Logger } from '../shared/log.ts';
import { Placement } from '../shared/placement.ts';
import { systemRandom } from '../shared/random.ts';
import { followSecrets } from '../shared/secret-file.ts';
import { followTls, type TlsFiles } from '../shared/tls-files.ts';
import { issueResume, RESUME_TOKEN_LIFE_MS } from '../shared/token.ts';
import { beginSpan, tracedCall } from '../shared/tracing.ts';
import { VERSION } from '../shared/version.ts';
import { probe } from './attendant/probe.ts';
import { HealthWatch } from './attendant/watch.ts';
import { NodeCalls } from './calls.ts';
import { NodeCore } from './core.ts';
import { LinkEdge } from './link-edge.ts';
import { type ProgramOffer, programFor } from './load-program.ts';
import { NodeMetrics } from './metrics.ts';
import { onceATurn } from './once-a-turn.ts';
import type { NodeEnd } from './ports.ts';
import { HIDDEN_MEMBERS } from './room-output.ts';
import { shareOf } from './share.ts';
import { type AssembledWebhooks, assembleWebhooks } from './webhooks/assemble.ts';
import { webhookMetrics } from './webhooks/metrics.ts';

const TICK_MS = 20;
const RECENT_MAX = 100;
/** Where messages may be large, a room remembers fewer of them. */
const RECENT_BYTES_MAX = 16 * 1_048_576;
const NAMED_MEMBERS_MAX = 100;
const PRESENCE_MEMBERS_MAX = 500;
/** A room that moved is not rebalanced again for so long. */
const ROOM_COOLDOWN_MS = 60_000;
/** What waits for logs in all rooms together: beyond it publishes are refused. */
const LOG_BYTES_MAX = 64 * 1_048_576;
/** Messages that all rooms remember together: at most this, and a quarter of the memory there is. */
const ALL_RECENT_BYTES_MAX = 512 * 1_048_576;
/** Keys of backends that a room's log remembers beside its sessions. */
const BACKEND_SENDERS_MAX = 1_000;

export class Node {
  readonly #config: NodeConfig;
  readonly #programs: readonly ProgramOffer[];
  readonly #log: Logger;
  readonly #onEnd: (how: NodeEnd) => void;
  readonly #directory: RedisDirectory;
  readonly #links: LinkEdge;
  readonly #linkTls: TlsFiles | undefined;
  readonly #secretFile: ReturnType<typeof followSecrets>;
  readonly #loop = monitorEventLoopDelay({ resolution: 20 });
  readonly metrics: NodeMetrics;
  readonly #webhooks: AssembledWebhooks | undefined;
  #core: NodeCore | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #redis: 'unknown' | 'answered' | 'failed' = 'unknown';
  #wasUp = false;
  /** Of the server that this node attends, if it attends one. */
  readonly #health: HealthWatch | undefined;
  #isIll = false;
  /** What answers of Redis brought leaves with what they caused, acks among it. */
  readonly #endTurn = onceATurn(() => this.#core?.turnEnd());
  #tellWell: () => void = () => undefined;
  readonly #well: Promise<void>;
  #closed: Promise<void> | undefined;

  constructor(config: NodeConfig, programs: readonly ProgramOffer[], log: Logger, onEnd: (how: NodeEnd) => void) {
    this.#config = config;
    this.#programs = programs;
    this.#log = log;
    this.#onEnd = onEnd;
    const { redisUrl: url, cluster, prefix, timings, replicas, secrets, linkAllow: allow } = config;
    const trust = { secrets, allow };
    this.#directory = new RedisDirectory({ url, cluster, prefix, timings, replicas, trust });
    this.metrics = new NodeMetrics({
      rooms: () => this.#core?.load().rooms ?? 0,
      sessions: () => this.#core?.load().sessions ?? 0,
      share: () => shareOf(this.#core?.view ?? [], config.incarnation),
      gateOpen: () => this.#core?.gateOpen(systemClock.now()) ?? false,
      islanded: () => this.#core?.lease.islanded(systemClock.now()) ?? false,
      redisUp: () => this.#redis === 'answered',
      draining: () => this.#core?.draining ?? false,
      handoversUnderWay: () => this.#core?.handovers.underWay ?? 0,
      linkBacklogBytes: () => this.#links.backlogBytes,
      logBacklogBytes: () => this.#core?.rooms.logBacklogBytes ?? 0,
    });
    const warn = (event: string, fields: Readonly<Record<string, unknown>>) => this.#log.warn(event, fields);
    this.#webhooks = assembleWebhooks(config, { clock: systemClock, random: systemRandom, log: warn });
    if (this.#webhooks !== undefined) {
      webhookMetrics(this.metrics.registry, () => this.#core?.webhooks?.state() ?? []);
    }
    this.#secretFile = followSecrets(config.secretFile, secrets, log);
    this.#linkTls = followTls(linkTlsPaths(config), log);
    this.#links = this.#makeLinks();
    this.#health = this.#makeHealth();
    this.#well =
      this.#health === undefined
        ? Promise.resolve()
        : new Promise((resolve) => {
            this.#tellWell = resolve;
          });
  }

  /** Resolves once the server that this node attends has been found well; at once where there is none. */
  targetWell(): Promise<void> {
    this.#health?.start();
    return this.#well;
  }

  /** Whether rooms can be opened here. */
  get ready(): boolean {
    const core = this.#core;
    if (core === undefined || core.draining) return false;
    // Readiness is about starting and draining: a Redis that is away later does not change it.
    this.#wasUp ||= core.lease.mayClaim(systemClock.now(), false);
    return this.#wasUp;
  }

  /** Whether it has been a member; one that has not has nothing to hand over, and nobody knows of it. */
  get wasRegistered(): boolean {
    return this.#core?.ownRecord.wasRegistered ?? false;
  }

  /** Listens, connects, registers. @returns where routers dial */
  async start(): Promise<string> {
    this.#loop.enable();
    const { port } = await this.#links.start();
    const link = `${this.#config.advertise}:${port}`;
    this.#directory.onState((event) => {
      if (event.kind === 'call') {
        this.#redis = event.outcome === 'ok' ? 'answered' : 'failed';
        this.metrics.redis(event.connection, event.outcome, event.ms);
      } else if (event.kind === 'down') {
        this.#redis = 'failed';
      } else if (event.kind === 'ignored') {
        this.#log.warn('node record ignored', { node: event.node, why: event.why });
        this.metrics.count('records_ignored');
      }
    });
    this.#directory.start();
    this.#core = this.#makeCore(link);
    if (this.#isIll) this.#core.standby.rest();
    this.#ticker = setInterval(() => {
      const now = systemClock.now();
      this.metrics.loopDelay.tick(now.monoMs, TICK_MS);
      this.#core?.tick(now);
      this.#links.renewCredit();
    }, TICK_MS);
    return link;
  }

  /** Reads certificates and secrets again now. What this node has signed stays as it is until its next life. */
  reload(): void {
    this.#linkTls?.reload();
    this.#secretFile.reload();
  }

  /** What Redis has to be told to change, read once it answers; empty when nothing. */
  checkServer(): Promise<string[]> {
    return this.#directory.checkServer();
  }

  drain(): void {
    this.#core?.drain(systemClock.now());
  }

  /** Lets what is queued leave and ends. Safe to repeat. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#ticker);
    this.#health?.close();
    this.#webhooks?.close();
    await this.#links.closeAll();
    await this.#directory.close();
    this.#linkTls?.close();
    this.#secretFile.close();
    this.#loop.disable();
  }

  #makeHealth(): HealthWatch | undefined {
    const { attends, healthIntervalMs, healthFailures } = this.#config;
    if (attends === undefined) return undefined;
    return new HealthWatch({
      failuresMax: healthFailures,
      intervalMs: healthIntervalMs,
      ask: () => probe(attends.health, healthIntervalMs),
      random: systemRandom,
      after: (ms, then) => {
        const timer = setTimeout(then, ms);
        return () => clearTimeout(timer);
      },
      on: (health) => {
        this.#log.info('target', { health, target: attends.target });
        this.#isIll = health === 'ill';
        if (health === 'well') this.#core?.standby.serve();
        else this.#core?.standby.rest();
        if (health === 'well') this.#tellWell();
      },
    });
  }

  #makeLinks(): LinkEdge {
    const { cluster, id, incarnation, secrets, host, linkPort } = this.#config;
    const now = (): Instant => systemClock.now();
    let calls: NodeCalls | undefined;
    return new LinkEdge({
      self: { role: 'node', cluster, id, incarnation, features: [] },
      secrets,
      host,
      port: linkPort,
      now,
      gateOpen: () => this.#core?.gateOpen(systemClock.now()) ?? false,
      pulse: () => ({ loopDelayUs: this.#loop.percentile(99) / 1_000, redis: this.#redis }),
      linkUp: (link, peer) => this.#core?.linkUp(link, peer),
      linkDown: (link) => this.#core?.linkDown(link, now()),
      pong: (link, { sentAt, redis }) => this.#core?.pong(link, sentAt, redis, now()),
      linkDrained: (link) => this.#core?.linkDrained(link),
      linkPressed: (link, isPressed) => this.#core?.linkPressed(link, isPressed),
      windowBytes: this.#config.linkWindowBytes,
      tls: this.#linkTls,
      message: (link, message) => this.#core?.message(link, message, now()),
      dropped: (link, message) => this.#core?.dropped(link, message),
      turnEnd: () => this.#core?.turnEnd(),
      call: (link, call) => {
        if (this.#core === undefined) return;
        calls ??= new NodeCalls(this.#core, now, () => Math.round(this.#loop.percentile(99) / 100_000) / 10);
        calls.handle(call, (result) => {
          this.#links.send(link, { type: 'return', id: call.id, result });
        });
      },
      log: (event, fields) => this.#log.warn(event, fields),
    });
  }

  #record(link: string): NodeRecord {
    const { id, incarnation, weight, timings, attends } = this.#config;
    const facts = processFacts();
    return {
      node: id,
      incarnation,
      state: 'active',
      link,
      weight,
      programs: this.#programs.map(({ pattern, name }) => ({ pattern, program: name })),
      version: VERSION,
      timings: { fenceMs: timings.fenceMs, deadMs: timings.deadMs },
      ...facts,
      startedAt: Date.now(),
      ...(attends === undefined ? {} : { attends: attends.target }),
    };
  }

  #makeCore(link: string): NodeCore {
    const config = this.#config;
    return new NodeCore(
      {
        record: this.#record(link),
        timings: config.timings,
        limits: {
          recentMax: Math.min(RECENT_MAX, Math.floor(RECENT_BYTES_MAX / config.payloadBytesMax)),
          sessionsMax: config.sessionsPerRoomMax,
          namedMembersMax: NAMED_MEMBERS_MAX,
          presenceMembersMax: PRESENCE_MEMBERS_MAX,
          leaveBrokenMs: config.leaveBrokenMs,
          leaveRouterLostMs: config.leaveRouterLostMs,
          resumeMs: config.resumeMs,
          payloadBytesMax: config.payloadBytesMax,
          messageRate: config.messageRate,
          pingIntervalMs: config.pingIntervalMs,
          retryWindowMs: (router) => windowAtLoss(this.#core?.routers ?? [], router),
          ...(config.attends === undefined ? {} : attendedLimits(config)),
        },
        roomIdleMs: config.roomIdleMs,
        drainDeadlineMs: config.drainDeadlineMs,
        moves: {
          roomsPerSecond: config.rebalanceRoomsPerSecond,
          stepMs: config.rebalanceStepMs,
          cooldownMs: ROOM_COOLDOWN_MS,
        },
        placement: new Placement(config.placementKey),
        programFor: (room) => programFor(this.#programs, room),
        isDurable: (room) =>
          config.durability === 'durable' && !config.relayRooms.some((pattern) => matchesPattern(pattern, room)),
        hidesMembers: (room) => config.hiddenMembers.some((pattern) => matchesPattern(pattern, room)),
        logRules: {
          keep: { entries: config.logMessages, ms: config.logAgeMs },
          sendersMax: config.sessionsPerRoomMax + BACKEND_SENDERS_MAX,
        },
        logBytesMax: LOG_BYTES_MAX,
        recentBytesMax: recentBytesMax(),
        resumeToken: (room, { session, user, seat, since }, now) =>
          issueResume(config.secrets, {
            session,
            user,
            room,
            seat,
            since,
            expiresAtMs: now.wallMs + RESUME_TOKEN_LIFE_MS,
          }),
        webhooks: this.#webhooks?.options,
        bootstrap: config.bootstrap,
        random: systemRandom,
        now: () => systemClock.now(),
      },
      {
        call: (operation, args, done) => {
          const answered = tracedCall(operation, args, done);
          const told: typeof answered = (result) => {
            answered(result);
            this.#endTurn();
          };
          this.#directory.call(operation, args).then(told, (error: unknown) => {
            if (error instanceof DirectoryError) told(error);
            // A name that no record can hold, which a link may have brought: nothing was sent.
            else if (error instanceof RangeError)
              told(new DirectoryError('bad-reply', error.message, { cause: error }));
            else throw error;
          });
        },
        useRun: (runId) => this.#directory.useRun(runId),
        send: (number, message, lane) => this.#links.send(number, message, lane),
        lanes: (number) => this.#links.lanes(number),
        dropQueued: (number, predicate) => this.#links.dropQueued(number, predicate),
        afterHandedOver: (numbers, done) => this.#links.afterHandedOver(numbers, done),
        dial: (node, incarnation, address) => this.#links.dial(node, incarnation, address),
        ping: (number) => this.#links.ping(number),
        end: (how) => this.#onEnd(how),
        log: (event, fields) => this.#log.info(event, fields),
        count: (metric, by) => this.metrics.count(metric, by),
        observe: (metric, ms) => this.metrics.observe(metric, ms),
        trace: beginSpan,
      },
    );
  }
}

/** Nobody resumes a session of an attended room, and nobody is told who comes and goes. */
function attendedLimits({ leaveRouterLostMs }: NodeConfig) {
  return { ...HIDDEN_MEMBERS, leaveBrokenMs: 0, resumeMs: leaveRouterLostMs };
}

/** Where nothing bounds this process, `constrainedMemory` is 0 or more than there is. */
function recentBytesMax(): number {
  const memory = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  return Math.min(ALL_RECENT_BYTES_MAX, Math.floor(memory / 4));
}
