/** How fast something goes that has pauses. Owns: the rate over the last stretch in which it went. Does not know: what goes.
 *  Invariant: time in which nothing could go is not counted. */

/** A rate is known after so long, and then follows what is now within about as long. */
const STRETCH_MS = 2_000;
/** Below it nothing useful can be said of how long the rest takes. */
const PER_SECOND_MIN = 0.01;

export class Pace {
  #perSecond: number | undefined;
  #lastMs: number | undefined;
  #spentMs = 0;
  /** As of the beginning of this stretch. */
  #from: number | undefined;

  /** Tells how much has gone so far. @param goes  whether it can go now */
  stands(gone: number, goes: boolean, nowMs: number): void {
    if (goes && this.#lastMs !== undefined) this.#spentMs += nowMs - this.#lastMs;
    this.#lastMs = goes ? nowMs : undefined;
    // What comes before the first has gone is preparation.
    if (gone === 0 || this.#from === undefined) {
      this.#from = gone;
      if (gone === 0) this.#spentMs = 0;
    }
    if (this.#spentMs < STRETCH_MS) return;
    const perSecond = ((gone - this.#from) * 1_000) / this.#spentMs;
    const before = this.#perSecond;
    this.#perSecond = Math.max(PER_SECOND_MIN, before === undefined ? perSecond : (before + perSecond) / 2);
    this.#from = gone;
    this.#spentMs = 0;
  }

  /** Undefined while too little has been seen. */
  get perSecond(): number | undefined {
    return this.#perSecond;
  }
}
