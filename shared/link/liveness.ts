/** Is the other side of a link still there. Owns: when to ask, how long a silence has lasted, which question an answer belongs to.
 *  Does not know: sockets or timers; time is an argument.
 *  Invariant: only time in which this process ran counts as silence. After its own stall, bytes may lie unread in the kernel. */
import type { Instant } from '../clock.ts';

/** Questions that may be open at once; older ones are given up. */
const OPEN_PINGS_MAX = 16;

/** An answer to a PING. */
export interface PongSample {
  /** When its question was queued, so not after it was sent: what the answer proves, it proves as of then at least. */
  readonly sentAt: Instant;
  readonly rttMs: number;
  /** The other side's event-loop delay, microseconds. */
  readonly loopDelayUs: number;
  readonly redis: 'unknown' | 'answered' | 'failed';
}

export class Liveness {
  readonly #periodMs: number;
  readonly #silentMs: number;
  #heardMs: number;
  #checkedMs: number;
  #seq = 0;
  readonly #asked = new Map<number, Instant>();

  /** @param periodMs  between two checks, at most about this long
   *  @param silentMs  without a byte for this long, the other side counts as gone */
  constructor(periodMs: number, silentMs: number, now: Instant) {
    this.#periodMs = periodMs;
    this.#silentMs = silentMs;
    this.#heardMs = now.monoMs;
    this.#checkedMs = now.monoMs;
  }

  /** Bytes came; or none were asked for (reading was paused until now). */
  heard(now: Instant): void {
    this.#heardMs = now.monoMs;
  }

  /** Looks at the silence so far. @returns milliseconds that are left of it; 0 or less: the other side counts as gone */
  check(now: Instant): number {
    const sinceCheckMs = now.monoMs - this.#checkedMs;
    this.#checkedMs = now.monoMs;
    // A check that comes late by a period and more was delayed by a stall of our own.
    if (sinceCheckMs > 2 * this.#periodMs)
      this.#heardMs += Math.min(sinceCheckMs - this.#periodMs, now.monoMs - this.#heardMs);
    return this.#silentMs - (now.monoMs - this.#heardMs);
  }

  /** Opens a question. @returns the seq to ask with */
  ask(now: Instant): number {
    this.#seq = (this.#seq + 1) >>> 0;
    this.#asked.set(this.#seq, now);
    for (const oldest of this.#asked.keys()) {
      if (this.#asked.size <= OPEN_PINGS_MAX) break;
      this.#asked.delete(oldest);
    }
    return this.#seq;
  }

  /** Closes a question. @returns when it was asked; undefined for an answer to none that is open */
  answered(seq: number): Instant | undefined {
    const askedAt = this.#asked.get(seq);
    this.#asked.delete(seq);
    return askedAt;
  }
}
