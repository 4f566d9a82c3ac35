/** Messages put together from their fragments. Owns: what has come of each, and the bounds on it. Does not know: the fields of a
 *  payload (it is given `decode`), or who sent it.
 *
 *  A message is known by its type and the header's id: the sender lets nothing else of that id pass it. The result is as if it had
 *  come in one frame, when its last fragment is there; of one that is made void, or whose link breaks, nothing is ever told.
 *  Invariant: at most `ASSEMBLIES_MAX` messages of `MESSAGE_CONTENT_MAX` bytes are held, and no chunk of the stream.
 *  @see DESIGN §5 */
import { FRAGMENT_FLAG, type Frame, payloadOfFrame, VOID_FLAG } from './frame-header.ts';
import { FRAGMENT_CONTENT, type LinkMessage, MESSAGE_CONTENT_MAX } from './messages.ts';
import { LinkProtocolError } from './protocol-error.ts';

/** Messages that may be arriving in fragments at one time on one link. */
export const ASSEMBLIES_MAX = 32;

/** Bytes of a data frame's payload before its content. */
const FIELD_BYTES = { 'client-frame': 5, direct: 1, cast: 11 } as const;
const FLAGS_AT = { 'client-frame': 4, direct: 0, cast: 0 } as const;

type DataFrameName = keyof typeof FIELD_BYTES;

interface Assembly {
  /** The fields as the first fragment bore them, its `more` taken off. */
  readonly fields: Buffer;
  readonly parts: Buffer[];
  bytes: number;
}

export class FragmentAssembler {
  readonly #decode: (frame: Frame) => LinkMessage;
  readonly #open = new Map<string, Assembly>();

  constructor(decode: (frame: Frame) => LinkMessage) {
    this.#decode = decode;
  }

  /** Messages of which something is still to come. */
  get open(): number {
    return this.#open.size;
  }

  /** Takes a data frame. @param flags  its byte of flags
   *  @returns the message that it completes
   *  @throws LinkProtocolError 'bad-length' | 'bad-field' | 'out-of-order' | 'message-too-long' | 'too-many-fragments', or what
   *  `decode` throws */
  add(frame: Frame, flags: number): LinkMessage | undefined {
    const more = (flags & FRAGMENT_FLAG) !== 0;
    const isVoid = (flags & VOID_FLAG) !== 0;
    // Nearly every frame is a message of its own.
    if (!more && !isVoid && this.#open.size === 0) return this.#decode(frame);
    const type = frame.type as DataFrameName;
    const key = `${type} ${frame.id}`;
    const known = this.#open.get(key);
    if (isVoid) return this.#void(key, known, more, frame.end - frame.start - FIELD_BYTES[type]);
    if (known === undefined && !more) return this.#decode(frame);
    const payload = payloadOfFrame(frame);
    const fields = Buffer.from(payload.subarray(0, FIELD_BYTES[type]));
    fields[FLAGS_AT[type]] = flags & ~FRAGMENT_FLAG;
    const content = payload.subarray(FIELD_BYTES[type]);
    const assembly = known ?? this.#begin(key, frame, fields);
    this.#append(key, assembly, fields, content, more);
    if (more) return undefined;
    this.#open.delete(key);
    return this.#decode(withPayload(frame, Buffer.concat([assembly.fields, ...assembly.parts])));
  }

  #void(key: string, known: Assembly | undefined, more: boolean, contentBytes: number): undefined {
    if (known === undefined) throw new LinkProtocolError('out-of-order', `nothing of ${key} was begun`);
    if (more || contentBytes > 0) throw new LinkProtocolError('bad-flags', `${key}: a void frame says nothing else`);
    this.#open.delete(key);
  }

  #begin(key: string, frame: Frame, fields: Buffer): Assembly {
    if (this.#open.size >= ASSEMBLIES_MAX) {
      throw new LinkProtocolError('too-many-fragments', `more than ${ASSEMBLIES_MAX} messages arrive in fragments`);
    }
    // Throws for fields that cannot be, before anything is kept.
    this.#decode(withPayload(frame, fields));
    const assembly: Assembly = { fields, parts: [], bytes: 0 };
    this.#open.set(key, assembly);
    return assembly;
  }

  #append(key: string, assembly: Assembly, fields: Buffer, content: Buffer, more: boolean): void {
    if (!fields.equals(assembly.fields))
      throw new LinkProtocolError('bad-field', `${key}: fragments of several messages`);
    if (content.length > FRAGMENT_CONTENT || content.length === 0 || (more && content.length < FRAGMENT_CONTENT)) {
      throw new LinkProtocolError('bad-length', `${key}: a fragment of ${content.length} bytes`);
    }
    assembly.bytes += content.length;
    if (assembly.bytes > MESSAGE_CONTENT_MAX) {
      throw new LinkProtocolError('message-too-long', `${key} is longer than ${MESSAGE_CONTENT_MAX} bytes`);
    }
    // A copy: a view would keep its whole chunk of the stream in memory.
    assembly.parts.push(Buffer.from(content));
  }
}

function withPayload({ type, id }: Frame, payload: Buffer): Frame {
  return { type, id, source: payload, start: 0, end: payload.length };
}
