/** Client frames by hand, right and wrong. Owns: the bytes of one masked (or unmasked) frame. Does not know: what a server makes of them.
 *  @see RFC 6455 §5.2 */

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface FrameOptions {
  readonly fin?: boolean;
  /** RSV1 is 4, RSV2 is 2, RSV3 is 1. */
  readonly reserved?: number;
  readonly mask?: readonly [number, number, number, number] | undefined;
  readonly isMasked?: boolean;
  /** Bits of the length field: 7, 16 or 64; the shortest that fits where it is not given. */
  readonly lengthBits?: 7 | 16 | 64;
  /** What the header claims, where that is not what follows. */
  readonly claimedLength?: bigint;
}

const MASK = [0x37, 0xfa, 0x21, 0x3d] as const;

/** Makes one frame of any opcode from 0 to 15. */
export function frame(opcode: number, payload: Buffer | string = '', options: FrameOptions = {}): Buffer {
  const { fin = true, reserved = 0, mask = MASK, isMasked = true } = options;
  const body = Buffer.from(payload);
  const length = options.claimedLength ?? BigInt(body.length);
  const bits = options.lengthBits ?? (length < 126n ? 7 : length < 65_536n ? 16 : 64);
  const head = Buffer.alloc(bits === 7 ? 2 : bits === 16 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const masked = isMasked ? 0x80 : 0;
  if (bits === 7) {
    head[1] = masked | Number(length);
  } else if (bits === 16) {
    head[1] = masked | 126;
    head.writeUInt16BE(Number(length), 2);
  } else {
    head[1] = masked | 127;
    head.writeBigUInt64BE(length, 2);
  }
  if (!isMasked) return Buffer.concat([head, body]);
  const covered = Buffer.from(body.map((byte, i) => byte ^ (mask[i % 4] ?? 0)));
  return Buffer.concat([head, Buffer.from(mask), covered]);
}

/** A close frame's payload: a code, and a reason. */
export function closePayload(code: number, reason: Buffer | string = ''): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return Buffer.concat([head, Buffer.from(reason)]);
}

const BEFORE = '{"type":"publish","data":"';
const AFTER = '"}';

/** The text of a message that is said aloud: `said` between quotes, as it stands. */
export function saying(said: Buffer | string): Buffer {
  return Buffer.concat([Buffer.from(BEFORE), Buffer.from(said), Buffer.from(AFTER)]);
}

/** One such message, of exactly `bytes` bytes. */
export function sayingOf(bytes: number): Buffer {
  return saying('x'.repeat(bytes - BEFORE.length - AFTER.length));
}

/** A text message in one frame. */
export function say(said: Buffer | string, options: FrameOptions = {}): Buffer {
  return frame(OPCODES.text, saying(said), options);
}

/** A text message cut into fragments after each of the given bytes. */
export function sayInFragments(said: Buffer | string, cuts: readonly number[]): Buffer[] {
  return fragments(OPCODES.text, saying(said), cuts);
}

export function fragments(opcode: number, payload: Buffer, cuts: readonly number[]): Buffer[] {
  const edges = [0, ...cuts, payload.length];
  return edges.slice(1).map((end, i) => {
    const part = payload.subarray(edges[i], end);
    return frame(i === 0 ? opcode : OPCODES.continuation, part, { fin: i === edges.length - 2 });
  });
}

/** Where the part that is said begins within the text of a message. */
export const SAID_AT = BEFORE.length;
