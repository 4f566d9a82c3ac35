/** A token bucket: how often something may be done. Owns: its level. Does not know: what for, or what a refusal leads to.
 *  Invariant: within any `t` seconds at most `burst + t × perSecond` are taken. */

export interface BucketRate {
  /** Above 0. */
  readonly perSecond: number;
  /** What may be taken at once by whoever was quiet. */
  readonly burst: number;
}

export class Bucket {
  #tokens: number;
  #atMs: number;

  /** Begins full. */
  constructor({ burst }: BucketRate, nowMs: number) {
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  /** Takes one. @param rate  the same at every call @returns whether there was one */
  take(rate: BucketRate, nowMs: number): boolean {
    this.#tokens = this.#level(rate, nowMs);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Whether it is as good as a new one. */
  isFull(rate: BucketRate, nowMs: number): boolean {
    return this.#level(rate, nowMs) >= rate.burst;
  }

  #level({ perSecond, burst }: BucketRate, nowMs: number): number {
    return Math.min(burst, this.#tokens + (Math.max(0, nowMs - this.#atMs) / 1_000) * perSecond);
  }
}
