/** Compressed messages of clients. Owns: their inflating, in turn, and its bounds. Does not know: frames (`ws` reads those, and hands
 *  over what a frame held), or what a message says.
 *
 *  `ws` would keep an inflater of some 60 KiB for each socket that ever sent a compressed message, and use a pool of threads for it.
 *  Without context takeover nothing has to be kept: a message is inflated at once, when all of it is there, which costs a fifth.
 *  A few bytes may say a lot: a socket that is paused has nothing inflated, so that what is kept of its client stays within the bound
 *  that paused it, and a turn inflates `TURN_BYTES_MAX` and the message that crosses it.
 *  Invariants: of all sockets together one message is being inflated, and never beyond `payloadBytesMax`; what `ws` waits for is
 *  answered once, never within its question.
 *  @see RFC 7692 §7.2.2 */
import { constants, inflateRawSync } from 'node:zlib';
import type { ClientSocket } from '../client-socket.ts';

/** Some 2 ms of the event loop. */
const TURN_BYTES_MAX = 262_144;
/** What a message counts at least. */
const MESSAGE_BYTES_MIN = 2_048;
/** Left out by whoever deflates. */
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);
const NOTHING = Buffer.alloc(0);

type Done = (error: Error | null, bytes?: Buffer) => void;

/** All sockets of a router. */
export class Inflation {
  readonly stats = { messages: 0, bytesIn: 0, bytesOut: 0, faults: 0 };
  readonly #payloadBytesMax: number;
  /** Sockets with a message that waits for its turn, each once. */
  #waiting: Inflater[] = [];
  #left = TURN_BYTES_MAX;
  #runDue = false;
  #turnDue = false;

  constructor(payloadBytesMax: number) {
    this.#payloadBytesMax = payloadBytesMax;
  }

  add(inflater: Inflater): void {
    this.#waiting.push(inflater);
    if (this.#runDue || this.#left <= 0) return;
    this.#runDue = true;
    queueMicrotask(this.#run);
  }

  /** @throws RangeError (ERR_BUFFER_TOO_LARGE) above the bound, or what zlib makes of data that is wrong */
  inflate(parts: readonly Buffer[]): Buffer {
    const bytes = inflateRawSync(Buffer.concat([...parts, TAIL]), {
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: this.#payloadBytesMax,
    });
    const { stats } = this;
    stats.messages += 1;
    stats.bytesOut += bytes.length;
    for (const { length } of parts) stats.bytesIn += length;
    return bytes;
  }

  readonly #run = (): void => {
    this.#runDue = false;
    let done = 0;
    // Grows meanwhile: a socket's next message may be there already.
    for (; done < this.#waiting.length && this.#left > 0; done++) this.#left -= this.#waiting[done]?.next() ?? 0;
    this.#waiting = this.#waiting.slice(done);
    if (this.#turnDue) return;
    this.#turnDue = true;
    setImmediate(this.#turn);
  };

  readonly #turn = (): void => {
    this.#turnDue = false;
    this.#left = TURN_BYTES_MAX;
    if (this.#waiting.length > 0 && !this.#runDue) this.#run();
  };
}

/** One socket's, in the place of the extension that `ws` made. */
export class Inflater {
  readonly #ws: ClientSocket;
  readonly #inflation: Inflation;
  /** Of the message that is coming; bounded by `ws`, which adds up what its fragments hold. */
  #parts: Buffer[] = [];
  /** Set while the whole of it is there and `ws` waits. */
  #done: Done | undefined;
  #isHeld = false;

  constructor(ws: ClientSocket, inflation: Inflation) {
    this.#ws = ws;
    this.#inflation = inflation;
  }

  /** Called by `ws` with what one frame held, and not again before `done` was called. */
  decompress(data: Buffer, isLast: boolean, done: Done): void {
    if (data.length > 0) this.#parts.push(data);
    if (!isLast) {
      queueMicrotask(() => done(null, NOTHING));
      return;
    }
    this.#done = done;
    this.#inflation.add(this);
  }

  /** Called by `ws` when the socket is closed. */
  cleanup(): void {
    this.#parts = [];
  }

  /** The socket is read from again, or is gone. */
  resumed(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#inflation.add(this);
  }

  /** Answers `ws`, unless the socket is paused. @returns what it cost */
  next(): number {
    const done = this.#done;
    if (done === undefined) return 0;
    const { client, readyState, isPaused, OPEN } = this.#ws;
    const isHeard = client === undefined ? readyState === OPEN : client.live;
    if (isHeard && isPaused && readyState === OPEN) {
      this.#isHeld = true;
      return 0;
    }
    const parts = this.#parts;
    this.#parts = [];
    this.#done = undefined;
    // Nobody listens any more, or the client went before it was read from again: what it says is not worth its inflating.
    if (!isHeard) done(null, NOTHING);
    else if (isPaused) done(new Error('the client went while much of its own was waiting'));
    else return this.#answer(parts, done);
    return MESSAGE_BYTES_MIN;
  }

  #answer(parts: readonly Buffer[], done: Done): number {
    let bytes: Buffer;
    try {
      bytes = this.#inflation.inflate(parts);
    } catch (error) {
      this.#inflation.stats.faults += 1;
      // `ws` cannot be told which code it is but by a symbol of its own.
      const isTooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
      this.#ws.close(isTooLarge ? 1009 : 1007);
      done(error instanceof Error ? error : new Error(String(error)));
      return TURN_BYTES_MAX / 4;
    }
    done(null, bytes);
    return Math.max(bytes.length, MESSAGE_BYTES_MIN);
  }
}
