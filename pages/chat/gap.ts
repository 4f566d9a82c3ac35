/** The gap that a conversation had while its room changed owners. Owns: when messages arrived, under which epoch, and what follows from
 *  that. Does not know: the page, the socket.
 *  A gap counts only while messages come steadily; silence before a kill would otherwise be taken for the kill's. */

export interface Arrival {
  /** Milliseconds of a monotonic clock. */
  readonly at: number;
  readonly epoch: number;
}

export interface Gap {
  readonly ms: number;
  readonly from: number;
  readonly to: number;
}

/** So many messages within so long are more than people say, and what a beat says also on a machine that is busy. */
const STEADY_MS = 2_000;
const STEADY_MIN = 4;
const KEPT_MS = 12_000;

export class GapWatch {
  #arrivals: Arrival[] = [];

  get arrivals(): readonly Arrival[] {
    return this.#arrivals;
  }

  /** A message has arrived.
   *  @returns the gap that has just ended, if this is the first message of another epoch in a steady conversation */
  arrived(at: number, epoch: number): Gap | undefined {
    const last = this.#arrivals.at(-1);
    const wasSteady = this.isSteady;
    this.#arrivals.push({ at, epoch });
    const oldest = this.#arrivals[0];
    if (oldest !== undefined && at - oldest.at > 2 * KEPT_MS) {
      this.#arrivals = this.#arrivals.filter((one) => at - one.at <= KEPT_MS);
    }
    if (last === undefined || last.epoch === epoch || !wasSteady) return undefined;
    return { ms: at - last.at, from: last.epoch, to: epoch };
  }

  /** Whether the last messages came close upon each other. */
  get isSteady(): boolean {
    const last = this.#arrivals.slice(-STEADY_MIN);
    return last.length === STEADY_MIN && (last.at(-1)?.at ?? 0) - (last[0]?.at ?? 0) <= STEADY_MS;
  }
}
