/** Ready-made WebSocket frames, server → client. Owns: the bytes of an unmasked text message (RFC 6455 §5.2) and where its
 *  payload begins. Does not know: sockets, JSON.
 *  A node makes a frame once, a router writes the same bytes to every member.
 *  Invariant: a frame's bytes are never changed after it was made, since many sockets share them. */

const FIN = 0x80;
const OPCODE_CONTINUATION = 0x0;
const OPCODE_TEXT = 0x1;
const HEADER_BYTES_MAX = 10;

/** Makes one unmasked text frame that is a whole message. One allocation.
 *  @param text  well-formed; half a surrogate pair would arrive as U+FFFD */
export function textFrame(text: string): Buffer {
  const payloadBytes = Buffer.byteLength(text);
  const headerBytes = headerBytesOf(payloadBytes);
  const frame = Buffer.allocUnsafe(headerBytes + payloadBytes);
  writeHeader(frame, FIN | OPCODE_TEXT, payloadBytes);
  frame.write(text, headerBytes);
  return frame;
}

/** Makes one message of as many frames as it takes for none to exceed `frameBytesMax`, header included: a text frame and its
 *  continuations (RFC 6455 §5.4). They must reach a client in order with no other data frame between them. */
export function textFrames(text: string, frameBytesMax: number): Buffer[] {
  const payloadBytesMax = frameBytesMax - HEADER_BYTES_MAX;
  if (!(payloadBytesMax >= 1)) throw new RangeError(`frameBytesMax must be above ${HEADER_BYTES_MAX}`);
  // Whatever the text, it has at most three bytes a UTF-16 unit: the usual short one needs no second look.
  if (text.length * 3 <= payloadBytesMax || Buffer.byteLength(text) <= payloadBytesMax) return [textFrame(text)];
  const payload = Buffer.from(text);
  const frames: Buffer[] = [];
  for (let at = 0; at < payload.length; at += payloadBytesMax) {
    const piece = payload.subarray(at, at + payloadBytesMax);
    const fin = at + payloadBytesMax >= payload.length ? FIN : 0;
    const headerBytes = headerBytesOf(piece.length);
    const frame = Buffer.allocUnsafe(headerBytes + piece.length);
    writeHeader(frame, fin | (at === 0 ? OPCODE_TEXT : OPCODE_CONTINUATION), piece.length);
    piece.copy(frame, headerBytes);
    frames.push(frame);
  }
  return frames;
}

/** The payload within a frame made here; shares its memory. */
export function payloadOf(frame: Buffer): Buffer {
  const length = (frame[1] ?? 0) & 0x7f;
  return frame.subarray(length === 127 ? 10 : length === 126 ? 4 : 2);
}

/** Whether a message ends with this frame. */
export function isFinalFrame(frame: Buffer): boolean {
  return ((frame[0] ?? 0) & FIN) !== 0;
}

function headerBytesOf(payloadBytes: number): number {
  return payloadBytes < 126 ? 2 : payloadBytes < 65_536 ? 4 : HEADER_BYTES_MAX;
}

function writeHeader(frame: Buffer, firstByte: number, payloadBytes: number): void {
  frame[0] = firstByte;
  if (payloadBytes < 126) {
    frame[1] = payloadBytes;
  } else if (payloadBytes < 65_536) {
    frame[1] = 126;
    frame.writeUInt16BE(payloadBytes, 2);
  } else {
    frame[1] = 127;
    frame.writeUInt32BE(Math.floor(payloadBytes / 2 ** 32), 2);
    frame.writeUInt32BE(payloadBytes % 2 ** 32, 6);
  }
}
