/** Time as an argument. Owns: the two clocks a process reads. Does not know: what any period means (see timing.ts).
 *  Two machines' clocks are never compared; deadlines live on `monoMs`. */

/** One reading of both clocks of this process, in milliseconds. */
export interface Instant {
  /** Monotonic; on one host all processes share its origin (CLOCK_MONOTONIC). */
  readonly monoMs: number;
  /** Wall clock, Unix epoch. Only for display, and for the gate, which trusts the larger elapsed time of the two. */
  readonly wallMs: number;
}

export interface Clock {
  now(): Instant;
}

/** Where `performance.now` began on CLOCK_MONOTONIC: reading that clock by `hrtime` costs several times as much. */
const ORIGIN_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const systemClock: Clock = {
  now: () => ({ monoMs: ORIGIN_MS + performance.now(), wallMs: Date.now() }),
};

/** Milliseconds between two readings: the larger of what the monotonic and the wall clock say, since CLOCK_MONOTONIC
 *  stands still while a machine is suspended and the wall clock may be set back.
 *  @see DESIGN §4 Gate */
export function elapsedMs(since: Instant, now: Instant): number {
  return Math.max(now.monoMs - since.monoMs, now.wallMs - since.wallMs);
}

/** A clock that moves only when told to. For tests and the simulator. */
export class ManualClock implements Clock {
  #monoMs: number;
  #wallMs: number;

  constructor(monoMs = 1_000_000, wallMs = 1_700_000_000_000) {
    this.#monoMs = monoMs;
    this.#wallMs = wallMs;
  }

  now(): Instant {
    return { monoMs: this.#monoMs, wallMs: this.#wallMs };
  }

  advance(ms: number): void {
    this.#monoMs += ms;
    this.#wallMs += ms;
  }

  /** Steps the wall clock alone, as an operator or NTP would. */
  stepWall(ms: number): void {
    this.#wallMs += ms;
  }
}
