/** What a link has yet to hand to the kernel. Owns: the order, the bound in bytes, and the last look at each message before it
 *  becomes bytes. Does not know: sockets.
 *
 *  Messages wait here as messages, not as bytes, so that a gate which has shut meanwhile, or an owner that lost a room, can
 *  still take them back. A message of several frames (a long call) can be taken back until its first frame is out.
 *  Invariant: a batch holds whole frames in the order they were pushed, and is at most HAND_OVER_MAX bytes, or one frame. */
import { FRAME_BYTES_MAX, frameBytes, type Prepared, writeFrame } from './encode.ts';
import type { LinkMessage } from './messages.ts';

/** Bytes handed to the kernel at a time. What is handed over cannot be taken back: with one such piece in flight at most, a gate
 *  that shuts stops all but 64 KiB. */
export const HAND_OVER_MAX = 65_536;
/** Room for a batch: a frame may be larger than HAND_OVER_MAX by its header. */
export const BATCH_BYTES = Math.max(HAND_OVER_MAX, FRAME_BYTES_MAX);

interface Waiting {
  /** Its place in the order of everything ever pushed. */
  readonly number: number;
  readonly prepared: Prepared;
  /** Frames already written. */
  written: number;
}

/** A batch that was written. `first` is the number of its first message; undefined where it is empty. */
export interface Batch {
  readonly bytes: number;
  readonly first: number | undefined;
  /** What `passes` refused: removed, in order. */
  readonly dropped: readonly LinkMessage[];
}

export class OutgoingQueue {
  #waiting: (Waiting | undefined)[] = [];
  /** Index of the oldest in `#waiting`: what lies before is gone, and cut off now and then. */
  #head = 0;
  #bytes = 0;
  #last = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#head === this.#waiting.length;
  }

  /** Number of the message pushed last; 0 before any. */
  get last(): number {
    return this.#last;
  }

  /** Number of the oldest message here; undefined where none is. */
  get oldest(): number | undefined {
    return this.#waiting[this.#head]?.number;
  }

  push(prepared: Prepared): void {
    this.#last += 1;
    this.#waiting.push({ number: this.#last, prepared, written: 0 });
    this.#bytes += prepared.bytes;
  }

  count(predicate: (message: LinkMessage) => boolean): number {
    let count = 0;
    for (let at = this.#head; at < this.#waiting.length; at++) {
      const waiting = this.#waiting[at];
      if (waiting !== undefined && predicate(waiting.prepared.message)) count += 1;
    }
    return count;
  }

  /** Takes back every message that `predicate` names and that is not partly out; returns them in order. */
  drop(predicate: (message: LinkMessage) => boolean): LinkMessage[] {
    const dropped: LinkMessage[] = [];
    const kept: Waiting[] = [];
    for (let at = this.#head; at < this.#waiting.length; at++) {
      const waiting = this.#waiting[at];
      if (waiting === undefined) continue;
      if (waiting.written === 0 && predicate(waiting.prepared.message)) {
        dropped.push(waiting.prepared.message);
        this.#bytes -= waiting.prepared.bytes;
      } else {
        kept.push(waiting);
      }
    }
    this.#waiting = kept;
    this.#head = 0;
    return dropped;
  }

  clear(): void {
    this.#waiting = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  /** Writes the next batch into `target` from `start`, BATCH_BYTES in all. Each message is shown to `passes` at this moment,
   *  before its first frame; one that does not pass is removed. */
  fill(target: Buffer, start: number, passes: (message: LinkMessage) => boolean): Batch {
    const dropped: LinkMessage[] = [];
    let at = start;
    let first: number | undefined;
    for (let waiting = this.#waiting[this.#head]; waiting !== undefined; waiting = this.#waiting[this.#head]) {
      const { prepared } = waiting;
      if (waiting.written === 0 && !passes(prepared.message)) {
        dropped.push(prepared.message);
        this.#bytes -= prepared.bytes;
        this.#shift();
        continue;
      }
      const size = frameBytes(prepared, waiting.written);
      if (at > 0 && at + size > HAND_OVER_MAX) break;
      first ??= waiting.number;
      at = writeFrame(prepared, waiting.written, target, at);
      waiting.written += 1;
      this.#bytes -= size;
      if (waiting.written === prepared.frames) this.#shift();
    }
    return { bytes: at - start, first, dropped };
  }

  #shift(): void {
    // Emptied at once, so that what has left does not keep its content in memory.
    this.#waiting[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#waiting.length) {
      this.#waiting = [];
      this.#head = 0;
    } else if (this.#head >= 1_024 && this.#head * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
  }
}
