/** A byte stream cut into frames. Owns: where one frame ends and the next begins. Does not know: what a payload means.
 *  A frame that lies within one chunk is not copied; one that does not is gathered in a buffer of its own size.
 *  Invariant: beyond the chunk last pushed it holds at most one frame, whatever is announced and however the bytes are cut. */
import { FRAME_HEADER_BYTES, type Frame, type FrameHeader, readHeader } from './frame-header.ts';
import { FRAME_PAYLOAD_MAX } from './messages.ts';

const EMPTY = Buffer.alloc(0);

export class FrameSplitter {
  /** Bound on the payload of the next header that is read. Low until the other side is proven, see handshake.ts. */
  payloadMax: number;
  #chunk: Buffer = EMPTY;
  #at = 0;
  /** A header that did not lie within one chunk. */
  readonly #head = Buffer.alloc(FRAME_HEADER_BYTES);
  #headFilled = 0;
  #gathering: { readonly header: FrameHeader; readonly payload: Buffer; filled: number } | undefined;

  constructor(payloadMax = FRAME_PAYLOAD_MAX) {
    this.payloadMax = payloadMax;
  }

  /** Takes the next bytes of the stream. The chunk must not be changed while a frame of it is in use. */
  push(chunk: Buffer): void {
    this.#chunk = this.#at < this.#chunk.length ? Buffer.concat([this.#chunk.subarray(this.#at), chunk]) : chunk;
    this.#at = 0;
  }

  /** The next whole frame, or undefined until more bytes are pushed.
   *  @throws LinkProtocolError for a header that cannot be; the stream is then of no more use */
  next(): Frame | undefined {
    const header = this.#gathering === undefined ? this.#nextHeader() : undefined;
    if (header !== undefined) {
      const end = this.#at + header.length;
      if (end <= this.#chunk.length) {
        const start = this.#at;
        this.#at = end;
        return { type: header.type, id: header.id, source: this.#chunk, start, end };
      }
      this.#gathering = { header, payload: Buffer.allocUnsafe(header.length), filled: 0 };
    }
    const frame = this.#gather();
    // All of the chunk is used up: it must not stay in memory while the link is quiet.
    if (frame === undefined) {
      this.#chunk = EMPTY;
      this.#at = 0;
    }
    return frame;
  }

  #nextHeader(): FrameHeader | undefined {
    if (this.#headFilled === 0 && this.#chunk.length - this.#at >= FRAME_HEADER_BYTES) {
      const header = readHeader(this.#chunk, this.#at, this.payloadMax);
      this.#at += FRAME_HEADER_BYTES;
      return header;
    }
    const copied = this.#chunk.copy(this.#head, this.#headFilled, this.#at);
    this.#at += copied;
    this.#headFilled += copied;
    if (this.#headFilled < FRAME_HEADER_BYTES) return undefined;
    this.#headFilled = 0;
    return readHeader(this.#head, 0, this.payloadMax);
  }

  #gather(): Frame | undefined {
    const part = this.#gathering;
    if (part === undefined) return undefined;
    const copied = this.#chunk.copy(part.payload, part.filled, this.#at);
    this.#at += copied;
    part.filled += copied;
    if (part.filled < part.payload.length) return undefined;
    this.#gathering = undefined;
    const { header, payload } = part;
    return { type: header.type, id: header.id, source: payload, start: 0, end: payload.length };
  }
}
