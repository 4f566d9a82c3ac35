/** A client's WebSocket frames as the mutations see them (RFC 6455 §5.2). Owns: how one is cut, masked and made. */
import type { SeededRandom } from '../../shared/random.ts';
import type { Grammar } from './target.ts';

const MASK = Buffer.from([0x11, 0x22, 0x33, 0x44]);

/** Makes one masked frame. `first`: FIN, RSV and opcode. */
export function clientFrame(first: number, payload: Buffer): Buffer {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const frame = Buffer.alloc(2 + extended + 4 + length);
  frame[0] = first;
  frame[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) frame.writeUInt16BE(length, 2);
  if (extended === 8) frame.writeUInt32BE(length, 6);
  MASK.copy(frame, 2 + extended);
  for (let at = 0; at < length; at++) frame[6 + extended + at] = (payload[at] ?? 0) ^ (MASK[at & 3] ?? 0);
  return frame;
}

export const websocketGrammar: Grammar = {
  split(stream) {
    const frames: Buffer[] = [];
    let at = 0;
    while (at < stream.length) {
      const layout = layoutAt(stream, at);
      if (layout === undefined || layout.end > stream.length) break;
      frames.push(stream.subarray(at, layout.end));
      at = layout.end;
    }
    if (at < stream.length) frames.push(stream.subarray(at));
    return frames;
  },

  payload(frame) {
    const layout = layoutAt(frame, 0);
    if (layout === undefined || layout.end !== frame.length) return undefined;
    const payload = Buffer.from(frame.subarray(layout.payload));
    const { mask } = layout;
    if (mask !== undefined) {
      for (let at = 0; at < payload.length; at++) payload[at] = (payload[at] ?? 0) ^ (frame[mask + (at & 3)] ?? 0);
    }
    return payload;
  },

  withPayload: (frame, payload) => clientFrame(frame[0] ?? 0x81, payload),

  lie(frame, random) {
    const copy = Buffer.from(frame);
    if (copy.length < 2) return copy;
    switch (random.below(3)) {
      case 0:
        copy[0] = ((copy[0] ?? 0) & 0xf0) | random.pick([0, 1, 2, 3, 8, 9, 10, 15]);
        return copy;
      case 1:
        copy[0] = (copy[0] ?? 0) ^ random.pick([0x80, 0x40, 0x20, 0x10]);
        return copy;
      default:
        copy[1] = random.pick([0, 0x7f, 0x80, 0xfe, 0xff, random.below(256)]);
        return copy;
    }
  },

  resize(frame, random) {
    const length = random.pick([0, 1, 125, 126, 127, 65_535, 65_536, 32_768, 32_769]);
    const payload = Buffer.alloc(length, random.pick([0x20, 0x41, 0xc3]));
    websocketGrammar.payload(frame)?.copy(payload);
    return clientFrame(frame[0] ?? 0x81, payload);
  },
};

interface Layout {
  readonly mask: number | undefined;
  readonly payload: number;
  readonly end: number;
}

function layoutAt(bytes: Buffer, at: number): Layout | undefined {
  const second = bytes[at + 1];
  if (second === undefined) return undefined;
  const short = second & 0x7f;
  const header = at + (short === 126 ? 4 : short === 127 ? 10 : 2);
  const isMasked = (second & 0x80) !== 0;
  const payload = header + (isMasked ? 4 : 0);
  if (payload > bytes.length) return undefined;
  const length =
    short === 126
      ? bytes.readUInt16BE(at + 2)
      : short === 127
        ? bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6)
        : short;
  return { mask: isMasked ? header : undefined, payload, end: payload + length };
}

/** What a client might say, well formed: the seeds of the client edge. */
export function textFrameOf(text: string): Buffer {
  return clientFrame(0x81, Buffer.from(text));
}

/** Cuts one text message into fragments. */
export function fragmentsOf(text: string, pieces: number, random: SeededRandom): Buffer[] {
  const bytes = Buffer.from(text);
  const frames: Buffer[] = [];
  let at = 0;
  for (let piece = 0; piece < pieces; piece++) {
    const isLast = piece === pieces - 1;
    const end = isLast ? bytes.length : Math.min(bytes.length, at + random.below(bytes.length - at + 1));
    frames.push(clientFrame((isLast ? 0x80 : 0) | (piece === 0 ? 1 : 0), bytes.subarray(at, end)));
    at = end;
  }
  return frames;
}
