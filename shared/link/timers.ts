/** Timers as an argument. Owns: how a link is called back later. Does not know: what for. */
import type { ManualClock } from '../clock.ts';

export interface Timers {
  /** Calls `run` once, after `ms` milliseconds, unless the returned function is called first. */
  after(ms: number, run: () => void): () => void;
}

export const systemTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** Timers that fire only when told to, and move a clock along. For tests and the simulator. */
export class ManualTimers implements Timers {
  readonly #clock: ManualClock;
  readonly #pending = new Set<{ readonly atMs: number; readonly run: () => void }>();

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  after(ms: number, run: () => void): () => void {
    const entry = { atMs: this.#clock.now().monoMs + ms, run };
    this.#pending.add(entry);
    return () => this.#pending.delete(entry);
  }

  /** Timers that have not fired. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Lets `ms` milliseconds pass: what falls due fires in order, each at its time. */
  advance(ms: number): void {
    const untilMs = this.#clock.now().monoMs + ms;
    for (;;) {
      let next: { readonly atMs: number; readonly run: () => void } | undefined;
      for (const entry of this.#pending) {
        if (entry.atMs <= untilMs && (next === undefined || entry.atMs < next.atMs)) next = entry;
      }
      if (next === undefined) break;
      this.#pending.delete(next);
      this.#clock.advance(Math.max(0, next.atMs - this.#clock.now().monoMs));
      next.run();
    }
    this.#clock.advance(Math.max(0, untilMs - this.#clock.now().monoMs));
  }

  /** Lets `ms` milliseconds pass as a stopped process sees it: whatever fell due fires once, late. */
  stall(ms: number): void {
    this.#clock.advance(ms);
    this.advance(0);
  }
}
