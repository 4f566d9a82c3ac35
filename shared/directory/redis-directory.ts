/** The directory in Redis. Owns: a connection for each kind of work, so that neither what is said in rooms nor the bulk of the
 *  projections stands before a heartbeat, and the run id in force for all. Does not know: who decides what, or when to try again.
 *  Invariant: an operation is sent at most once, only to the run of Redis that is in force.
 *  @see DESIGN §3, §4 Connections */
import { type Clock, systemClock } from '../clock.ts';
import type { LinkAllow } from '../link/allow.ts';
import type { RandomSource } from '../random.ts';
import type { Timings } from '../timing.ts';
import { checkArgs } from './check-args.ts';
import { type Args, type Directory, DirectoryError, type Operation, type Reply } from './directory.ts';
import { GatedRedis, type RunInForce } from './gated-redis.ts';
import { buildKeys, DEFAULT_PREFIX } from './keys.ts';
import { DIRECTORY_CONNECTIONS, type DirectoryConnection, type Plan, type PlanContext, type Plans } from './plan.ts';
import { abandonedPlans } from './plans/abandoned.ts';
import { logPlans } from './plans/log.ts';
import { membershipPlans } from './plans/membership.ts';
import { orderPlans } from './plans/orders.ts';
import { outboxPlans } from './plans/outbox.ts';
import { projectionPlans } from './plans/projections.ts';
import { rightsPlans } from './plans/rights.ts';
import { roomPlans } from './plans/rooms.ts';
import { RecordGuard } from './record-guard.ts';
import { serverComplaints } from './server-info.ts';

export interface RedisDirectoryOptions {
  /** redis://, redis+sentinel://, redis+cluster://, or the same with rediss; see redis-url.ts. */
  readonly url: string;
  /** Name of the cluster of nodes and routers. */
  readonly cluster: string;
  /** First part of every key; default `bh`. */
  readonly prefix?: string | undefined;
  readonly timings: Pick<Timings, 'commandTimeoutMs' | 'reconnectMs'>;
  /** How many replicas must have a heartbeat, claim, append or certificate before it counts; default 0. */
  readonly replicas?: number | undefined;
  /** The run in force, to share with other connections of this process; a new one without. */
  readonly run?: RunInForce | undefined;
  /** Connections to open; default all. Operations of another are `unavailable`. */
  readonly connections?: readonly DirectoryConnection[] | undefined;
  /** Certificates kept before the oldest are dropped; default 10,000. */
  readonly certsMax?: number | undefined;
  /** Secrets of the cluster and addresses that may be dialled: node records are signed, and those that are not are ignored. Absent: all
   *  records are believed, which is for tools that dial nobody. */
  readonly trust?: { readonly secrets: readonly string[]; readonly allow: LinkAllow } | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: RandomSource | undefined;
}

/** What the directory tells those who count. `up` comes with each checked connection, `down` with each loss and failed attempt. */
export type DirectoryEvent =
  | { readonly kind: 'up'; readonly connection: DirectoryConnection; readonly runId: string }
  | { readonly kind: 'down'; readonly connection: DirectoryConnection; readonly reason: string }
  | {
      readonly kind: 'call';
      readonly connection: DirectoryConnection;
      readonly operation: Operation;
      readonly ms: number;
      readonly outcome: 'ok' | DirectoryError['code'];
    }
  /** A node's record that is not believed; told once while it stands. */
  | { readonly kind: 'ignored'; readonly node: string; readonly why: string };

/** Certificates kept in Redis: about 1 MB. */
export const CERTS_MAX = 10_000;
const PLANS: Plans = {
  ...membershipPlans,
  ...orderPlans,
  ...roomPlans,
  ...logPlans,
  ...projectionPlans,
  ...outboxPlans,
  ...rightsPlans,
  ...abandonedPlans,
};

export class RedisDirectory implements Directory {
  readonly #run: RunInForce;
  readonly #context: PlanContext;
  readonly #clock: Clock;
  readonly #connections: Readonly<Record<DirectoryConnection, GatedRedis>>;
  readonly #listeners = new Set<(event: DirectoryEvent) => void>();
  readonly #opened: readonly DirectoryConnection[];
  #closed: Promise<unknown> | undefined;

  /** Does no I/O: `start` does.
   *  @throws RangeError if the URL, the prefix or the cluster's name is not valid */
  static connect(options: RedisDirectoryOptions): RedisDirectory {
    return new RedisDirectory(options);
  }

  constructor(options: RedisDirectoryOptions) {
    const { cluster, prefix, url, timings, replicas, random } = options;
    this.#run = options.run ?? { id: undefined };
    this.#context = {
      keys: buildKeys({ cluster, prefix }),
      certsMax: options.certsMax ?? CERTS_MAX,
      primaries: () => this.#connections.bulk.primaries,
      guard:
        options.trust &&
        new RecordGuard({
          ...options.trust,
          cluster,
          prefix: prefix ?? DEFAULT_PREFIX,
          onIgnored: (node, why) => this.#tell({ kind: 'ignored', node, why }),
        }),
    };
    this.#clock = options.clock ?? systemClock;
    this.#opened = options.connections ?? DIRECTORY_CONNECTIONS;
    const open = (connection: DirectoryConnection) =>
      new GatedRedis({
        url,
        name: `${cluster}-${connection}`,
        run: this.#run,
        ...timings,
        replicas,
        clock: this.#clock,
        random,
        onState: (state) => this.#tell({ ...state, connection }),
      });
    this.#connections = { control: open('control'), log: open('log'), bulk: open('bulk') };
  }

  /** Begins to connect, and goes on for as long as it takes. Safe to repeat. */
  start(): void {
    if (this.#closed !== undefined) return;
    for (const each of this.#opened) this.#connections[each].start();
  }

  /** Ends all connections; what is in flight is rejected as `timeout`. Resolves when no socket or timer is left. Safe to repeat. */
  async close(): Promise<void> {
    this.#closed ??= Promise.all(DIRECTORY_CONNECTIONS.map((each) => this.#connections[each].close()));
    await this.#closed;
  }

  useRun(runId: string | undefined): void {
    this.#run.id = runId ?? this.#connections.control.runId;
  }

  async call<K extends Operation>(operation: K, args: Args<K>): Promise<Reply<K>> {
    checkArgs(operation, args);
    const plan: Plan<K> = PLANS[operation];
    const request = plan.request(args, this.#context);
    const beganMs = this.#clock.now().monoMs;
    const tell = (outcome: 'ok' | DirectoryError['code']) => {
      const ms = this.#clock.now().monoMs - beganMs;
      this.#tell({ kind: 'call', connection: plan.connection, operation, ms, outcome });
    };
    try {
      const sent = await this.#connections[plan.connection].send(request);
      const reply = underRun(parsed(plan, sent.raw, args, this.#context), sent);
      tell('ok');
      return reply;
    } catch (error) {
      if (error instanceof DirectoryError) tell(error.code);
      throw error;
    }
  }

  /** Hears of connections and calls until the returned function is called. A listener must not throw. */
  onState(listener: (event: DirectoryEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Says what an operator has to change on the server; empty when nothing.
   *  @throws DirectoryError 'unavailable' or 'timeout' */
  async checkServer(): Promise<string[]> {
    const servers = await this.#connections.control.inspect();
    return [...new Set(servers.flatMap(serverComplaints))];
  }

  #tell(event: DirectoryEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function parsed<K extends Operation>(plan: Plan<K>, raw: unknown, args: Args<K>, context: PlanContext): Reply<K> {
  try {
    return plan.parse(raw, args, context);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new DirectoryError('bad-reply', `The stored data or the reply is not the directory's: ${said}`, {
      cause: error,
    });
  }
}

/** A cluster's server names its own run; callers know that of the whole. */
function underRun<R extends object>(reply: R, { runId, serverRunId }: { runId: string; serverRunId: string }): R {
  return 'runId' in reply && reply.runId === serverRunId && runId !== serverRunId ? { ...reply, runId } : reply;
}
