/** How fast one client talks. Owns: two token buckets, one for what is allowed and one for what is forgiven.
 *  Does not know: what happens to a refused message. */

export type RateVerdict = 'allowed' | 'refused' | 'abusive';

/** A client that goes on at this many times its rate is not clumsy but hostile. */
const ABUSE_FACTOR = 10;

export class RateMeter {
  #allowed: number;
  #forgiven: number;
  #atMs: number;

  /** Both buckets begin full, with one second's worth. */
  constructor(perSecond: number, nowMs: number) {
    this.#allowed = perSecond;
    this.#forgiven = perSecond * ABUSE_FACTOR;
    this.#atMs = nowMs;
  }

  /** Counts one message.
   *  @param perSecond  messages a second, above 0; the same at every call
   *  @returns `allowed` | `refused` (above the rate) | `abusive` (for a second or more above ten times the rate) */
  take(perSecond: number, nowMs: number): RateVerdict {
    const seconds = Math.max(0, nowMs - this.#atMs) / 1_000;
    this.#atMs = nowMs;
    this.#allowed = Math.min(perSecond, this.#allowed + seconds * perSecond);
    this.#forgiven = Math.min(perSecond * ABUSE_FACTOR, this.#forgiven + seconds * perSecond * ABUSE_FACTOR);
    this.#forgiven -= 1;
    if (this.#forgiven < 0) return 'abusive';
    if (this.#allowed < 1) return 'refused';
    this.#allowed -= 1;
    return 'allowed';
  }

  /** Takes so many messages more from what is forgiven. */
  charge(messages: number): void {
    this.#forgiven -= messages;
  }
}
