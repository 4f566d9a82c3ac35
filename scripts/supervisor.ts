/** Keeps one worker alive. Owns: when the next life starts, and how the last one is ended. Does not know: Redis, or what the
 *  worker does (node-supervisor.ts adds what a node's death calls for).
 *  Invariant: at most one life at a time; after `stop` has resolved there is none, and no timer.
 *  @see DESIGN §4 Certificate */
import { type Clock, elapsedMs, systemClock } from '../shared/clock.ts';
import { jittered, type RandomSource, systemRandom } from '../shared/random.ts';
import { RestartBackoff } from './restart-backoff.ts';
import type { Exit, Worker } from './worker.ts';

/** What an exit means. `done`: left, or was told to end; `refused`: its configuration or a living namesake, said in a sentence on
 *  its stderr; `certified`: it was declared dead; `crashed`: anything else. */
export type Verdict = 'done' | 'refused' | 'certified' | 'crashed';

export function verdictOf({ code }: Exit): Verdict {
  if (code === 0) return 'done';
  if (code === 2) return 'refused';
  return code === 3 ? 'certified' : 'crashed';
}

export type SupervisorEvent =
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'ready'; readonly message: Readonly<Record<string, unknown>> }
  /** `restartMs`: the next life starts in so many milliseconds; undefined: there is none. */
  | { readonly kind: 'ended'; readonly exit: Exit; readonly verdict: Verdict; readonly restartMs: number | undefined };

export interface SupervisorOptions {
  /** Starts one life. */
  readonly launch: () => Worker;
  readonly restart: boolean;
  readonly restartDelayMs: number;
  readonly on: (event: SupervisorEvent) => void;
  readonly clock?: Clock | undefined;
  readonly random?: RandomSource | undefined;
}

/** A worker told to end has this long before it is killed. */
const END_MS = 4_000;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #clock: Clock;
  readonly #random: RandomSource;
  readonly #backoff: RestartBackoff;
  #worker: Worker | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ending = false;
  /** The present life ends because another is wanted in its place. */
  #renewing = false;
  #stopped: Promise<void> | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#backoff = new RestartBackoff(options.restartDelayMs);
  }

  get isAlive(): boolean {
    return this.#worker !== undefined;
  }

  /** Starts the first life. */
  start(): void {
    if (this.#worker !== undefined || this.#timer !== undefined || this.#ending) return;
    const began = this.#clock.now();
    const worker = this.#options.launch();
    this.#worker = worker;
    this.#options.on({ kind: 'started', pid: worker.pid });
    worker.onReady((message) => this.#options.on({ kind: 'ready', message }));
    void worker.exited.then((exit) => this.#ended(exit, elapsedMs(began, this.#clock.now())));
  }

  /** Ends the present life in peace, by force after `withinMs`, and starts the next one at once, whatever `restart` says; without
   *  a present life it starts one. Resolves when the present life is gone.
   *  @returns whether another follows: not where everything is being stopped */
  async renew(withinMs: number): Promise<boolean> {
    if (this.#ending) return false;
    const worker = this.#worker;
    if (worker === undefined) {
      this.start();
      return true;
    }
    this.#renewing = true;
    worker.drain();
    const timer = setTimeout(worker.kill, withinMs);
    await worker.exited;
    clearTimeout(timer);
    return !this.#ending;
  }

  /** Asks the worker to end in peace, and starts no other. Said twice, it ends at once. */
  drain(): void {
    this.#endRestarts();
    this.#worker?.drain();
  }

  /** Has the present life read certificates and secrets again; the next one does by itself. */
  reload(): void {
    this.#worker?.reload();
  }

  /** Kills the present life, as a crash would. Another follows, as after a crash. */
  kill(): void {
    this.#worker?.kill();
  }

  /** Ends the worker, in peace (`drain`) or at once, by force after `withinMs`. Resolves when it is gone. Safe to repeat. */
  stop(how: 'drain' | 'at once', withinMs: number = END_MS): Promise<void> {
    this.#stopped ??= this.#stop(how, withinMs);
    return this.#stopped;
  }

  async #stop(how: 'drain' | 'at once', withinMs: number): Promise<void> {
    this.#endRestarts();
    const worker = this.#worker;
    if (worker === undefined) return;
    if (how === 'drain') worker.drain();
    else worker.stop();
    const timer = setTimeout(worker.kill, withinMs);
    await worker.exited;
    clearTimeout(timer);
  }

  #endRestarts(): void {
    this.#ending = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #ended(exit: Exit, lifeMs: number): void {
    this.#worker = undefined;
    const verdict = verdictOf(exit);
    const renewed = this.#renewing && !this.#ending;
    const again = this.#options.restart && !this.#ending && verdict !== 'done' && verdict !== 'refused';
    const pauseMs = () => Math.round(jittered(this.#random, this.#backoff.pauseAfter(lifeMs)));
    const restartMs = renewed ? 0 : again ? pauseMs() : undefined;
    this.#renewing = false;
    if (restartMs !== undefined) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.start();
      }, restartMs);
    }
    this.#options.on({ kind: 'ended', exit, verdict, restartMs });
  }
}
