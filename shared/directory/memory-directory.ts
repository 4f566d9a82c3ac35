/** The directory in memory, for tests and the simulator. Owns: one life of the data, under a run id that its user gives.
 *  Does not know: the clock or chance: time is passed in, and whatever is random is in the arguments.
 *  Invariant: the same calls at the same times give the same replies, and the replies are those of Redis (differential.test.ts). */
import type { Clock } from '../clock.ts';
import { checkArgs } from './check-args.ts';
import { type Args, type Directory, DirectoryError, type Operation, type Reply } from './directory.ts';
import { abandonedExecutors } from './memory/abandoned.ts';
import { logExecutors } from './memory/log.ts';
import { membershipExecutors } from './memory/membership.ts';
import { orderExecutors } from './memory/orders.ts';
import { outboxExecutors } from './memory/outbox.ts';
import { projectionExecutors } from './memory/projections.ts';
import { rightsExecutors } from './memory/rights.ts';
import { roomExecutors } from './memory/rooms.ts';
import { copyOf, type Executors, emptyState, type State } from './memory/state.ts';

const EXECUTORS: Executors = {
  ...membershipExecutors,
  ...orderExecutors,
  ...roomExecutors,
  ...logExecutors,
  ...projectionExecutors,
  ...outboxExecutors,
  ...rightsExecutors,
  ...abandonedExecutors,
};

/** The data at one moment; opaque, and never changed once taken. */
export interface MemorySnapshot {
  readonly state: State;
}

export class MemoryDirectory {
  readonly #certsMax: number;
  #runId: string;
  #state = emptyState();

  constructor(options: { readonly runId: string; readonly certsMax?: number | undefined }) {
    this.#runId = options.runId;
    this.#certsMax = options.certsMax ?? 10_000;
  }

  get runId(): string {
    return this.#runId;
  }

  /** Carries out one operation at `nowMs`, which stands for Redis' own clock in Unix ms and never goes back.
   *  @throws RangeError as RedisDirectory does, for arguments that cannot be stored */
  execute<K extends Operation>(operation: K, args: Args<K>, nowMs: number): Reply<K> {
    checkArgs(operation, args);
    const executor: Executors[K] = EXECUTORS[operation];
    return executor(args, { state: this.#state, runId: this.#runId, nowMs, certsMax: this.#certsMax });
  }

  /** Begins another run, as a restarted server or a promoted replica would, with the data that it has kept. */
  restart(options: { readonly runId: string; readonly data: 'kept' | 'empty' | MemorySnapshot }): void {
    this.#runId = options.runId;
    if (options.data === 'empty') this.#state = emptyState();
    else if (options.data !== 'kept') this.restore(options.data);
  }

  snapshot(): MemorySnapshot {
    return { state: copyOf(this.#state) };
  }

  /** Puts the data back as it was, under the present run id: what a FLUSHALL or a restored file does without a restart. */
  restore(snapshot: MemorySnapshot): void {
    this.#state = copyOf(snapshot.state);
  }

  /** One process' view of this directory: the interface that RedisDirectory has, with a run in force of its own. Redis' clock is
   *  the wall clock of `clock`. */
  connect(clock: Clock): Directory {
    let inForce: string | undefined;
    return {
      useRun: (runId) => {
        inForce = runId ?? this.#runId;
      },
      call: async (operation, args) => {
        inForce ??= this.#runId;
        if (inForce !== this.#runId) {
          throw new DirectoryError('other-run', `Redis runs as ${this.#runId}, not as ${inForce}; nothing was sent`, {
            runId: this.#runId,
          });
        }
        return this.execute(operation, args, clock.now().wallMs);
      },
    };
  }
}
