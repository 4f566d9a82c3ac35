/** A process' way to Redis, as redis-directory.ts behaves: two connections, a run id in force, nothing queued, nothing re-sent.
 *  Owns: dialling, delays, and what a lost or late reply looks like to its caller. Does not know: who calls, or why.
 *  Invariants: an operation is sent at most once, only over a connection whose run id is the one in force; on each connection
 *  requests execute in order and replies come in order; a command given up may still execute. */
import { checkArgs } from '../../shared/directory/check-args.ts';
import { type Args, DirectoryError, type Operation, type Reply } from '../../shared/directory/directory.ts';
import type { SeededRandom } from '../../shared/random.ts';
import { DEFAULT_TIMINGS } from '../../shared/timing.ts';
import type { EventQueue } from './event-queue.ts';
import { type Network, Way } from './network.ts';
import type { SimProcess } from './sim-process.ts';
import type { SimRedis } from './sim-redis.ts';

type PipeName = 'control' | 'bulk' | 'log';

const BULK: ReadonlySet<Operation> = new Set([
  'writePresence',
  'readPresence',
  'writeUser',
  'readUser',
  'openOutbox',
  'writeOutbox',
  'trimOutbox',
  'writeTellers',
  'readTellers',
  'scanRooms',
  'expireRoom',
]);
const LOG: ReadonlySet<Operation> = new Set(['append', 'readLog', 'openLog']);
const { commandTimeoutMs, reconnectMs } = DEFAULT_TIMINGS;
/** Part of `reconnectMs` after which an attempt is given up. */
const ATTEMPT_SHARE = 0.8;

interface Live {
  readonly life: number;
  readonly runId: string;
  readonly there: Way;
  readonly back: Way;
  /** Fails every command in flight. */
  readonly inFlight: Set<(error: DirectoryError) => void>;
  silentSinceMs: number;
  isOpen: boolean;
}

export interface DirectoryWorld {
  /** A planted bug: what cannot be sent waits for a connection, whichever it is. */
  readonly queuesOffline?: boolean;
  /** A command is executed in another run of Redis than the one in force when it was made. */
  readonly onStray?: (by: string, operation: Operation) => void;
  readonly queue: EventQueue;
  readonly random: SeededRandom;
  readonly network: Network;
  readonly redis: SimRedis;
}

export class SimDirectory {
  readonly #process: SimProcess;
  readonly #world: DirectoryWorld;
  readonly #live: Record<PipeName, Live | undefined> = { control: undefined, bulk: undefined, log: undefined };
  #inForce: string | undefined;
  #offline: { readonly pipe: PipeName; readonly send: (to: Live) => void }[] = [];
  /** Added to each request's way: a stalled connection, whose commands execute long after they were given up. */
  slowMs = 0;
  /** Added to each reply's way: it comes after its caller has given up, or just before. */
  lateMs = 0;
  /** Only this connection can be made for now: attempts at the others fail. */
  dialsOnly: PipeName | undefined;
  /** So many replies are lost from here on: their commands were executed, and the connection breaks instead. */
  repliesToLose = 0;

  constructor(process: SimProcess, world: DirectoryWorld) {
    this.#process = process;
    this.#world = world;
    world.redis.onRestart(() => this.#serverGone());
    this.#dial('control');
    this.#dial('bulk');
    this.#dial('log');
  }

  useRun(runId: string): void {
    this.#inForce = runId;
  }

  call<K extends Operation>(operation: K, args: Args<K>, done: (result: Reply<K> | DirectoryError) => void): void {
    checkArgs(operation, args);
    const pipe: PipeName = LOG.has(operation) ? 'log' : BULK.has(operation) ? 'bulk' : 'control';
    const live = this.#live[pipe];
    const fail = (error: DirectoryError) => this.#process.timer(0, () => done(error));
    if (live === undefined && this.#world.queuesOffline === true) {
      const madeUnder = this.#inForce;
      this.#offline.push({ pipe, send: (to) => this.#send(pipe, to, operation, args, done, madeUnder) });
      return;
    }
    if (live === undefined) return fail(new DirectoryError('unavailable', 'There is no connection to Redis'));
    this.#inForce ??= live.runId;
    if (this.#inForce !== live.runId) {
      return fail(new DirectoryError('other-run', 'Redis runs as another', { runId: live.runId }));
    }
    this.#send(pipe, live, operation, args, done, live.runId);
  }

  #send<K extends Operation>(
    pipe: PipeName,
    live: Live,
    operation: K,
    args: Args<K>,
    done: (result: Reply<K> | DirectoryError) => void,
    madeUnder: string | undefined,
  ): void {
    const { redis } = this.#world;
    let isAwaited = true;
    const settle = (result: Reply<K> | DirectoryError) => {
      if (!isAwaited) return;
      isAwaited = false;
      live.inFlight.delete(settle);
      done(result);
    };
    if (live.inFlight.size === 0) live.silentSinceMs = this.#process.now().monoMs;
    live.inFlight.add(settle);
    this.#there(live, () => {
      redis.arrive(live.life, () => {
        if (madeUnder !== undefined && madeUnder !== redis.runId) this.#world.onStray?.(this.#process.name, operation);
        const reply = redis.execute(this.#process.name, operation, args);
        this.#back(pipe, live, () => {
          live.silentSinceMs = this.#process.now().monoMs;
          settle(reply);
        });
      });
    });
    this.#process.timer(commandTimeoutMs, () =>
      this.#process.timer(0, () => {
        if (!isAwaited) return;
        settle(new DirectoryError('timeout', 'Redis did not answer in time; the outcome is unknown'));
        const silentMs = this.#process.now().monoMs - live.silentSinceMs;
        if (silentMs >= 2 * commandTimeoutMs && this.#live[pipe] === live) this.#drop(pipe);
      }),
    );
  }

  #sendQueued(pipe: PipeName, live: Live): void {
    const queued = this.#offline.filter((one) => one.pipe === pipe);
    this.#offline = this.#offline.filter((one) => one.pipe !== pipe);
    for (const { send } of queued) send(live);
  }

  /** A request on its way. One whose connection was let go is still in the network, and may arrive all the same. */
  #there(live: Live, arrived: () => void): void {
    const { queue, random, network, redis } = this.#world;
    queue.after(live.there.delay(queue.nowMs, wireMs(random) + this.slowMs), () => {
      network.pass(this.#process.name, redis.name, () => {
        if (live.isOpen || random.unit() < 0.5) arrived();
      });
    });
  }

  #back(pipe: PipeName, live: Live, arrived: () => void): void {
    const { queue, random, network, redis } = this.#world;
    if (this.repliesToLose > 0 && live.isOpen) {
      this.repliesToLose--;
      this.#process.receive(`redis ${pipe} ${live.life}`, () => this.#live[pipe] === live && this.#drop(pipe));
      return;
    }
    queue.after(live.back.delay(queue.nowMs, wireMs(random) + this.lateMs), () => {
      network.pass(redis.name, this.#process.name, () => {
        if (live.isOpen) this.#process.receive(`redis ${pipe} ${live.life}`, () => live.isOpen && arrived());
      });
    });
  }

  /** The connections break: what is in flight has an unknown outcome, and may still reach Redis. */
  reset(): void {
    for (const pipe of ['control', 'bulk', 'log'] as const) if (this.#live[pipe] !== undefined) this.#drop(pipe);
  }

  #serverGone(): void {
    const { queue, random, network, redis } = this.#world;
    for (const pipe of ['control', 'bulk', 'log'] as const) {
      const live = this.#live[pipe];
      if (live === undefined) continue;
      queue.after(live.back.delay(queue.nowMs, wireMs(random)), () =>
        network.pass(redis.name, this.#process.name, () =>
          this.#process.receive(`redis ${pipe} ${live.life}`, () => this.#live[pipe] === live && this.#drop(pipe)),
        ),
      );
    }
  }

  #drop(pipe: PipeName): void {
    const live = this.#live[pipe];
    if (live === undefined) return;
    this.#live[pipe] = undefined;
    live.isOpen = false;
    const error = new DirectoryError('timeout', 'The connection was lost with a command in flight');
    for (const settle of [...live.inFlight]) this.#process.timer(0, () => settle(error));
    this.#process.timer(this.#world.random.unit() * 0.1 * reconnectMs, () => this.#dial(pipe));
  }

  #dial(pipe: PipeName): void {
    const { queue, random, network, redis } = this.#world;
    const { name } = this.#process;
    let isOver = false;
    const again = () => {
      if (isOver) return;
      isOver = true;
      this.#process.timer(reconnectMs * random.unit() * 0.3, () => this.#dial(pipe));
    };
    this.#process.timer(reconnectMs * ATTEMPT_SHARE, again);
    if (this.dialsOnly !== undefined && this.dialsOnly !== pipe) return;
    // Connecting and INFO: two round trips, in which the server must be the same.
    const { life } = redis;
    queue.after(2 * wireMs(random), () =>
      network.pass(name, redis.name, () => {
        if (!redis.isUp) return this.#process.receive(`dial ${pipe}`, () => this.#process.timer(0, again));
        redis.arrive(life, () => {
          const { runId } = redis;
          queue.after(2 * wireMs(random), () =>
            network.pass(redis.name, name, () =>
              this.#process.receive(`dial ${pipe}`, () => {
                if (isOver || redis.life !== life) return;
                isOver = true;
                const silentSinceMs = this.#process.now().monoMs;
                const ways = {
                  there: new Way(),
                  back: new Way(),
                  inFlight: new Set<(error: DirectoryError) => void>(),
                };
                const live = { life, runId, ...ways, silentSinceMs, isOpen: true };
                this.#live[pipe] = live;
                this.#sendQueued(pipe, live);
              }),
            ),
          );
        });
      }),
    );
  }
}

/** One way through a local network, milliseconds: usually short, sometimes not. */
export function wireMs(random: SeededRandom): number {
  const luck = random.unit();
  if (luck < 0.9) return 0.2 + random.unit();
  return luck < 0.985 ? 1 + random.unit() * 15 : 15 + random.unit() * 150;
}
