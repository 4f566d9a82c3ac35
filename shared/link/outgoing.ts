/** What a link has yet to hand to the kernel. Owns: the order, the fair share of large messages, what waits for credit, and the last
 *  look at each message before it becomes bytes. Does not know: sockets, or how credit is come by.
 *
 *  Messages wait here as messages, not as bytes, so that a gate which has shut meanwhile, or an owner that lost a room, can
 *  still take them back.
 *
 *      main   ▭ ▭ ▭ ▭ ▭ ▭ …            in the order pushed
 *      lane a ████████▭ ▭ …            a large message, and behind it what may not pass it
 *      lane b ▭ ▭ …                    data without credit, and behind it the same
 *
 *  Nearly everything goes through `main`. A message of several frames, or one that credit does not reach, stands in a lane of its
 *  own; what is pushed with the same key (a session's frames, a room's casts and what is said of its seats) queues up behind it,
 *  and the rest goes on. Lanes take turns, a frame each; while `main` has messages, no more than a fragment leaves with each batch.
 *  Invariants: a batch holds whole frames and is at most HAND_OVER_MAX bytes, or one frame; two messages of one key leave in the
 *  order they were pushed; a lane never runs ahead of what was pushed before it. */
import { FRAME_BYTES_MAX, frameBytes, type Prepared, voidBytes, writeFrame, writeVoid } from './encode.ts';
import { Fifo } from './fifo.ts';
import { type Cast, type ClientFrame, type Direct, FRAGMENT_CONTENT, isData, type LinkMessage } from './messages.ts';

/** Bytes handed over to the kernel at a time. What is handed over cannot be taken back: with one such piece in flight at most, a
 *  gate that shuts stops all but 64 KiB. */
export const HAND_OVER_MAX = 65_536;
/** Room for a batch: a frame may be larger than HAND_OVER_MAX by its header. */
export const BATCH_BYTES = Math.max(HAND_OVER_MAX, FRAME_BYTES_MAX);
/** Messages that may be partly out at one time: fewer than the other side takes. */
export const BEGUN_MAX = 16;

/** What keeps its order: a session's number, a room's name; undefined for what may pass everything. */
export type LaneKey = string | number | symbol;

/** Where OPENs wait that name a session whose frames wait: pieces of one OPEN must follow each other. */
const OPENS: LaneKey = Symbol('opens');
/** Where ACKS wait for data that was pushed before them and has no credit. */
const ACKS: LaneKey = Symbol('acks');

interface Waiting {
  /** Its place in the order of everything ever pushed. */
  readonly number: number;
  readonly prepared: Prepared;
  readonly lane: LaneKey | undefined;
  /** Frames already written. */
  written: number;
}

class Lane {
  readonly key: LaneKey;
  /** Out of `main`: pushed before there was this lane, so before all of `late`. */
  readonly early = new Fifo<Waiting>();
  readonly late = new Fifo<Waiting>();

  constructor(key: LaneKey) {
    this.key = key;
  }

  get first(): Waiting | undefined {
    return this.early.first ?? this.late.first;
  }

  /** Number of the oldest; beyond all numbers where it is empty. */
  get number(): number {
    return this.first?.number ?? Number.POSITIVE_INFINITY;
  }

  shift(): void {
    if (this.early.isEmpty) this.late.shift();
    else this.early.shift();
  }
}

/** A batch that was written. `first` is the lowest number in it; undefined where it is empty. */
export interface Batch {
  readonly bytes: number;
  readonly first: number | undefined;
  /** What `passes` refused: removed, in order. */
  readonly dropped: readonly LinkMessage[];
}

/** How many bytes of data may leave. */
export interface Allowance {
  /** @returns false where that many are not allowed now: nothing was spent */
  spend(bytes: number): boolean;
}

export const UNLIMITED: Allowance = { spend: () => true };

interface Fill {
  readonly target: Buffer;
  readonly passes: (message: LinkMessage) => boolean;
  readonly allowance: Allowance;
  readonly dropped: LinkMessage[];
  at: number;
  first: number | undefined;
}

export class OutgoingQueue {
  readonly #main = new Fifo<Waiting>();
  readonly #lanes = new Map<LaneKey, Lane>();
  /** Lanes in the order of their turns. Those that credit does not reach are out of it until there is more. */
  readonly #turns = new Set<Lane>();
  readonly #starved = new Set<Lane>();
  /** Messages begun and then taken back, of which the other side is to be told. */
  #voids: (ClientFrame | Direct | Cast)[] = [];
  #begun = 0;
  #bytes = 0;
  #dataBytes = 0;
  #last = 0;
  /** The last batch was a single large frame of a lane: it is `main`'s turn. */
  #mainIsDue = false;

  get bytes(): number {
    return this.#bytes;
  }

  /** Of these, bytes of data frames. */
  get dataBytes(): number {
    return this.#dataBytes;
  }

  get isEmpty(): boolean {
    return this.#main.isEmpty && this.#lanes.size === 0 && this.#voids.length === 0;
  }

  /** Whether a batch could hold anything now, but for the gate: false where all that is here waits for credit. */
  get isReady(): boolean {
    return !this.#main.isEmpty || this.#turns.size > 0 || this.#voids.length > 0;
  }

  /** Keys whose messages wait behind a large one, or for credit; undefined where there are none. */
  get lanes(): ReadonlyMap<LaneKey, unknown> | undefined {
    return this.#lanes.size === 0 ? undefined : this.#lanes;
  }

  /** Number of the message pushed last; 0 before any. */
  get last(): number {
    return this.#last;
  }

  /** Number of the oldest message here; undefined where none is. */
  get oldest(): number | undefined {
    let oldest = this.#main.first?.number;
    for (const { number } of this.#lanes.values()) oldest = Math.min(oldest ?? number, number);
    return oldest;
  }

  /** @param lane  what it keeps its order with */
  push(prepared: Prepared, lane?: LaneKey): void {
    this.#last += 1;
    this.#bytes += prepared.bytes;
    if (isData(prepared.message)) this.#dataBytes += prepared.bytes;
    const { type } = prepared.message;
    const key = type === 'open' ? OPENS : (lane ?? (type === 'acks' ? ACKS : undefined));
    const waiting: Waiting = { number: this.#last, prepared, lane: key, written: 0 };
    const known = this.#lanes.size === 0 || key === undefined ? undefined : this.#lanes.get(key);
    if (known !== undefined) known.late.push(waiting);
    else if (prepared.frames > 1) this.#newLane(key).late.push(waiting);
    else this.#main.push(waiting);
  }

  /** There is more credit: what waited for it takes its turns again. */
  replenished(): void {
    for (const lane of this.#starved) this.#turns.add(lane);
    this.#starved.clear();
  }

  count(predicate: (message: LinkMessage) => boolean): number {
    let count = 0;
    for (const queue of this.#queues()) for (const { prepared } of queue) if (predicate(prepared.message)) count += 1;
    return count;
  }

  /** Takes back every message that `predicate` names; returns them in order. A long call that is partly out is left to go on; a
   *  data message that is partly out is made void. */
  drop(predicate: (message: LinkMessage) => boolean): LinkMessage[] {
    const dropped: Waiting[] = [];
    const keeps = (waiting: Waiting): boolean => {
      const { message } = waiting.prepared;
      if ((waiting.written > 0 && !isData(message)) || !predicate(message)) return true;
      dropped.push(waiting);
      this.#forget(waiting);
      return false;
    };
    this.#main.filter(keeps);
    for (const lane of [...this.#lanes.values()]) {
      lane.early.filter(keeps);
      lane.late.filter(keeps);
      if (lane.first === undefined) this.#endLane(lane);
    }
    // Its head may not be data any more.
    this.replenished();
    return dropped.sort((a, b) => a.number - b.number).map(({ prepared }) => prepared.message);
  }

  clear(): void {
    this.#main.filter(() => false);
    this.#lanes.clear();
    this.#turns.clear();
    this.#starved.clear();
    this.#voids = [];
    this.#begun = 0;
    this.#bytes = 0;
    this.#dataBytes = 0;
  }

  /** Writes the next batch into `target` from `start`, BATCH_BYTES in all. Each frame's message is shown to `passes` at this
   *  moment; one that does not pass is removed, and made void where it was begun. */
  fill(
    target: Buffer,
    start: number,
    passes: (message: LinkMessage) => boolean,
    allowance: Allowance = UNLIMITED,
  ): Batch {
    const fill: Fill = { target, passes, allowance, dropped: [], at: start, first: undefined };
    this.#writeVoids(fill);
    // The lanes' share comes first, so that `main` cannot starve them; then `main`'s, for the rest of the batch.
    const share = this.#mainIsDue && !this.#main.isEmpty ? 0 : FRAGMENT_CONTENT;
    const took = this.#turns.size === 0 ? 0 : this.#fillFromLanes(fill, share);
    this.#mainIsDue = took > HAND_OVER_MAX / 2;
    this.#fillFromMain(fill);
    if (this.#main.isEmpty) this.#fillFromLanes(fill, HAND_OVER_MAX);
    this.#writeVoids(fill);
    return { bytes: fill.at - start, first: fill.first, dropped: fill.dropped };
  }

  // --- the two sources of a batch ------------------------------------------------------------------------------------------------

  #fillFromMain(fill: Fill): void {
    for (let waiting = this.#main.first; waiting !== undefined; waiting = this.#main.first) {
      if (this.#lanes.size > 0 && this.#stepAside(waiting)) {
        this.#main.shift();
        continue;
      }
      const outcome = this.#write(waiting, fill);
      if (outcome === 'no-room') return;
      this.#main.shift();
      if (outcome === 'no-credit') {
        const lane = this.#laneOf(waiting);
        lane.early.push(waiting);
        this.#turns.delete(lane);
        this.#starved.add(lane);
      }
    }
  }

  /** Moves a message of `main` to the lane in which older ones of its key wait. @returns whether there are such */
  #stepAside(waiting: Waiting): boolean {
    const lane = waiting.lane === undefined ? undefined : this.#lanes.get(waiting.lane);
    if (lane !== undefined && lane.number < waiting.number) {
      lane.early.push(waiting);
      return true;
    }
    if (!this.#isHeldBack(waiting)) return false;
    this.#laneOf(waiting).early.push(waiting);
    return true;
  }

  /** Takes turns until about `share` bytes were written. @returns bytes written */
  #fillFromLanes(fill: Fill, share: number): number {
    const start = fill.at;
    while (this.#turns.size > 0 && fill.at - start < share && this.#takeTurn(fill) > 0);
    return fill.at - start;
  }

  /** Writes one frame of the lane whose turn it is. @returns its bytes; 0 where no lane can have its turn now */
  #takeTurn(fill: Fill): number {
    for (const lane of this.#turns) {
      const before = fill.at;
      const outcome = this.#takeFrom(lane, fill);
      if (outcome === 'no-room') return 0;
      if (outcome === 'wrote') {
        if (this.#lanes.get(lane.key) === lane) {
          // To the end of the row.
          this.#turns.delete(lane);
          this.#turns.add(lane);
        }
        return fill.at - before;
      }
    }
    return 0;
  }

  #takeFrom(lane: Lane, fill: Fill): 'wrote' | 'no-room' | 'waits' {
    for (let waiting = lane.first; waiting !== undefined; waiting = lane.first) {
      if (!this.#mayLeave(waiting)) return 'waits';
      const outcome = this.#write(waiting, fill);
      if (outcome === 'no-room') return 'no-room';
      if (outcome === 'no-credit') {
        this.#turns.delete(lane);
        this.#starved.add(lane);
        return 'waits';
      }
      if (outcome === 'dropped' || waiting.written === waiting.prepared.frames) {
        lane.shift();
        if (lane.first === undefined) this.#endLane(lane);
      }
      if (outcome === 'wrote') return 'wrote';
    }
    return 'waits';
  }

  #mayLeave(waiting: Waiting): boolean {
    if (waiting.written > 0) return true;
    if (waiting.prepared.frames > 1 && this.#begun >= BEGUN_MAX) return false;
    const ahead = this.#main.first;
    if (ahead !== undefined && ahead.number < waiting.number) return false;
    return !this.#isHeldBack(waiting);
  }

  /** Writes the next frame of a message, or finds why not. */
  #write(waiting: Waiting, fill: Fill): 'wrote' | 'no-room' | 'no-credit' | 'dropped' {
    const { prepared } = waiting;
    if (this.#voids.length > 0) this.#writeVoids(fill);
    if (this.#voids.length > 0) return 'no-room';
    if (!fill.passes(prepared.message) && (waiting.written === 0 || isData(prepared.message))) {
      fill.dropped.push(prepared.message);
      this.#forget(waiting);
      return 'dropped';
    }
    const size = frameBytes(prepared, waiting.written);
    if (fill.at > 0 && fill.at + size > HAND_OVER_MAX) return 'no-room';
    if (isData(prepared.message)) {
      if (!fill.allowance.spend(size)) return 'no-credit';
      this.#dataBytes -= size;
    }
    fill.first = Math.min(fill.first ?? waiting.number, waiting.number);
    fill.at = writeFrame(prepared, waiting.written, fill.target, fill.at);
    this.#bytes -= size;
    waiting.written += 1;
    if (prepared.frames > 1) {
      if (waiting.written === 1) this.#begun += 1;
      if (waiting.written === prepared.frames) this.#begun -= 1;
    }
    return 'wrote';
  }

  /** Says what will not come in full: before anything else of the same session or room can leave. */
  #writeVoids(fill: Fill): void {
    while (this.#voids.length > 0) {
      const [message] = this.#voids;
      if (message === undefined || (fill.at > 0 && fill.at + voidBytes(message) > HAND_OVER_MAX)) return;
      fill.at = writeVoid(message, fill.target, fill.at);
      this.#voids.shift();
    }
  }

  // --- bookkeeping ---------------------------------------------------------------------------------------------------------------

  /** A message is taken back: what is left of it does not leave. */
  #forget({ prepared, written }: Waiting): void {
    let left = prepared.bytes;
    for (let index = 0; index < written; index++) left -= frameBytes(prepared, index);
    this.#bytes -= left;
    if (!isData(prepared.message)) return;
    this.#dataBytes -= left;
    if (written === 0) return;
    this.#begun -= 1;
    this.#voids.push(prepared.message);
  }

  #laneOf({ lane }: Waiting): Lane {
    return (lane === undefined ? undefined : this.#lanes.get(lane)) ?? this.#newLane(lane);
  }

  /** A lane in which what has this key queues up. */
  #newLane(key: LaneKey = Symbol('alone')): Lane {
    const lane = new Lane(key);
    this.#lanes.set(key, lane);
    this.#turns.add(lane);
    return lane;
  }

  #endLane(lane: Lane): void {
    this.#lanes.delete(lane.key);
    this.#turns.delete(lane);
    this.#starved.delete(lane);
  }

  /** Whether what a message speaks of in several lanes has not left yet. An OPEN says where its sessions stand, and may not pass
   *  their frames. An ACKS says that frames are taken: what was answered to them goes first. Its sender knew of the lanes there
   *  were and named one; of those that were made for want of credit it could not know. */
  #isHeldBack({ prepared, number, lane }: Waiting): boolean {
    const { message } = prepared;
    if (message.type === 'open') {
      return message.sessions.some(({ handle }) => (this.#lanes.get(handle)?.number ?? number) < number);
    }
    if (lane !== ACKS) return false;
    for (const { key, early } of this.#lanes.values()) {
      if (key !== ACKS && (early.first?.number ?? number) < number) return true;
    }
    return false;
  }

  *#queues(): Generator<Fifo<Waiting>> {
    yield this.#main;
    for (const { early, late } of this.#lanes.values()) {
      yield early;
      yield late;
    }
  }
}
