/** What was published and has no outcome yet. Owns: ids, the order of sending, the bounds. Does not know: sockets, time.
 *  Invariants: ids of one session are 1, 2, 3 … in the order of sending, and a publish keeps its id however often it is sent; each
 *  publish is settled once; at most `countMax` publishes and `bytesMax` bytes are kept. */
import type { Json } from '../shared/protocol.ts';
import { RoomError } from './room-error.ts';

/** Where a publish stands in the room's numbering. */
export interface Published {
  readonly seq: number;
  readonly tag: string;
}

interface Entry {
  /** 0 until it is sent for the first time. */
  id: number;
  /** It was sent on a socket before, which ended without its outcome. */
  isAgain: boolean;
  readonly text: string;
  readonly bytes: number;
  readonly resolve: (published: Published) => void;
  readonly reject: (error: RoomError) => void;
}

/** Refusals that come from a router, which does not know what a room has logged: of what is sent again they speak of that alone. */
const OF_ROUTERS: readonly string[] = ['rate_limited', 'not_allowed'];
/** What a frame adds to the data, at most. */
const ENVELOPE_BYTES = 52;

const encoder = new TextEncoder();

export class Outbox {
  readonly #countMax: number;
  readonly #bytesMax: number;
  /** To be sent on the present socket, or on the next one. */
  #waiting: Entry[] = [];
  /** Sent on the present socket. */
  readonly #sent = new Map<number, Entry>();
  #lastId = 0;
  #bytes = 0;

  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** The highest id that was ever sent in this session. */
  get lastId(): number {
    return this.#lastId;
  }

  /** Takes a publish. @returns its outcome; rejects at once where it cannot be kept */
  add(data: Json): Promise<Published> {
    return new Promise((resolve, reject) => {
      const text = jsonOf(data);
      const bytes = encoder.encode(text).length;
      if (this.#waiting.length + this.#sent.size >= this.#countMax || this.#bytes + bytes > this.#bytesMax) {
        throw new RoomError('queue_full', 'too much is published and not acked', true);
      }
      this.#bytes += bytes;
      this.#waiting.push({ id: 0, isAgain: false, text, bytes, resolve, reject });
    });
  }

  /** Takes out the next frame to send; undefined if nothing waits. What is too large for the room is refused on the way. */
  next(payloadBytesMax: number): string | undefined {
    for (let entry = this.#waiting.shift(); entry !== undefined; entry = this.#waiting.shift()) {
      if (entry.bytes + ENVELOPE_BYTES <= payloadBytesMax) {
        if (entry.id === 0) entry.id = ++this.#lastId;
        this.#sent.set(entry.id, entry);
        return `{"type":"publish","id":${entry.id},"data":${entry.text}}`;
      }
      this.#bytes -= entry.bytes;
      entry.reject(new RoomError('too_large', `a message may have ${payloadBytesMax} bytes`));
    }
    return undefined;
  }

  acked(id: number, published: Published): void {
    this.#take(id)?.resolve(published);
  }

  /** @returns whether such a publish was ever sent: it waited for its outcome, or had one already, since answers may be repeated */
  refused(id: number, error: RoomError): boolean {
    const entry = this.#take(id);
    const isInDoubt = entry?.isAgain === true && OF_ROUTERS.includes(error.code);
    entry?.reject(isInDoubt ? new RoomError('outcome_unknown', error.message, false, error) : error);
    return id <= this.#lastId;
  }

  /** The socket is gone: what it was given is sent again, under the same ids and before the rest. */
  rewind(): void {
    for (const entry of this.#sent.values()) entry.isAgain = true;
    this.#waiting = [...this.#sent.values(), ...this.#waiting];
    this.#sent.clear();
  }

  /** Nobody can tell any more what became of that which was ever sent. What was not, still waits. */
  giveUpSent(message: string): void {
    this.rewind();
    const gone = this.#waiting.filter(({ id }) => id > 0);
    this.#waiting = this.#waiting.filter(({ id }) => id === 0);
    for (const { bytes, reject } of gone) {
      this.#bytes -= bytes;
      reject(new RoomError('outcome_unknown', message));
    }
  }

  /** Another session: its ids begin with 1. To be called when nothing sent is left. */
  renumber(): void {
    this.#lastId = 0;
  }

  /** The room is closed for good. */
  end(message: string): void {
    this.giveUpSent(message);
    for (const { reject } of this.#waiting) reject(new RoomError('closed', message));
    this.#waiting = [];
    this.#bytes = 0;
  }

  #take(id: number): Entry | undefined {
    let entry = this.#sent.get(id);
    if (entry === undefined) {
      // Acked by what was missed, before it was sent again.
      entry = this.#waiting.find((one) => one.id === id && id > 0);
      if (entry !== undefined) this.#waiting.splice(this.#waiting.indexOf(entry), 1);
    }
    this.#sent.delete(id);
    this.#bytes -= entry?.bytes ?? 0;
    return entry;
  }
}

/** @throws RoomError `bad_message` where the value, against its type, is not JSON */
export function jsonOf(data: Json): string {
  let text: string | undefined;
  let cause: unknown;
  try {
    text = JSON.stringify(data);
  } catch (error) {
    cause = error;
  }
  if (text === undefined) throw new RoomError('bad_message', 'this is not a JSON value', false, cause);
  return text;
}
