/** How many handshakes a second a router takes on now. Owns: that rate, which follows how late the router's own event loop is. Does not
 *  know: handshakes, who is shed, sockets.
 *
 *  No one number fits: what a handshake costs differs by a factor of five between machines, and on one machine with what else runs there.
 *  So the rate is found as congestion control finds it: while the loop keeps up it grows by equal steps up to the most that is allowed,
 *  and each time the loop was late while handshakes came it shrinks by a third, down to a floor, so that a herd always gets on.
 *  A loop that is late without any handshakes is no reason to shrink: nobody would be helped by it.
 *  Invariant: the rate lies between the floor and the most at all times, and shrinks at most once in a look.
 *  @see Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion avoidance in computer networks", 1989 */
import type { Clock } from '../shared/clock.ts';

/** How long is looked before the rate is changed: some handshakes must have shown what they cost. */
const LOOK_MS = 250;
/** A loop that was later than this within a look was held up. Half of what the loop is to keep to, as what is admitted shows later. */
export const LATE_MS = 50;
const SHRINK = 2 / 3;
/** From the floor to the most in so many looks: five seconds. */
const STEPS = 20;
/** The floor, as a part of the most. */
const FLOOR_SHARE = 0.1;
/** Fewer handshakes a second than this part of the rate did not hold the loop up. */
const BLAMED_SHARE = 0.1;

export class AdmissionRate {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #floor: number;
  #rate: number;
  #lookedMs: number;
  #latestMs = 0;
  #admitted = 0;

  /** @param most  handshakes a second; 0 for no limit: then there is no rate to follow */
  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#most = most;
    this.#floor = Math.min(most, Math.max(1, most * FLOOR_SHARE));
    this.#rate = most;
    this.#lookedMs = clock.now().monoMs;
  }

  /** What it is at most; 0 for no limit. */
  get most(): number {
    return this.#most;
  }

  /** Handshakes a second; 0 for no limit. */
  get perSecond(): number {
    return this.#rate;
  }

  /** One was admitted. */
  admitted(): void {
    this.#admitted += 1;
  }

  /** The loop came so late to what was due; told every few milliseconds. */
  late(ms: number): void {
    this.#latestMs = Math.max(this.#latestMs, ms);
    const pastMs = this.#clock.now().monoMs - this.#lookedMs;
    if (pastMs < LOOK_MS) return;
    const isBlamed = this.#admitted >= (BLAMED_SHARE * this.#rate * pastMs) / 1_000;
    if (this.#latestMs <= LATE_MS) this.#rate = Math.min(this.#most, this.#rate + (this.#most - this.#floor) / STEPS);
    else if (isBlamed) this.#rate = Math.max(this.#floor, this.#rate * SHRINK);
    this.#lookedMs = this.#clock.now().monoMs;
    this.#latestMs = 0;
    this.#admitted = 0;
  }
}
