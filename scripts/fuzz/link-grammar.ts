/** The link's frames as the mutations see them. Owns: nothing but the header's layout, which the codec owns: types and bounds come from
 *  its table, so that a new frame type is fuzzed as soon as it is in there. */

import { FRAME_HEADER_BYTES, FRAME_TYPES } from '../../shared/link/frame-header.ts';
import { FRAME_PAYLOAD_MAX } from '../../shared/link/messages.ts';
import type { SeededRandom } from '../../shared/random.ts';
import type { Grammar } from './target.ts';

const TYPES = Object.values(FRAME_TYPES);
const BY_CODE = new Map<number, (typeof TYPES)[number]>(TYPES.map((type) => [type.code, type]));

export const linkGrammar: Grammar = {
  split(stream) {
    const frames: Buffer[] = [];
    let at = 0;
    while (at + FRAME_HEADER_BYTES <= stream.length) {
      const end = at + FRAME_HEADER_BYTES + stream.readUIntBE(at, 3);
      if (end > stream.length) break;
      frames.push(stream.subarray(at, end));
      at = end;
    }
    if (at < stream.length) frames.push(stream.subarray(at));
    return frames;
  },

  payload(frame) {
    const isWhole = frame.length >= FRAME_HEADER_BYTES && frame.length === FRAME_HEADER_BYTES + frame.readUIntBE(0, 3);
    return isWhole ? frame.subarray(FRAME_HEADER_BYTES) : undefined;
  },

  withPayload(frame, payload) {
    const whole = Buffer.concat([frame.subarray(0, FRAME_HEADER_BYTES), payload]);
    if (whole.length >= FRAME_HEADER_BYTES) whole.writeUIntBE(Math.min(payload.length, 0xff_ffff), 0, 3);
    return whole;
  },

  lie(frame, random) {
    const copy = Buffer.from(frame);
    if (copy.length < FRAME_HEADER_BYTES) return copy;
    const length = copy.length - FRAME_HEADER_BYTES;
    switch (random.below(3)) {
      case 0: {
        const lies = [0, 1, length - 1, length + 1, FRAME_PAYLOAD_MAX, FRAME_PAYLOAD_MAX + 1, 0xff_ffff, 4_096, 4_097];
        copy.writeUIntBE(Math.max(0, random.pick([...lies, random.below(1 << 24)])), 0, 3);
        return copy;
      }
      case 1:
        copy[3] = random.below(4) === 0 ? random.below(256) : random.pick(TYPES).code;
        return copy;
      default:
        copy.writeUInt32BE(idOf(random), 4);
        return copy;
    }
  },

  resize(frame, random) {
    const type = BY_CODE.get(frame[3] ?? 0);
    const payload = linkGrammar.payload(frame);
    if (type === undefined || payload === undefined) return frame;
    const bounds: readonly number[] = [type.min, type.max];
    const length = Math.max(0, random.pick(bounds) + random.pick([-1, 0, 0, 1]));
    const resized = Buffer.alloc(length, random.pick([0, 0x20, 0x41, 0xff]));
    payload.copy(resized);
    return linkGrammar.withPayload(frame, resized);
  },
};

/** Handles and numbers: mostly small ones, which some session or room bears. */
function idOf(random: SeededRandom): number {
  return random.below(4) === 0 ? random.pick([0, 0x7fff_ffff, 0xffff_ffff, 0x1_0000]) : random.below(12);
}
