/** The frame: 8 bytes of header, then the payload. Owns: the header's layout and the one table of frame types.
 *  Does not know: what a payload means (encode.ts, decode.ts).
 *
 *      0        3      4            8
 *      | length | type | id         | payload … |      all big endian
 *      | u24    | u8   | u32        | `length` bytes
 *
 *  Invariant: a header that passed `readHeader` names a known type, a length that type can have, and an id it can bear, so an
 *  announced length never makes a reader allocate more than one frame.
 *  @see DESIGN §5 */
import { FRAME_CONTENT_MAX, FRAME_PAYLOAD_MAX, type LinkMessage } from './messages.ts';
import { LinkProtocolError } from './protocol-error.ts';

export const FRAME_HEADER_BYTES = 8;
export const U32_MAX = 0xffff_ffff;
export const U48_MAX = 0xffff_ffff_ffff;

/** First bytes of every HELLO's payload: what else may dial a port is told apart before any JSON is parsed. */
export const HELLO_MAGIC = Buffer.from('BHLK', 'latin1');
/** Largest payload before the other side has proved that it knows the cluster secret. */
export const UNPROVEN_PAYLOAD_MAX = 4_096;
/** Bound on the JSON payloads that do not grow with the number of sessions. */
const COLD_MAX = 16_384;
/** Bit 7 of the flags of client-frame, direct and cast: more of this message follows, in frames of the same type and id with the
 *  same fields. Each fragment but the last has FRAGMENT_CONTENT bytes of content. Needs the feature `fragments`. */
export const FRAGMENT_FLAG = 0x80;
/** Bit 6 of the same: what came of the message so far is void, nothing more of it follows. Without content. */
export const VOID_FLAG = 0x40;

interface FrameType {
  readonly code: number;
  /** What the header's id is: `zero`, a `session` handle (never 0, since 0 excludes nobody in a cast), or `any` u32. */
  readonly id: 'zero' | 'session' | 'any';
  /** Fewest and most bytes of payload. */
  readonly min: number;
  readonly max: number;
}

/** Every frame type. A code is never given another meaning; what is retired leaves a gap. */
export const FRAME_TYPES = {
  // Link
  /** magic, JSON {versionMin, versionMax, role, cluster, id, incarnation, nonce, features}. Its shape never changes. */
  hello: { code: 0x01, id: 'zero', min: 6, max: UNPROVEN_PAYLOAD_MAX },
  /** 32 bytes of HMAC */
  proof: { code: 0x02, id: 'zero', min: 32, max: 32 },
  /** id = seq */
  ping: { code: 0x03, id: 'any', min: 0, max: 0 },
  /** id = seq; u32 loopDelayUs, u8 redis */
  pong: { code: 0x04, id: 'any', min: 5, max: 5 },
  /** u32 bytes */
  credit: { code: 0x05, id: 'zero', min: 4, max: 4 },
  /** JSON {reason, text} */
  goaway: { code: 0x06, id: 'zero', min: 2, max: UNPROVEN_PAYLOAD_MAX },
  /** id = call; u8 flags (bit 0: more parts follow), part of JSON {op, args}. Every part but the last is full. */
  call: { code: 0x07, id: 'any', min: 2, max: 1 + FRAME_CONTENT_MAX },
  /** id = call; as call, JSON {ok} or {error} */
  return: { code: 0x08, id: 'any', min: 2, max: 1 + FRAME_CONTENT_MAX },

  // Session
  /** JSON {room, floor, cursor?, more?, heldOnly?, lost?, serial?, sessions} */
  open: { code: 0x10, id: 'zero', min: 2, max: FRAME_PAYLOAD_MAX },
  /** id = session; u32 room, u32 cseq, u8 verdict */
  opened: { code: 0x11, id: 'session', min: 13, max: 13 },
  /** id = session; JSON {reason, hint?, text?} */
  refused: { code: 0x12, id: 'session', min: 2, max: COLD_MAX },
  /** id = session; u32 cseq, u8 flags (bit 0: resent, bit 6: void, bit 7: more), content */
  'client-frame': { code: 0x13, id: 'session', min: 5, max: 5 + FRAME_CONTENT_MAX },
  /** id = session; u8 flags (bit 0: ephemeral, bit 6: void, bit 7: more), content */
  direct: { code: 0x14, id: 'session', min: 1, max: 1 + FRAME_CONTENT_MAX },
  /** (u32 session, u32 cseq) repeated */
  acks: { code: 0x15, id: 'zero', min: 0, max: FRAME_CONTENT_MAX },
  /** id = session; u8 how */
  'close-session': { code: 0x16, id: 'session', min: 1, max: 1 },
  /** id = session; u16 code, UTF-8 reason (at most 123 bytes, RFC 6455 §5.5) */
  'close-client': { code: 0x17, id: 'session', min: 2, max: 125 },

  // Room
  /** id = handle; JSON {room, incarnation, epoch, nonce, head} */
  bind: { code: 0x20, id: 'any', min: 2, max: COLD_MAX },
  /** id = handle; u8 class (bits 0–1, bit 6: void, bit 7: more), u48 seq, u32 excluded, content */
  cast: { code: 0x21, id: 'any', min: 11, max: 11 + FRAME_CONTENT_MAX },
  /** id = handle; JSON {epoch, to?} */
  moved: { code: 0x22, id: 'any', min: 2, max: COLD_MAX },
  /** id = handle; JSON {code, reason} */
  gone: { code: 0x23, id: 'any', min: 2, max: COLD_MAX },

  // Handover
  /** id = handover; u8 flags (bit 0: final, bit 1: last), chunk */
  state: { code: 0x30, id: 'any', min: 1, max: 1 + FRAME_CONTENT_MAX },
  /** id = handover; JSON {ok, nonce, text} */
  ready: { code: 0x31, id: 'any', min: 2, max: COLD_MAX },
  /** id = handover; JSON {outcome, epoch} */
  done: { code: 0x32, id: 'any', min: 2, max: COLD_MAX },
} as const satisfies Record<LinkMessage['type'], FrameType>;

export type FrameName = keyof typeof FRAME_TYPES;

/** What a header says. */
export interface FrameHeader {
  readonly type: FrameName;
  readonly length: number;
  readonly id: number;
}

/** One frame as it was received: its payload lies in `source`, from `start` to `end`. A view of it is made only where one is needed. */
export interface Frame {
  readonly type: FrameName;
  readonly id: number;
  readonly source: Buffer;
  readonly start: number;
  readonly end: number;
}

export function payloadOfFrame({ source, start, end }: Frame): Buffer {
  return source.subarray(start, end);
}

const NAME_BY_CODE: (FrameName | undefined)[] = new Array(256).fill(undefined);
for (const name of Object.keys(FRAME_TYPES) as FrameName[]) NAME_BY_CODE[FRAME_TYPES[name].code] = name;

/** Writes a header at `offset`; returns the offset behind it. */
export function writeHeader(target: Buffer, offset: number, type: FrameName, id: number, length: number): number {
  target[offset] = length >>> 16;
  target[offset + 1] = length >>> 8;
  target[offset + 2] = length;
  target[offset + 3] = FRAME_TYPES[type].code;
  target.writeUInt32BE(id, offset + 4);
  return offset + FRAME_HEADER_BYTES;
}

/** Reads and checks the header at `offset`, where 8 bytes lie.
 *  @param payloadMax  bound on the payload at this point of the link's life, bytes
 *  @throws LinkProtocolError 'unknown-type' | 'too-long' | 'bad-length' | 'bad-id' */
export function readHeader(source: Buffer, offset: number, payloadMax: number): FrameHeader {
  const length = ((source[offset] ?? 0) << 16) | ((source[offset + 1] ?? 0) << 8) | (source[offset + 2] ?? 0);
  const code = source[offset + 3] ?? 0;
  const id = source.readUInt32BE(offset + 4);
  const type = NAME_BY_CODE[code];
  if (type === undefined) throw new LinkProtocolError('unknown-type', `there is no frame type ${code}`);
  const { id: rule, min, max } = FRAME_TYPES[type];
  if (length > payloadMax) {
    throw new LinkProtocolError('too-long', `${type} of ${length} bytes: at most ${payloadMax} are taken here`);
  }
  if (length < min || length > max) {
    throw new LinkProtocolError('bad-length', `${type} of ${length} bytes: it has ${min} to ${max}`);
  }
  if ((rule === 'zero' && id !== 0) || (rule === 'session' && id === 0)) {
    throw new LinkProtocolError('bad-id', `${type} cannot bear id ${id}`);
  }
  return { type, length, id };
}
