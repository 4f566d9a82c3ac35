/** Ready-made WebSocket frames, server → client. Owns: the bytes of an unmasked text message (RFC 6455 §5.2) and where its
 *  payload begins. Does not know: sockets, JSON.
 *  A node makes a frame once, a router writes the same bytes to every member.
 *  Invariant: a frame's bytes are never changed after it was made, since many sockets share them. */

/** FIN, no reserved bits, opcode 1. */
const FINAL_TEXT = 0x81;
/** With RSV1: the payload is deflated (RFC 7692 §6). */
const FINAL_DEFLATED_TEXT = 0xc1;
const HEADER_BYTES_MAX = 10;

/** Makes one unmasked text frame that is a whole message. One allocation.
 *  @param text  well-formed; half a surrogate pair would arrive as U+FFFD */
export function textFrame(text: string): Buffer {
  const payloadBytes = Buffer.byteLength(text);
  const headerBytes = headerBytesOf(payloadBytes);
  const frame = Buffer.allocUnsafe(headerBytes + payloadBytes);
  writeHeader(frame, FINAL_TEXT, payloadBytes);
  frame.write(text, headerBytes);
  return frame;
}

/** Makes one unmasked frame of a whole text message that was deflated. */
export function deflatedTextFrame(payload: Buffer): Buffer {
  const headerBytes = headerBytesOf(payload.length);
  const frame = Buffer.allocUnsafe(headerBytes + payload.length);
  writeHeader(frame, FINAL_DEFLATED_TEXT, payload.length);
  payload.copy(frame, headerBytes);
  return frame;
}

/** The payload of a buffer that is one plain text frame and nothing else; shares its memory. Undefined for anything else. */
export function textPayloadOf(frame: Buffer): Buffer | undefined {
  if (frame[0] !== FINAL_TEXT) return undefined;
  const payload = payloadOf(frame);
  const announced = Buffer.allocUnsafe(frame.length - payload.length);
  writeHeader(announced, FINAL_TEXT, payload.length);
  return announced.equals(frame.subarray(0, announced.length)) ? payload : undefined;
}

/** The payload within a frame made here; shares its memory. */
export function payloadOf(frame: Buffer): Buffer {
  const length = (frame[1] ?? 0) & 0x7f;
  return frame.subarray(length === 127 ? 10 : length === 126 ? 4 : 2);
}

function headerBytesOf(payloadBytes: number): number {
  return payloadBytes < 126 ? 2 : payloadBytes < 65_536 ? 4 : HEADER_BYTES_MAX;
}

function writeHeader(frame: Buffer, first: number, payloadBytes: number): void {
  frame[0] = first;
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
