/** When each client that is sent off is to come back. Owns: a queue of moments, one for each, as far apart as handshakes are admitted.
 *  Does not know: why a client is sent off, sockets.
 *  A herd is told within a turn and cannot be counted in advance, so the count is kept as it is told: the window grows with each.
 *  Invariant: of clients told one after another no two get the same moment, and no more moments lie in a second than are admitted. */
import type { Clock } from '../shared/clock.ts';
import { ACCEPT_RATE_DEFAULT } from '../shared/herd.ts';
import type { RandomSource } from '../shared/random.ts';
import type { AdmissionRate } from './admission-rate.ts';

/** Some of what is admitted is left for those who come for the first time. */
const SHARE = 0.8;
/** Longest time anybody is told to wait for the queue: after it a session could not be resumed. */
const QUEUE_MS_MAX = 100_000;

export class ComeBack {
  readonly #clock: Clock;
  readonly #random: RandomSource;
  readonly #rate: Pick<AdmissionRate, 'perSecond'>;
  /** The last moment that was given away, monotonic ms. */
  #lastMs = Number.NEGATIVE_INFINITY;

  /** @param rate  what this router admits; 0 for no limit */
  constructor(clock: Clock, random: RandomSource, rate: Pick<AdmissionRate, 'perSecond'>) {
    this.#clock = clock;
    this.#random = random;
    this.#rate = rate;
  }

  /** Milliseconds that the next client is to wait.
   *  @param window  what a single one would draw from */
  next(window: { readonly minMs: number; readonly maxMs: number }): number {
    const nowMs = this.#clock.now().monoMs;
    const { perSecond } = this.#rate;
    const everyMs = 1_000 / ((perSecond > 0 ? perSecond : ACCEPT_RATE_DEFAULT) * SHARE);
    this.#lastMs = Math.min(Math.max(nowMs, this.#lastMs + everyMs), nowMs + QUEUE_MS_MAX);
    const drawnMs = window.minMs + this.#random.unit() * (window.maxMs - window.minMs);
    return Math.round(this.#lastMs - nowMs + drawnMs);
  }
}
