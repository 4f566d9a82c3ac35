/** Work that comes in heaps, spread over turns of the event loop. Owns: what of it is done in this turn, and the rest in order. Does not
 *  know: what the work is.
 *  A hundred sockets that became readable while the loop was busy are all told in its next turn. If each costs a millisecond then
 *  everybody else waits for all of them; here others have their turn every few milliseconds.
 *  Invariants: work is done in the order in which it came, each piece once; none begins in a turn that has spent its time. How much can
 *  wait is bounded by whoever brings it. */

/** Of one turn of the loop. */
const BUDGET_MS = 8;

export class Turns {
  readonly #nowMs: () => number;
  readonly #nextTurn: (run: () => void) => void;
  #waiting: (() => void)[] = [];
  #spentMs = 0;
  #isTurnCounted = false;

  /** @param nextTurn  calls once, after what else waits has had its turn */
  constructor(nowMs: () => number, nextTurn: (run: () => void) => void = setImmediate) {
    this.#nowMs = nowMs;
    this.#nextTurn = nextTurn;
  }

  /** Pieces that wait for a later turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Does it at once where this turn has time left and nothing waits before it, else in one of the next. @param work  must not throw */
  do(work: () => void): void {
    if (this.#waiting.length > 0 || this.#spentMs >= BUDGET_MS) this.#waiting.push(work);
    else this.#run(work);
    this.#countTurn();
  }

  #run(work: () => void): void {
    const beganMs = this.#nowMs();
    work();
    this.#spentMs += this.#nowMs() - beganMs;
  }

  #countTurn(): void {
    if (this.#isTurnCounted) return;
    this.#isTurnCounted = true;
    this.#nextTurn(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnCounted = false;
    this.#spentMs = 0;
    const waiting = this.#waiting;
    let done = 0;
    for (; done < waiting.length && this.#spentMs < BUDGET_MS; done++) {
      const work = waiting[done];
      if (work !== undefined) this.#run(work);
    }
    this.#waiting = waiting.slice(done);
    if (this.#waiting.length > 0) this.#countTurn();
  }
}
