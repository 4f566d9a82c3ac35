/** One unmasked text frame (RFC 6455 §5.2) of at most 65,535 bytes, as a server sends it. */
export function castFrame(payload: Buffer): Buffer {
  const isWide = payload.length > 125;
  const frame = Buffer.allocUnsafe((isWide ? 4 : 2) + payload.length);
  frame[0] = 0x81;
  frame[1] = isWide ? 126 : payload.length;
  if (isWide) frame.writeUInt16BE(payload.length, 2);
  payload.copy(frame, isWide ? 4 : 2);
  return frame;
}
