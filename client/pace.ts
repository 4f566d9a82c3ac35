/** Keeps below the server's message rate, so that a queue that is flushed is not refused. Owns: a bucket of one second's worth.
 *  Does not know: messages, timers.
 *  Invariant: never more than `perSecond` in a burst, nor more than nine tenths of it each second after. */
const SHARE = 0.9;

export class Pace {
  readonly #perSecond: number;
  #left: number;
  #atMs: number;

  /** @param perSecond  0 for no limit */
  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond * SHARE;
    this.#atMs = nowMs;
  }

  /** Milliseconds until one more may be sent: 0 if it may now, and then it counts as sent. */
  take(nowMs: number): number {
    if (this.#perSecond === 0) return 0;
    const perMs = (this.#perSecond * SHARE) / 1_000;
    this.#left = Math.min(this.#perSecond * SHARE, this.#left + (nowMs - this.#atMs) * perMs);
    this.#atMs = nowMs;
    // A rate below 2 a second has a bucket that never holds a whole one.
    const needed = Math.min(1, this.#perSecond * SHARE);
    if (this.#left < needed) return Math.ceil((needed - this.#left) / perMs);
    this.#left -= needed;
    return 0;
  }
}
