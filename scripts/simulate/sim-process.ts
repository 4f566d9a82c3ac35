/** One process on one host: its clocks, its event loop, and the signals it gets. Owns: what runs when. Does not know: what runs.
 *  Invariants: a paused process executes nothing; what reaches it meanwhile waits, and everything arrives at once when it goes on,
 *  each source in order, the sources in any order, sockets as a rule before timers; a dead one executes nothing any more. */
import type { Clock, Instant } from '../../shared/clock.ts';
import type { SeededRandom } from '../../shared/random.ts';
import type { EventQueue } from './event-queue.ts';

/** Clocks of two hosts run apart by at most this share. */
const RATE_SPREAD = 0.004;

export interface ProcessWorld {
  readonly queue: EventQueue;
  readonly random: SeededRandom;
  /** A process' code has thrown. */
  readonly onThrown: (process: SimProcess, error: unknown) => void;
  /** A turn of a process has ended. */
  readonly onTurn: (process: SimProcess) => void;
}

export class SimProcess implements Clock {
  readonly name: string;
  readonly #world: ProcessWorld;
  readonly #rate: number;
  readonly #monoOffsetMs: number;
  #wallOffsetMs: number;
  #state: 'running' | 'paused' | 'dead' = 'running';
  readonly #inbox = new Map<string, (() => void)[]>();
  #due: (() => void)[] = [];

  constructor(name: string, world: ProcessWorld) {
    this.name = name;
    this.#world = world;
    const { random } = world;
    this.#rate = 1 + (random.unit() * 2 - 1) * RATE_SPREAD;
    this.#monoOffsetMs = 1_000 + random.below(1_000_000);
    this.#wallOffsetMs = 1_700_000_000_000 + random.below(4_000) - 2_000;
  }

  get isDead(): boolean {
    return this.#state === 'dead';
  }

  get isPaused(): boolean {
    return this.#state === 'paused';
  }

  now(): Instant {
    const ranMs = this.#world.queue.nowMs * this.#rate;
    return { monoMs: this.#monoOffsetMs + ranMs, wallMs: Math.round(this.#wallOffsetMs + ranMs) };
  }

  stepWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** Something reaches the process from outside. @param source  what keeps its order: a socket */
  receive(source: string, run: () => void): void {
    if (this.#state === 'dead') return;
    if (this.#state === 'running') return this.#turn(run);
    const waiting = this.#inbox.get(source);
    if (waiting === undefined) this.#inbox.set(source, [run]);
    else waiting.push(run);
  }

  /** Runs after `ms` of this process' monotonic clock, or later, unless the process has died or `run` is told to do nothing. */
  timer(ms: number, run: () => void): void {
    this.#world.queue.after(ms / this.#rate, () => {
      if (this.#state === 'dead') return;
      if (this.#state === 'paused') this.#due.push(run);
      else this.#turn(run);
    });
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    const timersFirst = this.#world.random.unit() < 0.15;
    if (timersFirst) this.#runDue();
    while (this.#inbox.size > 0 && !this.isDead) {
      const source = this.#world.random.pick([...this.#inbox.keys()]);
      const waiting = this.#inbox.get(source) ?? [];
      // A socket is read in chunks: a few messages, then it is another's turn.
      for (let left = 1 + this.#world.random.below(8); left > 0; left--) {
        const run = waiting.shift();
        if (run !== undefined) this.#turn(run);
      }
      if (waiting.length === 0) this.#inbox.delete(source);
    }
    this.#runDue();
  }

  #runDue(): void {
    const due = this.#due;
    this.#due = [];
    for (const run of due) this.#turn(run);
  }

  /** SIGKILL. */
  die(): void {
    this.#state = 'dead';
    this.#inbox.clear();
    this.#due = [];
  }

  #turn(run: () => void): void {
    if (this.#state !== 'running') return;
    try {
      run();
      this.#world.onTurn(this);
    } catch (error) {
      this.#world.onThrown(this, error);
    }
  }
}
