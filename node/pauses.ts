/** How long rooms stood still while they were handed over. Owns: the last of those times. Bounded: the oldest give way. */
const KEPT_MAX = 1_000;

export class Pauses {
  readonly #ms: number[] = [];
  #at = 0;

  add(ms: number): void {
    this.#ms[this.#at] = ms;
    this.#at = (this.#at + 1) % KEPT_MAX;
  }

  /** The pause that 99 of 100 stayed below, whole ms; null before the first. */
  get p99Ms(): number | null {
    const sorted = [...this.#ms].sort((a, b) => a - b);
    const worst = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))];
    return worst === undefined ? null : Math.round(worst);
  }
}
