/** Frames to messages. Owns: the check of every field of a payload as it is read. Does not know: sockets.
 *  Invariant: whatever bytes are pushed, a message of the vocabulary comes out or LinkProtocolError is thrown, and no more is
 *  held than one frame, `CALLS_OPEN_MAX` calls of `CALL_BYTES_MAX` and what fragments.ts allows. */
import { isUtf8 } from 'node:buffer';
import { CALL_BYTES_MAX, CAST_CLASSES, CLOSE_HOWS, REDIS_ANSWERS, VERDICTS } from './encode.ts';
import { FragmentAssembler } from './fragments.ts';
import {
  FRAGMENT_FLAG,
  FRAME_HEADER_BYTES,
  type Frame,
  HELLO_MAGIC,
  payloadOfFrame,
  VOID_FLAG,
} from './frame-header.ts';
import { FrameSplitter } from './frame-splitter.ts';
import { parseJson } from './json-fields.ts';
import * as shape from './json-shapes.ts';
import { type Acks, type Cast, type CloseClient, FRAME_CONTENT_MAX, type Hello, type LinkMessage } from './messages.ts';
import { LinkProtocolError } from './protocol-error.ts';

/** Calls and returns that may be arriving in parts at one time on one link. */
export const CALLS_OPEN_MAX = 64;

/** Reads a stream of frames as messages.
 *  A message's `payload`, `frame`, `chunk` or `mac` may be a view of the chunk that was pushed: who keeps a small one for long
 *  copies it, or the whole chunk stays in memory. */
export class FrameDecoder {
  readonly #splitter: FrameSplitter;
  readonly #calls = new CallAssembler();
  readonly #fragments: FragmentAssembler | undefined;
  #dataBytes = 0;
  #broken: LinkProtocolError | undefined;

  /** @param splitter  where a handshake left off; by default a fresh stream
   *  @param takesFragments  whether both sides named that feature */
  constructor(splitter = new FrameSplitter(), takesFragments = true) {
    this.#splitter = splitter;
    this.#fragments = takesFragments ? new FragmentAssembler(decodeFrame) : undefined;
  }

  /** Bytes of data frames received since this was last asked: what the other side has used of its credit. */
  takeDataBytes(): number {
    const bytes = this.#dataBytes;
    this.#dataBytes = 0;
    return bytes;
  }

  /** Takes the next bytes of the stream; returns the messages that they complete, in order.
   *  @throws LinkProtocolError, and the same one at every later push: the stream is of no more use */
  push(chunk: Buffer): LinkMessage[] {
    if (this.#broken !== undefined) throw this.#broken;
    const messages: LinkMessage[] = [];
    try {
      this.#splitter.push(chunk);
      for (let frame = this.#splitter.next(); frame !== undefined; frame = this.#splitter.next()) {
        const message = this.#message(frame);
        if (message !== undefined) messages.push(message);
      }
    } catch (error) {
      if (error instanceof LinkProtocolError) this.#broken = error;
      throw error;
    }
    return messages;
  }

  #message(frame: Frame): LinkMessage | undefined {
    switch (frame.type) {
      case 'call':
      case 'return':
        return this.#calls.add(frame);
      case 'client-frame':
      case 'direct':
      case 'cast': {
        const flags = frame.source[frame.type === 'client-frame' ? frame.start + 4 : frame.start] ?? 0;
        // A void frame is no data: a sender without credit has to be able to say it.
        if ((flags & VOID_FLAG) === 0) this.#dataBytes += FRAME_HEADER_BYTES + frame.end - frame.start;
        return this.#fragments === undefined ? decodeFrame(frame) : this.#fragments.add(frame, flags);
      }
      default:
        return decodeFrame(frame);
    }
  }
}

/** Decodes a frame that is a whole message, which a call, a return or a fragment need not be.
 *  @throws LinkProtocolError */
export function decodeFrame(frame: Frame): LinkMessage {
  const { type, id, source, start, end } = frame;
  // The messages there are many of are read where they lie, without a view of their frame.
  switch (type) {
    case 'client-frame': {
      const resent = flagsAt(source, start + 4, 1) === 1;
      const payload = source.subarray(start + 5, end);
      return { type, session: id, cseq: source.readUInt32BE(start), resent, payload };
    }
    case 'direct': {
      const ephemeral = flagsAt(source, start, 1) === 1;
      return { type, session: id, ephemeral, frame: source.subarray(start + 1, end) };
    }
    case 'cast':
      return decodeCast(id, source, start, end);
    case 'acks':
      return decodeAcks(source, start, end);
    default:
      return decodeOther(type, id, payloadOfFrame(frame));
  }
}

type OtherFrame = Exclude<Frame['type'], 'client-frame' | 'direct' | 'cast' | 'acks'>;

function decodeOther(type: OtherFrame, id: number, payload: Buffer): LinkMessage {
  switch (type) {
    case 'hello':
      return decodeHello(payload);
    case 'proof':
      return { type, mac: payload };
    case 'ping':
      return { type, seq: id };
    case 'pong':
      return { type, seq: id, loopDelayUs: payload.readUInt32BE(0), redis: wordAt(REDIS_ANSWERS, payload, 4) };
    case 'credit':
      return { type, bytes: payload.readUInt32BE(0) };
    case 'goaway':
      return { type, ...shape.goawayBody(parseJson(payload)) };
    case 'call':
    case 'return':
      throw new LinkProtocolError('out-of-order', `${type} may not come now`);
    case 'open':
      return { type, ...shape.openBody(parseJson(payload)) };
    case 'opened': {
      const verdict = wordAt(VERDICTS, payload, 12);
      const serial = payload.readUInt32BE(8);
      return { type, session: id, room: payload.readUInt32BE(0), cseq: payload.readUInt32BE(4), serial, verdict };
    }
    case 'refused':
      return { type, session: id, ...shape.refusedBody(parseJson(payload)) };
    case 'close-session':
      return { type, session: id, how: wordAt(CLOSE_HOWS, payload, 0) };
    case 'close-client':
      return decodeCloseClient(id, payload);
    case 'bind':
      return { type, handle: id, ...shape.bindBody(parseJson(payload)) };
    case 'moved':
      return { type, room: id, ...shape.movedBody(parseJson(payload)) };
    case 'gone':
      return { type, room: id, ...shape.goneBody(parseJson(payload)) };
    case 'state': {
      const flags = flagsAt(payload, 0, 3);
      const phase = (flags & 1) === 1 ? 'final' : 'early';
      return { type, id, phase, last: (flags & 2) === 2, chunk: payload.subarray(1) };
    }
    case 'ready':
      return { type, id, ...shape.readyBody(parseJson(payload)) };
    case 'done':
      return { type, id, ...shape.doneBody(parseJson(payload)) };
    default:
      return type satisfies never;
  }
}

function decodeHello(payload: Buffer): Hello {
  if (!payload.subarray(0, HELLO_MAGIC.length).equals(HELLO_MAGIC)) {
    throw new LinkProtocolError('bad-magic', 'a hello does not begin with the magic of this protocol');
  }
  return { type: 'hello', ...shape.helloBody(parseJson(payload.subarray(HELLO_MAGIC.length))) };
}

function decodeAcks(source: Buffer, start: number, end: number): Acks {
  if ((end - start) % 8 !== 0) throw new LinkProtocolError('bad-length', `acks of ${end - start} bytes`);
  const entries: { session: number; cseq: number }[] = [];
  for (let at = start; at < end; at += 8) {
    const session = source.readUInt32BE(at);
    if (session === 0) throw new LinkProtocolError('bad-field', 'acks: session 0 is nobody');
    entries.push({ session, cseq: source.readUInt32BE(at + 4) });
  }
  return { type: 'acks', entries };
}

function decodeCast(room: number, source: Buffer, start: number, end: number): Cast {
  const frameClass = wordAt(CAST_CLASSES, source, start);
  const seq = source.readUInt16BE(start + 1) * 2 ** 32 + source.readUInt32BE(start + 3);
  if (frameClass !== 'message' && seq !== 0) {
    throw new LinkProtocolError('bad-field', `a cast of class ${frameClass} with seq ${seq}`);
  }
  const excluded = source.readUInt32BE(start + 7);
  return { type: 'cast', room, class: frameClass, seq, excluded, frame: source.subarray(start + 11, end) };
}

function decodeCloseClient(session: number, payload: Buffer): CloseClient {
  const code = payload.readUInt16BE(0);
  if (code < 1_000 || code > 4_999) throw new LinkProtocolError('bad-field', `close code ${code}`);
  const reason = payload.subarray(2);
  if (!isUtf8(reason)) throw new LinkProtocolError('bad-utf8', 'a close reason is not UTF-8');
  return { type: 'close-client', session, code, reason: reason.toString('utf8') };
}

/** The byte at `at`, in which only the bits of `known` may be set. */
function flagsAt(payload: Buffer, at: number, known: number): number {
  const flags = payload[at] ?? 0;
  if ((flags & FRAGMENT_FLAG) !== 0) throw new LinkProtocolError('bad-flags', 'no fragments are taken here');
  if ((flags & ~known) !== 0) throw new LinkProtocolError('bad-flags', `flags ${flags} are not known`);
  return flags;
}

function wordAt<T extends string>(words: readonly T[], payload: Buffer, at: number): T {
  const place = payload[at] ?? 0;
  const word = words[place];
  if (word === undefined) throw new LinkProtocolError('bad-field', `${place} stands for none of ${words.join(', ')}`);
  return word;
}

/** Puts calls and returns together from their parts. Every part but the last must be full: that bounds the number of parts, and
 *  with it what a call costs beyond its own bytes. */
class CallAssembler {
  readonly #open = new Map<string, { readonly parts: Buffer[]; bytes: number }>();

  add(frame: Frame): LinkMessage | undefined {
    const { type, id } = frame;
    const payload = payloadOfFrame(frame);
    const more = flagsAt(payload, 0, 1) === 1;
    const part = payload.subarray(1);
    const key = `${type} ${id}`;
    const before = this.#open.get(key);
    const bytes = (before?.bytes ?? 0) + part.length;
    if (bytes > CALL_BYTES_MAX)
      throw new LinkProtocolError('call-too-long', `${key} is longer than ${CALL_BYTES_MAX} bytes`);
    if (more) {
      if (part.length !== FRAME_CONTENT_MAX) throw new LinkProtocolError('bad-length', `${key}: a part is not full`);
      if (before !== undefined) {
        before.parts.push(part);
        before.bytes = bytes;
      } else if (this.#open.size >= CALLS_OPEN_MAX) {
        throw new LinkProtocolError(
          'too-many-calls',
          `more than ${CALLS_OPEN_MAX} calls at once are arriving in parts`,
        );
      } else {
        this.#open.set(key, { parts: [part], bytes });
      }
      return undefined;
    }
    this.#open.delete(key);
    const value = parseJson(before === undefined ? part : Buffer.concat([...before.parts, part], bytes));
    if (type === 'call') return { type, id, ...shape.callBody(value) };
    return { type: 'return', id, result: shape.returnBody(value) };
  }
}
