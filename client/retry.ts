/** When to connect again. Owns: how long to wait after a loss. Does not know: sockets, timers.
 *  Full jitter: a random moment of a window that doubles, so that a herd spreads however it was lost; the server's own word goes before.
 *  @see DESIGN §7; Brooker, "Exponential Backoff And Jitter" */

export interface Loss {
  /** How long the seat was held, milliseconds; undefined where there was no welcome. */
  readonly heldMs: number | undefined;
  /** What a notice said. */
  readonly retryAfterMs: number | undefined;
  /** What the last welcome said; undefined before the first. */
  readonly retryWindowMs: number | undefined;
}

const WINDOW_MS = 500;
/** A seat held for this long was a good one: failures are counted anew. */
const GOOD_MS = 10_000;
/** From this many losses in a row on, also a server that announces each is not taken at its word alone. */
const FLAPS = 3;

export class Retry {
  readonly #random: () => number;
  readonly #windowMsMax: number;
  #failures = 0;

  /** @param random  from 0 inclusive to 1 exclusive */
  constructor(random: () => number, windowMsMax: number) {
    this.#random = random;
    this.#windowMsMax = windowMsMax;
  }

  /** Milliseconds to wait after a loss. */
  after({ heldMs, retryAfterMs, retryWindowMs }: Loss): number {
    if (heldMs !== undefined && heldMs >= GOOD_MS) this.#failures = 0;
    const failures = this.#failures++;
    const windowMs = Math.min(this.#windowMsMax, WINDOW_MS * 2 ** failures);
    const isFlapping = failures >= FLAPS;
    if (retryAfterMs !== undefined) return retryAfterMs + (isFlapping ? this.#random() * windowMs : 0);
    const isSudden = heldMs !== undefined && retryWindowMs !== undefined && !isFlapping;
    return this.#random() * (isSudden ? retryWindowMs : windowMs);
  }
}
