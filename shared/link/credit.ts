/** Who may send how much data on a link: one account for each direction. Owns: the counting. Does not know: sockets, or what it is
 *  that takes the data.
 *
 *  A receiver grants a window when the link is up, and as much again as it has taken, once that is half of the window: the other
 *  side never waits for credit while this one keeps up, and is told seldom. A receiver that cannot take more now withholds the
 *  grant, not the reading: heartbeats and all that is not data go on.
 *  Invariant: no more than `windowBytes` of data are on their way or untaken, whatever either side does.
 *  @see DESIGN §5 */
import type { Allowance } from './outgoing.ts';
import { LinkProtocolError } from './protocol-error.ts';

/** What we may send: granted by the other side. */
export class SendCredit implements Allowance {
  #bytes = 0;
  #isShort = false;

  get bytes(): number {
    return this.#bytes;
  }

  /** Something waits for more. */
  get isShort(): boolean {
    return this.#isShort;
  }

  spend(bytes: number): boolean {
    this.#isShort = bytes > this.#bytes;
    if (this.#isShort) return false;
    this.#bytes -= bytes;
    return true;
  }

  grant(bytes: number): void {
    this.#isShort = false;
    this.#bytes = Math.min(Number.MAX_SAFE_INTEGER, this.#bytes + bytes);
  }
}

/** What the other side may send: granted by us. */
export class ReceiveCredit {
  readonly #windowBytes: number;
  readonly #takes: () => boolean;
  /** Granted and not received yet. */
  #left = 0;
  /** Received, and not granted anew. */
  #used: number;

  /** @param windowBytes  at least twice the largest frame, or a sender could wait for a grant that is never due
   *  @param takes  whether more can be taken now; asked when a grant is due */
  constructor(windowBytes: number, takes: () => boolean) {
    this.#windowBytes = windowBytes;
    this.#takes = takes;
    this.#used = windowBytes;
  }

  /** Whether a grant is due and withheld. */
  get isWithheld(): boolean {
    return this.#isDue && !this.#takes();
  }

  get #isDue(): boolean {
    return this.#used * 2 >= this.#windowBytes;
  }

  /** Data came.
   *  @throws LinkProtocolError 'credit-exceeded' */
  received(bytes: number): void {
    this.#left -= bytes;
    this.#used += bytes;
    if (this.#left < 0) {
      throw new LinkProtocolError('credit-exceeded', `${-this.#left} bytes of data more than were granted`);
    }
  }

  /** What came has been taken. @returns bytes to grant now; 0 for nothing */
  due(): number {
    if (!this.#isDue || !this.#takes()) return 0;
    const bytes = this.#used;
    this.#left += bytes;
    this.#used = 0;
    return bytes;
  }
}
