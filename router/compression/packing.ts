/** Messages to many, deflated. Owns: which are, within which bound, and the count of it. Does not know: who gets them.
 *  A message is deflated by itself, without what was said before it, so that the same bytes serve every member that can inflate
 *  them. It is done at once, since order would be lost otherwise; a turn deflates `TURN_BYTES_MAX` and the message that crosses it,
 *  and what comes beyond goes out as it is.
 *  Invariant: what comes out says the same as what went in, and is never longer.
 *  @see RFC 7692 §7.2.1 */
import { constants, deflateRawSync } from 'node:zlib';
import { deflatedTextFrame, textPayloadOf } from '../../shared/websocket-frame.ts';
import { WINDOW_BITS } from './offer.ts';

/** Some 2 ms of the event loop. */
const TURN_BYTES_MAX = 262_144;
/** Deflated data that was flushed ends with these bytes, which are not sent: 00 00 ff ff. */
const TAIL_BYTES = 4;
/** The fastest level and a small hash: at 1 KiB setting up costs as much as deflating, and higher levels find a tenth more. */
const OPTIONS = { level: 1, windowBits: WINDOW_BITS, memLevel: 5, finishFlush: constants.Z_SYNC_FLUSH } as const;

export class Packing {
  readonly stats = { messages: 0, bytesIn: 0, bytesOut: 0, skipped: 0 };
  readonly #bytesMin: number;
  #left = TURN_BYTES_MAX;

  /** @param bytesMin  shorter messages are not deflated */
  constructor(bytesMin: number) {
    this.#bytesMin = bytesMin;
  }

  /** @param frame  of a whole message
   *  @returns a frame that says the same to who inflates it; `frame` itself where it is short, does not shrink, or has to wait */
  pack(frame: Buffer): Buffer {
    const payload = textPayloadOf(frame);
    if (payload === undefined || payload.length < this.#bytesMin) return frame;
    const { stats } = this;
    if (this.#left <= 0) {
      stats.skipped += 1;
      return frame;
    }
    this.#left -= payload.length;
    const deflated = deflateRawSync(payload, OPTIONS);
    const packed = deflatedTextFrame(deflated.subarray(0, deflated.length - TAIL_BYTES));
    if (packed.length >= frame.length) {
      stats.skipped += 1;
      return frame;
    }
    stats.messages += 1;
    stats.bytesIn += frame.length;
    stats.bytesOut += packed.length;
    return packed;
  }

  turnEnded(): void {
    this.#left = TURN_BYTES_MAX;
  }
}
