/** Whether a server is well, from how it answered lately. Owns: the count. Does not know: how it is asked, what follows.
 *  Invariant: one answer alone never turns it, unless the bound is one. */

export type Health = 'unknown' | 'well' | 'ill';

export class HealthGauge {
  readonly #failuresMax: number;
  #health: Health = 'unknown';
  #failures = 0;
  #successes = 0;

  /** @param failuresMax  so many failures in a row make it ill; half of them, rounded up, successes in a row make it well again */
  constructor(failuresMax: number) {
    this.#failuresMax = failuresMax;
  }

  get health(): Health {
    return this.#health;
  }

  /** Takes one answer. @returns whether that turned it */
  took(isWell: boolean): boolean {
    const before = this.#health;
    this.#failures = isWell ? 0 : this.#failures + 1;
    this.#successes = isWell ? this.#successes + 1 : 0;
    // Before its first answer nothing is known to be well, and nobody has been sent there who could be disturbed by a mistake.
    if (isWell && (before === 'unknown' || this.#successes >= Math.ceil(this.#failuresMax / 2))) this.#health = 'well';
    if (!isWell && this.#failures >= this.#failuresMax) this.#health = 'ill';
    return this.#health !== before;
  }
}
