/** Whole text messages as clients send them: one masked, final frame within one chunk. Owns: how such a frame is told from all
 *  others, and its unmasking. Does not know: sockets, or what is done with the others (fragments, pings, frames cut in two, faults:
 *  those are left to `ws`).
 *  Invariant: a chunk of which nothing was taken is as it was; what was taken is valid UTF-8.
 *  @see RFC 6455 §5.2 */
import { isUtf8 } from 'node:buffer';

/** FIN, no reserved bits, opcode 1. */
const FINAL_TEXT = 0x81;
const MASKED = 0x80;
const MASK_BYTES = 4;

/** Unmasks the whole text message that begins at `at`, in place.
 *  @returns its payload, a view of `chunk`; undefined where something else begins there, or more than `payloadBytesMax` */
export function wholeTextAt(chunk: Buffer, at: number, payloadBytesMax: number): Buffer | undefined {
  const second = chunk[at + 1] ?? 0;
  if (chunk[at] !== FINAL_TEXT || (second & MASKED) === 0) return undefined;
  let bytes = second & 0x7f;
  let maskAt = at + 2;
  // 127 announces 64 KiB or more, which a chunk does not hold.
  if (bytes === 127) return undefined;
  if (bytes === 126) {
    maskAt += 2;
    if (maskAt > chunk.length) return undefined;
    bytes = chunk.readUInt16BE(at + 2);
  }
  const start = maskAt + MASK_BYTES;
  const end = start + bytes;
  if (end > chunk.length || bytes > payloadBytesMax) return undefined;
  flip(chunk, maskAt, start, end);
  const payload = chunk.subarray(start, end);
  if (isUtf8(payload)) return payload;
  flip(chunk, maskAt, start, end);
  return undefined;
}

/** Masking is its own inverse. */
function flip(chunk: Buffer, maskAt: number, start: number, end: number): void {
  const [a = 0, b = 0, c = 0, d = 0] = [chunk[maskAt], chunk[maskAt + 1], chunk[maskAt + 2], chunk[maskAt + 3]];
  let at = start;
  for (const last = end - 3; at < last; at += MASK_BYTES) {
    chunk[at] = (chunk[at] ?? 0) ^ a;
    chunk[at + 1] = (chunk[at + 1] ?? 0) ^ b;
    chunk[at + 2] = (chunk[at + 2] ?? 0) ^ c;
    chunk[at + 3] = (chunk[at + 3] ?? 0) ^ d;
  }
  if (at < end) chunk[at] = (chunk[at] ?? 0) ^ a;
  if (at + 1 < end) chunk[at + 1] = (chunk[at + 1] ?? 0) ^ b;
  if (at + 2 < end) chunk[at + 2] = (chunk[at + 2] ?? 0) ^ c;
}
