/** How long to wait before the next life of a process that died. Owns: the doubling. Pure: time is an argument. */

/** A life this long counts as a success: the next pause is short again. */
export const HEALTHY_LIFE_MS = 60_000;
export const PAUSE_MAX_MS = 30_000;

export class RestartBackoff {
  readonly #firstPauseMs: number;
  #failures = 0;

  constructor(firstPauseMs: number) {
    this.#firstPauseMs = firstPauseMs;
  }

  /** @param lifeMs  how long the process lived
   *  @returns milliseconds to wait: the first pause, doubled with each short life in a row, at most 30 s (or the first pause, if that
   *  is longer) */
  pauseAfter(lifeMs: number): number {
    if (lifeMs >= HEALTHY_LIFE_MS) this.#failures = 0;
    const pause = this.#firstPauseMs * 2 ** Math.min(this.#failures, 30);
    this.#failures++;
    return Math.min(pause, Math.max(PAUSE_MAX_MS, this.#firstPauseMs));
  }
}
