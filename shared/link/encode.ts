/** Messages to frames. Owns: the layout of every payload as it is written. Does not know: queues or sockets.
 *
 *  In two steps, so that a link can queue a message cheaply, know its size, and still write a whole batch into one buffer:
 *  `prepare` checks the message and measures it (a JSON payload is made here, once); `writeFrame` writes it where the batch
 *  ends. The content of a hot message is copied exactly once, into the batch.
 *  Invariant: what `prepare` accepted, the decoder of the same version accepts. */
import {
  FRAGMENT_FLAG,
  FRAME_HEADER_BYTES,
  FRAME_TYPES,
  HELLO_MAGIC,
  U32_MAX,
  U48_MAX,
  VOID_FLAG,
  writeHeader,
} from './frame-header.ts';
import { isTooDeep } from './json-fields.ts';
import * as shape from './json-shapes.ts';
import {
  type Acks,
  type Cast,
  type ClientFrame,
  type Direct,
  FRAGMENT_CONTENT,
  FRAME_CONTENT_MAX,
  isData,
  type LinkMessage,
  MESSAGE_CONTENT_MAX,
} from './messages.ts';
import { LinkEncodeError, LinkProtocolError } from './protocol-error.ts';

/** Largest JSON of one CALL or RETURN, all its parts together, bytes. */
export const CALL_BYTES_MAX = 1_048_576;
/** Most entries of one ACKS frame. */
export const ACKS_ENTRIES_MAX = FRAME_CONTENT_MAX / 8;
/** Largest frame there is, header included. */
export const FRAME_BYTES_MAX = FRAME_HEADER_BYTES + Math.max(...Object.values(FRAME_TYPES).map((type) => type.max));

/** Words as numbers, by their place. Each list only grows at its end. */
export const VERDICTS = ['new', 'resumed', 'reset'] as const;
export const CLOSE_HOWS = ['left', 'broken', 'detached'] as const;
export const CAST_CLASSES = ['message', 'event', 'ephemeral'] as const;
export const REDIS_ANSWERS = ['unknown', 'answered', 'failed'] as const;

/** A message that was checked and measured. Its content is not copied yet: it must not be changed until it is written. */
export interface Prepared {
  readonly message: LinkMessage;
  /** On the wire, all frames and their headers. */
  readonly bytes: number;
  /** Frames it takes: 1, or more for a long call or return, or a message in fragments. */
  readonly frames: number;
  /** The payload where it is not written field by field. */
  readonly body: Buffer | undefined;
}

/** Checks and measures a message.
 *  @throws LinkEncodeError 'too-large' | 'out-of-range' | 'bad-json': nothing was written */
export function prepare(message: LinkMessage): Prepared {
  if (isData(message)) return prepareData(message);
  const body = bodyOf(message);
  if (message.type === 'call' || message.type === 'return') {
    const length = body?.length ?? 0;
    if (length > CALL_BYTES_MAX) {
      throw new LinkEncodeError('too-large', `a ${message.type} of ${length} bytes: at most ${CALL_BYTES_MAX}`);
    }
    u32(message.id, 'id');
    const frames = Math.ceil(length / FRAME_CONTENT_MAX);
    return { message, bytes: length + frames * (FRAME_HEADER_BYTES + 1), frames, body };
  }
  const length = body === undefined ? measure(message) : body.length;
  const type = FRAME_TYPES[message.type];
  if (length > type.max) {
    throw new LinkEncodeError('too-large', `a ${message.type} of ${length} bytes: at most ${type.max}`);
  }
  const id = u32(idOf(message), 'id');
  if (type.id === 'session' && id === 0)
    throw new LinkEncodeError('out-of-range', `${message.type}: session 0 is nobody`);
  return { message, bytes: FRAME_HEADER_BYTES + length, frames: 1, body };
}

function prepareData(message: ClientFrame | Direct | Cast): Prepared {
  if (message.type === 'cast') {
    checkCast(message);
    u32(message.room, 'id');
  } else {
    if (message.type === 'client-frame') u32(message.cseq, 'cseq');
    if (u32(message.session, 'id') === 0)
      throw new LinkEncodeError('out-of-range', `${message.type}: session 0 is nobody`);
  }
  const bytes = content(contentOf(message), message.type);
  const frames = bytes <= FRAME_CONTENT_MAX ? 1 : Math.ceil(bytes / FRAGMENT_CONTENT);
  const fields = FRAME_HEADER_BYTES + FRAME_TYPES[message.type].min;
  return { message, bytes: bytes + frames * fields, frames, body: undefined };
}

/** Bytes of the frame at `index`, header included. */
export function frameBytes(prepared: Prepared, index: number): number {
  if (prepared.frames === 1) return prepared.bytes;
  const { message } = prepared;
  const whole = FRAME_HEADER_BYTES + FRAME_TYPES[message.type].min + fullContent(message);
  return index < prepared.frames - 1 ? whole : prepared.bytes - whole * (prepared.frames - 1);
}

/** Content of every frame but the last of a message that takes several. */
function fullContent(message: LinkMessage): number {
  // A call has no fewer than one byte of JSON in a frame, which its least payload counts.
  return isData(message) ? FRAGMENT_CONTENT : FRAME_CONTENT_MAX - 1;
}

/** Bytes of the frame that says that the rest of a message does not come. */
export function voidBytes(message: ClientFrame | Direct | Cast): number {
  return FRAME_HEADER_BYTES + FRAME_TYPES[message.type].min;
}

/** Writes that frame at `offset`; returns the offset behind it. */
export function writeVoid(message: ClientFrame | Direct | Cast, target: Buffer, offset: number): number {
  const at = writeHeader(target, offset, message.type, idOf(message), FRAME_TYPES[message.type].min);
  return writeFields(message, VOID_FLAG, target, at);
}

/** Writes one frame of a prepared message at `offset`, where `frameBytes` bytes are free; returns the offset behind it. */
export function writeFrame(prepared: Prepared, index: number, target: Buffer, offset: number): number {
  const { message, body } = prepared;
  const length = frameBytes(prepared, index) - FRAME_HEADER_BYTES;
  let at = writeHeader(target, offset, message.type, idOf(message), length);
  switch (message.type) {
    case 'call':
    case 'return': {
      target[at++] = index < prepared.frames - 1 ? 1 : 0;
      const start = index * FRAME_CONTENT_MAX;
      return body === undefined ? at : at + body.copy(target, at, start, start + FRAME_CONTENT_MAX);
    }
    case 'client-frame':
    case 'direct':
    case 'cast': {
      const content = contentOf(message);
      at = writeFields(message, index < prepared.frames - 1 ? FRAGMENT_FLAG : 0, target, at);
      if (prepared.frames === 1) return at + content.copy(target, at);
      const start = index * FRAGMENT_CONTENT;
      return at + content.copy(target, at, start, start + FRAGMENT_CONTENT);
    }
    case 'acks':
      for (const entry of message.entries) {
        at = target.writeUInt32BE(entry.session, at);
        at = target.writeUInt32BE(entry.cseq, at);
      }
      return at;
    case 'opened':
      at = target.writeUInt32BE(message.room, at);
      at = target.writeUInt32BE(message.cseq, at);
      at = target.writeUInt32BE(message.serial, at);
      target[at++] = VERDICTS.indexOf(message.verdict);
      return at;
    case 'state':
      target[at++] = (message.phase === 'final' ? 1 : 0) | (message.last ? 2 : 0);
      return at + message.chunk.copy(target, at);
    case 'pong':
      at = target.writeUInt32BE(message.loopDelayUs, at);
      target[at++] = REDIS_ANSWERS.indexOf(message.redis);
      return at;
    case 'credit':
      return target.writeUInt32BE(message.bytes, at);
    case 'close-session':
      target[at++] = CLOSE_HOWS.indexOf(message.how);
      return at;
    default:
      return body === undefined ? at : at + body.copy(target, at);
  }
}

/** What comes before the content of a data frame. */
function writeFields(message: ClientFrame | Direct | Cast, flags: number, target: Buffer, offset: number): number {
  let at = offset;
  switch (message.type) {
    case 'client-frame':
      at = target.writeUInt32BE(message.cseq, at);
      target[at++] = (message.resent ? 1 : 0) | flags;
      return at;
    case 'direct':
      target[at++] = (message.ephemeral ? 1 : 0) | flags;
      return at;
    case 'cast':
      target[at++] = CAST_CLASSES.indexOf(message.class) | flags;
      at = target.writeUInt16BE(Math.floor(message.seq / 2 ** 32), at);
      at = target.writeUInt32BE(message.seq % 2 ** 32, at);
      return target.writeUInt32BE(message.excluded, at);
    default:
      return message satisfies never;
  }
}

/** What a data frame carries. */
export function contentOf(message: ClientFrame | Direct | Cast): Buffer {
  return message.type === 'client-frame' ? message.payload : message.frame;
}

/** Encodes one message into a buffer of its own. A link writes batches instead (outgoing.ts).
 *  @throws LinkEncodeError */
export function encode(message: LinkMessage): Buffer {
  const prepared = prepare(message);
  const target = Buffer.allocUnsafe(prepared.bytes);
  let at = 0;
  for (let index = 0; index < prepared.frames; index++) at = writeFrame(prepared, index, target, at);
  return target;
}

/** The header's id. */
function idOf(message: LinkMessage): number {
  // First those that there are many of.
  if (message.type === 'cast') return message.room;
  if (message.type === 'client-frame' || message.type === 'direct') return message.session;
  switch (message.type) {
    case 'hello':
    case 'proof':
    case 'credit':
    case 'goaway':
    case 'open':
    case 'acks':
      return 0;
    case 'ping':
    case 'pong':
      return message.seq;
    case 'call':
    case 'return':
    case 'state':
    case 'ready':
    case 'done':
      return message.id;
    case 'opened':
    case 'refused':
    case 'close-session':
    case 'close-client':
      return message.session;
    case 'bind':
      return message.handle;
    case 'moved':
    case 'gone':
      return message.room;
    default:
      return message satisfies never;
  }
}

/** The payload of a message that is not written field by field. */
function bodyOf(message: LinkMessage): Buffer | undefined {
  switch (message.type) {
    case 'hello':
      return Buffer.concat([HELLO_MAGIC, json(() => shape.helloBody(message))]);
    case 'proof':
      if (message.mac.length !== 32) throw new LinkEncodeError('out-of-range', 'a proof has 32 bytes');
      return message.mac;
    case 'goaway':
      return json(() => shape.goawayBody(message));
    case 'call':
      return json(() => shape.callBody(message));
    case 'return':
      return json(() => shape.returnBody(message.result));
    case 'open':
      return json(() => shape.openBody(message));
    case 'refused':
      return json(() => shape.refusedBody(message));
    case 'bind':
      return json(() => shape.bindBody(message));
    case 'moved':
      return json(() => shape.movedBody(message));
    case 'gone':
      return json(() => shape.goneBody(message));
    case 'ready':
      return json(() => shape.readyBody(message));
    case 'done':
      return json(() => shape.doneBody(message));
    case 'close-client': {
      const reason = Buffer.from(message.reason, 'utf8');
      const body = Buffer.allocUnsafe(2 + reason.length);
      reason.copy(body, body.writeUInt16BE(closeCode(message.code), 0));
      return body;
    }
    default:
      return undefined;
  }
}

/** Makes a JSON payload of what `shaped` returns.
 *  @throws LinkEncodeError also for what the shape refuses: a value that the other side would refuse must not leave */
export function json(shaped: () => unknown): Buffer {
  try {
    const text = JSON.stringify(shaped());
    // The other side refuses it, and would cut the link.
    if (isTooDeep(text)) throw new RangeError('nested too deeply');
    return Buffer.from(text, 'utf8');
  } catch (cause) {
    if (cause instanceof LinkProtocolError) throw new LinkEncodeError('out-of-range', cause.message, cause);
    throw new LinkEncodeError('bad-json', 'a message cannot be written as JSON', cause);
  }
}

/** Checks the fields of a message that is written field by field; returns the length of its payload. */
function measure(message: LinkMessage): number {
  switch (message.type) {
    case 'ping':
      return 0;
    case 'pong':
      u32(message.loopDelayUs, 'loopDelayUs');
      place(REDIS_ANSWERS, message.redis);
      return 5;
    case 'credit':
      u32(message.bytes, 'bytes');
      return 4;
    case 'opened':
      u32(message.room, 'room');
      u32(message.cseq, 'cseq');
      u32(message.serial, 'serial');
      place(VERDICTS, message.verdict);
      return 13;
    case 'acks':
      return measureAcks(message);
    case 'state':
      return 1 + content(message.chunk, message.type);
    case 'close-session':
      place(CLOSE_HOWS, message.how);
      return 1;
    default:
      return 0;
  }
}

function checkCast(message: Cast): void {
  place(CAST_CLASSES, message.class);
  u32(message.excluded, 'excluded');
  if (!Number.isInteger(message.seq) || message.seq < 0 || message.seq > U48_MAX) {
    throw new LinkEncodeError('out-of-range', `seq ${message.seq} is not a u48`);
  }
  if (message.class !== 'message' && message.seq !== 0) {
    throw new LinkEncodeError('out-of-range', `a cast of class ${message.class} has seq 0`);
  }
}

function measureAcks(message: Acks): number {
  for (const entry of message.entries) {
    if (u32(entry.session, 'session') === 0) throw new LinkEncodeError('out-of-range', 'acks: session 0 is nobody');
    u32(entry.cseq, 'cseq');
  }
  return message.entries.length * 8;
}

function content(bytes: Buffer, type: string): number {
  const most = type === 'state' ? FRAME_CONTENT_MAX : MESSAGE_CONTENT_MAX;
  if (bytes.length > most) {
    throw new LinkEncodeError('too-large', `a ${type} with ${bytes.length} bytes of content: at most ${most}`);
  }
  return bytes.length;
}

function u32(value: number, what: string): number {
  if (!Number.isInteger(value) || value < 0 || value > U32_MAX) {
    throw new LinkEncodeError('out-of-range', `${what} ${value} is not a u32`);
  }
  return value;
}

function closeCode(code: number): number {
  if (!Number.isInteger(code) || code < 1_000 || code > 4_999) {
    throw new LinkEncodeError('out-of-range', `close code ${code} is not between 1000 and 4999`);
  }
  return code;
}

function place(words: readonly string[], word: string): void {
  if (!words.includes(word)) throw new LinkEncodeError('out-of-range', `${word} is not one of ${words.join(', ')}`);
}
