/** Which handshakes a router takes on now. Owns: the token bucket, and the order in which it sheds. Does not know: sockets, HTTP.
 *
 *  A herd that lost another router costs each handshake some tenths of a millisecond here; taken all at once they would hold up those
 *  who are seated already. What is above the rate is shed, in this order: first new sessions, which lose nothing by waiting, then
 *  resumes, whose rooms would see them leave. The API, health and metrics are never shed: an operator must see what goes on.
 *  That a request resumes is what it says: its token is checked only once it is admitted, so a false one buys a place in the order
 *  and nothing else.
 *
 *  A browser shows its page no status, so whoever speaks `bellhop.v1` or names an Origin is told by a 101, a notice and 1013, while
 *  that can be afforded: it costs most of what an admission costs. All others, and these above that, get 503 and Retry-After.
 *  Invariants: in no second are more admitted than the rate and one burst; while a resume is shed, so is every new session. The rate is
 *  never above the most that is allowed (admission-rate.ts). */
import type { Clock } from '../shared/clock.ts';
import type { AdmissionRate } from './admission-rate.ts';

export type HandshakeKind = 'new' | 'resume';
/** `admitted` | `told`: to be told by a 101, a notice and 1013 | `refused`: 503 before the upgrade. */
export type HandshakeVerdict = 'admitted' | 'told' | 'refused';

/** What became of handshakes since this router started. */
export type HandshakeStats = Readonly<Record<HandshakeKind, Readonly<Record<HandshakeVerdict, number>>>>;

/** How much may come at once, as a part of a second's worth: what a router takes on in one go is what its loop is held up by. */
const BURST_SECONDS = 0.5;
/** Part of the bucket that only resumes may empty. */
const RESERVE_SHARE = 0.5;
/** Of the rate: how many may be told each second. */
const TOLD_SHARE = 0.25;

export class Handshakes {
  readonly stats: Record<HandshakeKind, Record<HandshakeVerdict, number>> = {
    new: { admitted: 0, told: 0, refused: 0 },
    resume: { admitted: 0, told: 0, refused: 0 },
  };
  readonly #clock: Clock;
  readonly #rate: AdmissionRate;
  #tokens: number;
  #tellable: number;
  #atMs: number;

  constructor(clock: Clock, rate: AdmissionRate) {
    this.#clock = clock;
    this.#rate = rate;
    this.#tokens = this.#burst;
    this.#tellable = this.#burst;
    this.#atMs = clock.now().monoMs;
  }

  /** Counts one handshake.
   *  @param canRead  whether its client can read a notice, and cannot read a status */
  take(kind: HandshakeKind, canRead: boolean): HandshakeVerdict {
    const verdict = this.#rate.most === 0 ? 'admitted' : this.#take(kind, canRead);
    this.stats[kind][verdict] += 1;
    if (verdict === 'admitted') this.#rate.admitted();
    return verdict;
  }

  #take(kind: HandshakeKind, canRead: boolean): HandshakeVerdict {
    this.#refill();
    const kept = kind === 'resume' ? 0 : this.#burst * RESERVE_SHARE;
    if (this.#tokens - kept >= 1) {
      this.#tokens -= 1;
      return 'admitted';
    }
    if (!canRead || this.#tellable < 1) return 'refused';
    this.#tellable -= 1;
    return 'told';
  }

  /** A rate of a few a second still needs a bucket that two kinds can take from. */
  get #burst(): number {
    return Math.max(2, this.#rate.perSecond * BURST_SECONDS);
  }

  #refill(): void {
    const nowMs = this.#clock.now().monoMs;
    const seconds = Math.max(0, nowMs - this.#atMs) / 1_000;
    this.#atMs = nowMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + seconds * this.#rate.perSecond);
    this.#tellable = Math.min(this.#burst, this.#tellable + seconds * this.#rate.perSecond * TOLD_SHARE);
  }
}
