/** A link's way out. Owns: when messages become bytes, and how many of them are in the kernel's hands. Does not know: sockets (it
 *  is given a `write`), handshakes, or how a link ends.
 *
 *  A batch of at most 64 KiB is handed over, and the next only once the kernel has taken that one, so the rest can still be
 *  taken back. Each message is shown to `passes` in the same synchronous step that hands it over.
 *  Batches are made in `setImmediate`. Node runs it right after all sockets that were readable have been read, in the same
 *  turn of the loop: a message queued alone leaves within this turn, and what a thousand sockets caused leaves in one write. A
 *  microtask would run after each socket's callback, and make a thousand writes.
 *  A link that is written to turn after turn is paced: once it has left `BURST_BATCHES` small batches in quick succession, the next
 *  waits until `PACE_MS` have passed for it, so that it holds what several turns brought. Each batch wakes the other side and costs
 *  two system calls and a turn of its loop, whatever is in it. A quiet link never waits, nor does a batch of `PACED_BYTES`, a PING
 *  or a PONG.
 *
 *  Invariant: one batch is in flight at most; every wait ends, at the latest with `stop`; no timer is left after it. */
import type { Clock, Instant } from '../clock.ts';
import { type Prepared, prepare, writeFrame } from './encode.ts';
import type { LinkMessage } from './messages.ts';
import { type Allowance, BATCH_BYTES, type LaneKey, OutgoingQueue, UNLIMITED } from './outgoing.ts';
import type { Timers } from './timers.ts';

/** Time allowed between the gate check and the kernel; what takes longer is reported. @see DESIGN §4 Timings */
const HAND_OVER_LATE_MS = 1_000;
/** Batches handed over in a row before other work of this loop gets its turn. */
const BATCHES_PER_TURN = 16;
/** Beats waiting to be handed over: a side that asks without reading gets no more. */
const BEATS_MAX = 32;
/** Small batches that may leave in a row, each at the end of its turn, before the link is paced. */
const BURST_BATCHES = 16;
/** A small batch each so many milliseconds is no burst. */
const PACE_MS = 1;
/** A batch of this many bytes is not small: it leaves at the end of its turn. */
const PACED_BYTES = 32_768;
/** A PONG, the largest of them, header included. */
const BEAT_BYTES_MAX = 13;

export interface HandOverEdge {
  /** Hands bytes to the kernel; `taken` is called when it has taken them all, or with an error. */
  write(bytes: Buffer, taken: (error?: Error | null) => void): void;
  /** Whether a message may leave now. */
  passes(message: LinkMessage): boolean;
  /** A message did not pass. */
  onDropped(message: LinkMessage): void;
  /** A batch was taken `ms` after its messages passed: more than the timings allow for. */
  onLate(ms: number): void;
  /** Nothing is queued and nothing in flight any more. */
  onIdle(): void;
}

export class HandOver {
  readonly #edge: HandOverEdge;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #queue = new OutgoingQueue();
  readonly #allowance: Allowance;
  /** PINGs and PONGs: they leave before what is queued, so that a long queue is not taken for a slow loop. */
  #beats: Prepared[] = [];
  /** Credit to be told with the next batch, before what is queued. */
  #grant = 0;
  /** Filled again and again: only one batch is in flight at a time. */
  #batch: Buffer | undefined;
  #inFlight: { readonly since: Instant; readonly first: number | undefined } | undefined;
  #batchesThisTurn = 0;
  #immediate: NodeJS.Immediate | undefined;
  /** Set while the next batch waits for its time. */
  #cancelPause: (() => void) | undefined;
  /** Small batches that may leave now without a pause, as counted at `#countedMs`. */
  #burst = BURST_BATCHES;
  #countedMs: number;
  #waits: { readonly number: number; readonly resolve: (handedOver: boolean) => void }[] = [];
  #stopped = false;

  /** @param allowance  what data frames are sent on */
  constructor(edge: HandOverEdge, clock: Clock, timers: Timers, allowance: Allowance = UNLIMITED) {
    this.#edge = edge;
    this.#clock = clock;
    this.#timers = timers;
    this.#countedMs = clock.now().monoMs;
    this.#allowance = allowance;
  }

  /** Bytes queued and not handed over. */
  get bytes(): number {
    return this.#queue.bytes;
  }

  /** Of these, bytes of data. */
  get dataBytes(): number {
    return this.#queue.dataBytes;
  }

  get isIdle(): boolean {
    return this.#queue.isEmpty && this.#inFlight === undefined && this.#grant === 0;
  }

  /** Keys whose messages wait behind a large one, or for credit. */
  get lanes(): ReadonlyMap<LaneKey, unknown> | undefined {
    return this.#queue.lanes;
  }

  push(prepared: Prepared, lane?: LaneKey): void {
    this.#queue.push(prepared, lane);
    this.#schedule();
  }

  /** Tells the other side, before everything queued, that it may send that much more. */
  grant(bytes: number): void {
    this.#grant += bytes;
    this.#schedule();
  }

  /** The other side has granted more. */
  replenished(): void {
    this.#queue.replenished();
    if (this.#queue.isReady) this.#schedule();
  }

  /** Queues a PING or PONG before everything else. @returns false where too many wait already: nothing was queued */
  pushBeat(prepared: Prepared): boolean {
    if (this.#beats.length >= BEATS_MAX) return false;
    this.#beats.push(prepared);
    // Not to be held up, or the other side takes this loop for slower than it is.
    this.#endPause();
    this.#atTurnEnd();
    return true;
  }

  count(predicate: (message: LinkMessage) => boolean): number {
    return this.#queue.count(predicate);
  }

  /** Takes back what `predicate` names and has not begun to leave. */
  drop(predicate: (message: LinkMessage) => boolean): LinkMessage[] {
    const dropped = this.#queue.drop(predicate);
    if (dropped.length > 0) this.#settle();
    return dropped;
  }

  /** Waits until everything queued up to now was taken by the kernel, taken back or dropped; false where `stop` came first. */
  whenHandedOver(): Promise<boolean> {
    if (this.#stopped) return Promise.resolve(false);
    const number = this.#queue.last;
    if (this.#isOut(number)) return Promise.resolve(true);
    return new Promise((resolve) => this.#waits.push({ number, resolve }));
  }

  /** Hands a batch over now, rather than at the end of this turn. Does nothing while one is in flight. */
  flush(): void {
    if (this.#stopped || this.#inFlight !== undefined) return;
    this.#endPause();
    this.#batch ??= Buffer.allocUnsafeSlow((BEATS_MAX + 1) * BEAT_BYTES_MAX + BATCH_BYTES);
    const batch = this.#batch;
    let start = 0;
    for (const beat of this.#beats) start = writeFrame(beat, 0, batch, start);
    this.#beats = [];
    if (this.#grant > 0) start = writeFrame(prepare({ type: 'credit', bytes: this.#grant }), 0, batch, start);
    this.#grant = 0;
    const since = this.#clock.now();
    const passes = (message: LinkMessage): boolean => this.#edge.passes(message);
    const { bytes, first, dropped } = this.#queue.fill(batch, start, passes, this.#allowance);
    if (start + bytes > 0) {
      if (start + bytes < PACED_BYTES) this.#spendBurst(since.monoMs);
      this.#inFlight = { since, first };
      this.#edge.write(batch.subarray(0, start + bytes), (error) => this.#taken(error));
    }
    for (const message of dropped) this.#edge.onDropped(message);
    if (dropped.length > 0) this.#settle();
  }

  /** Nothing leaves any more: what is queued is forgotten, every wait answered false. */
  stop(): void {
    this.#stopped = true;
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    this.#immediate = undefined;
    this.#endPause();
    this.#queue.clear();
    this.#beats = [];
    const waits = this.#waits;
    this.#waits = [];
    for (const wait of waits) wait.resolve(false);
  }

  #schedule(): void {
    if (this.#queue.bytes >= PACED_BYTES) this.#endPause();
    else if (this.#cancelPause !== undefined) return;
    // Asked when there is none left by the last count, for the clock is read with each batch anyway.
    else if (this.#burst < 1 && this.#immediate === undefined && this.#inFlight === undefined && !this.#stopped) {
      const pauseMs = PACE_MS - (this.#clock.now().monoMs - this.#countedMs) - this.#burst * PACE_MS;
      if (pauseMs > 0) {
        this.#cancelPause = this.#timers.after(pauseMs, () => this.flush());
        return;
      }
    }
    this.#atTurnEnd();
  }

  #atTurnEnd(): void {
    // What is in flight goes on with the queue when it was taken.
    if (this.#immediate !== undefined || this.#inFlight !== undefined || this.#stopped) return;
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      this.#batchesThisTurn = 0;
      this.flush();
    });
  }

  #endPause(): void {
    this.#cancelPause?.();
    this.#cancelPause = undefined;
  }

  #spendBurst(nowMs: number): void {
    const regained = Math.max(0, nowMs - this.#countedMs) / PACE_MS;
    this.#countedMs = nowMs;
    this.#burst = Math.max(0, Math.min(BURST_BATCHES, this.#burst + regained) - 1);
  }

  #taken(error: Error | null | undefined): void {
    const batch = this.#inFlight;
    this.#inFlight = undefined;
    // An error is told by the socket's own event.
    if (batch === undefined || this.#stopped || (error !== undefined && error !== null)) return;
    const tookMs = this.#clock.now().monoMs - batch.since.monoMs;
    if (tookMs > HAND_OVER_LATE_MS) this.#edge.onLate(tookMs);
    this.#settle();
    if (!this.#queue.isReady && this.#beats.length === 0 && this.#grant === 0) return;
    this.#batchesThisTurn += 1;
    // Little was queued while that was on its way: more may come.
    const isPaced = this.#burst < 1 && this.#queue.bytes < PACED_BYTES && this.#beats.length === 0;
    if (this.#batchesThisTurn < BATCHES_PER_TURN && !isPaced) this.flush();
    else this.#schedule();
  }

  /** Whether the message with this number, and all before it, are out. */
  #isOut(number: number): boolean {
    const queued = this.#queue.oldest ?? Number.POSITIVE_INFINITY;
    const inFlight = this.#inFlight?.first ?? Number.POSITIVE_INFINITY;
    return number < queued && number < inFlight;
  }

  /** Answers the waits that are over, after the queue has become shorter. */
  #settle(): void {
    if (this.#waits.length > 0) {
      const waits = this.#waits;
      this.#waits = waits.filter((wait) => !this.#isOut(wait.number));
      for (const wait of waits) if (this.#isOut(wait.number)) wait.resolve(true);
    }
    if (this.isIdle && !this.#stopped) this.#edge.onIdle();
  }
}
