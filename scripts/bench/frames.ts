/** The little of RFC 6455 that a load generator needs. Owns: masked client frames out, unmasked server frames in, both without a
 *  copy of the payload. Does not know: fragments (the systems under test send none at these sizes). */
import { randomBytes } from 'node:crypto';

/** One masked frame (RFC 6455 §5.2) of at most 65,535 bytes; text unless another opcode is given. */
export function clientFrame(content: Buffer | string, opcode = 1): Buffer {
  const payload = typeof content === 'string' ? Buffer.from(content) : content;
  const wide = payload.length > 125;
  const frame = Buffer.allocUnsafe((wide ? 8 : 6) + payload.length);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (wide ? 126 : payload.length);
  let at = 2;
  if (wide) at = frame.writeUInt16BE(payload.length, at);
  const mask = randomBytes(4);
  mask.copy(frame, at);
  at += 4;
  for (let i = 0; i < payload.length; i++) frame[at + i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0);
  return frame;
}

/** Reads frames from a stream of chunks. */
export class FrameReader {
  #rest: Buffer | undefined;

  /** Calls `take` with the opcode and payload of every whole frame. */
  push(chunk: Buffer, take: (opcode: number, payload: Buffer) => void): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    let at = 0;
    while (bytes.length - at >= 2) {
      const opcode = (bytes[at] ?? 0) & 0x0f;
      let length = (bytes[at + 1] ?? 0) & 0x7f;
      let head = 2;
      if (length === 126) {
        if (bytes.length - at < 4) break;
        length = bytes.readUInt16BE(at + 2);
        head = 4;
      } else if (length === 127) {
        if (bytes.length - at < 10) break;
        length = Number(bytes.readBigUInt64BE(at + 2));
        head = 10;
      }
      if (bytes.length - at < head + length) break;
      take(opcode, bytes.subarray(at + head, at + head + length));
      at += head + length;
    }
    if (at < bytes.length) this.#rest = bytes.subarray(at);
  }
}
