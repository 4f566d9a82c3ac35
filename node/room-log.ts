/** The log of a durable room from its owner's side: what was said waits here, goes to Redis in batches, and is told to nobody before
 *  that has answered. Owns: the queue, the batch in flight, their bounds. Does not know: members, programs, connections.
 *  Invariants: one batch is in flight; a batch whose outcome is not known is sent again as it was until it is; items settle in the
 *  order in which they were said; an item that was handed to Redis is never refused.
 *  No timer makes a batch: what comes while one is in flight is the next one.
 *  @see DESIGN §4 Append, §6 */
import type { Instant } from '../shared/clock.ts';
import {
  type AppendItem,
  type AppendOutcome,
  type Args,
  DirectoryError,
  type Reply,
  type RoomRecord,
  type Triple,
} from '../shared/directory/directory.ts';
import type { RoomSession } from './roster.ts';

/** One batch: at most so many items, and so many bytes of data unless one item alone has more. */
const BATCH_ITEMS_MAX = 64;
const BATCH_BYTES_MAX = 256 * 1_024;
/** What was never handed to Redis is refused after this long, milliseconds. */
const WAIT_MAX_MS = 10_000;
/** Pause before a batch is sent again, milliseconds. */
const AGAIN_MS = 100;
/** Senders that cannot come back are forgotten with the next batch, at most so many with one. */
const FORGET_AT_ONCE = 256;
const FORGET_MAX = 100_000;

/** A state larger than this is written at most once in `LARGE_STATE_EVERY_MS`. */
const SMALL_STATE_CHARS = 65_536;
const LARGE_STATE_EVERY_MS = 1_000;

/** What one item costs beyond its data. */
const ITEM_BYTES = 200;

/** Something said in the room, from when it was taken until its outcome is known. */
export interface Said {
  readonly item: AppendItem;
  /** Whose publish it is; undefined for programs and backends. */
  readonly by: RoomSession | undefined;
  /** It was taken before: only where it went is asked for. */
  readonly isRepeat: boolean;
  /** Of a backend: told once. */
  readonly done: ((how: AppendOutcome | { readonly kind: 'refused' } | { readonly kind: 'lost' }) => void) | undefined;
  readonly sinceMs: number;
  /** It may have reached Redis. */
  isHanded: boolean;
}

/** Bytes that wait in all rooms of a node. */
export interface LogBudget {
  bytes: number;
  readonly bytesMax: number;
}

export interface LogRules {
  readonly keep: { readonly entries: number; readonly ms: number };
  readonly sendersMax: number;
}

export interface LogPorts {
  readonly room: string;
  readonly rules: LogRules;
  readonly budget: LogBudget;
  readonly append: (args: Args<'append'>, done: (result: Reply<'append'> | DirectoryError) => void) => void;
  /** The triple under which this node may append now: held, and the gate open. */
  readonly mayAppend: () => Triple | undefined;
  readonly now: () => Instant;
  readonly wake: (atMs: number) => void;
  /** The outcome of one item. `at`: Unix ms by Redis' clock. */
  readonly settled: (said: Said, outcome: AppendOutcome, at: number) => void;
  /** It waited for too long. */
  readonly refused: (said: Said) => void;
  /** The record is another's. */
  readonly fenced: (record: RoomRecord | undefined) => void;
  /** The log does not stand where it was committed to: the history went back. */
  readonly wentBack: () => void;
  /** The program's state as JSON text; undefined where it has none. It may end the room. */
  readonly state: () => string | undefined;
  readonly head: () => number;
  readonly count: (
    metric: 'appends' | 'appended' | 'duplicates' | 'senders_evicted' | 'publishes_refused',
    by?: number,
  ) => void;
  readonly observe: (metric: 'append_ms', ms: number) => void;
}

interface Flight {
  readonly args: Args<'append'>;
  readonly said: readonly Said[];
  readonly sinceMs: number;
  /** No answer came: it is sent again at this time. */
  againAtMs: number | undefined;
}

export class RoomLog {
  readonly #ports: LogPorts;
  #waiting: Said[] = [];
  #flight: Flight | undefined;
  #batch = 0;
  /** Answers to batches sent before this changed are void. */
  #round = 0;
  #idle: (() => void) | undefined;
  readonly #forget = new Set<string>();
  /** The program's state as it was written last, and when. */
  #stateWritten: string | undefined;
  #stateAtMs = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(ports: LogPorts) {
    this.#ports = ports;
  }

  /** Nothing waits and nothing is in flight. */
  get isIdle(): boolean {
    return this.#flight === undefined && this.#waiting.length === 0;
  }

  /** @returns false where the node's rooms hold as much as they may: it was not taken */
  say(said: Said): boolean {
    const bytes = bytesOf(said);
    const { budget } = this.#ports;
    // Whoever has something waiting is bounded by its router; a refusal now could not be acked before what came first.
    const mayWait = budget.bytes + bytes <= budget.bytesMax || (said.by?.waiting ?? 0) > 0;
    if (this.#isClosed || !mayWait) return false;
    budget.bytes += bytes;
    this.#waiting.push(said);
    if (said.by !== undefined) said.by.waiting++;
    this.#ports.wake(said.sinceMs + WAIT_MAX_MS);
    return true;
  }

  /** This sender's session is over: its mark goes with the next batch. */
  forget(sender: string): void {
    if (this.#forget.size < FORGET_MAX) this.#forget.add(sender);
  }

  /** It is back, or spoke again. */
  keep(sender: string): void {
    this.#forget.delete(sender);
  }

  /** Sends the next batch, if none is in flight. To be called once what came together was said. */
  flush(): void {
    if (this.#flight !== undefined || this.#waiting.length === 0 || this.#isClosed) return;
    const triple = this.#ports.mayAppend();
    if (triple === undefined) return;
    const state = this.#waiting.length <= BATCH_ITEMS_MAX ? this.#changedState() : undefined;
    if (this.#isClosed) return;
    const said = this.#takeBatch();
    const forget = this.#takeForgotten(said);
    // Only where nothing is left: otherwise the state would hold what is not logged yet.
    const snapshot = this.#waiting.length === 0 ? state : undefined;
    if (snapshot !== undefined) {
      this.#stateWritten = snapshot;
      this.#stateAtMs = this.#ports.now().monoMs;
    }
    const { room, rules } = this.#ports;
    const args: Args<'append'> = {
      room,
      triple,
      batch: ++this.#batch,
      head: this.#ports.head(),
      items: said.map(({ item }) => item),
      keep: rules.keep,
      forget,
      sendersMax: rules.sendersMax,
      ...(snapshot === undefined ? {} : { snapshot }),
    };
    this.#flight = { args, said, sinceMs: this.#ports.now().monoMs, againAtMs: undefined };
    this.#send(this.#flight);
  }

  /** Calls back once nothing is in flight or waiting, or the room is not served any more. One caller at a time. */
  whenIdle(done: () => void): void {
    if (this.isIdle) return done();
    this.#idle = done;
  }

  /** The room is owned under another triple: what was in flight is said again there, and what of it was logged is told apart. */
  begin(): void {
    this.#round++;
    this.#batch = 0;
    this.#stateWritten = undefined;
    if (this.#flight !== undefined) this.#waiting = [...this.#flight.said, ...this.#waiting];
    this.#flight = undefined;
  }

  /** The room is not served here any more: nothing that waits is told anything, except backends, who are told that nobody knows. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#round++;
    const left = [...(this.#flight?.said ?? []), ...this.#waiting];
    this.#flight = undefined;
    this.#waiting = [];
    for (const said of left) {
      this.#let(said);
      said.done?.({ kind: 'lost' });
    }
    this.#idle = undefined;
  }

  /** When `tick` has something to do: at once while something waits that could not be sent, since the gate was shut. */
  get dueMs(): number {
    if (this.#flight === undefined && this.#waiting.length > 0) return 0;
    const oldest = this.#waiting.find((said) => !said.isHanded);
    const oldMs = oldest === undefined ? Number.POSITIVE_INFINITY : oldest.sinceMs + WAIT_MAX_MS;
    return Math.min(this.#flight?.againAtMs ?? Number.POSITIVE_INFINITY, oldMs);
  }

  /** Does what is due; harmless at any other time. */
  tick(now: Instant): void {
    const flight = this.#flight;
    if (flight?.againAtMs !== undefined && now.monoMs >= flight.againAtMs && this.#ports.mayAppend() !== undefined) {
      flight.againAtMs = undefined;
      this.#send(flight);
    }
    this.#refuseOld(now);
    this.flush();
  }

  /** Something of this sender waits or is in flight. */
  has(sender: string): boolean {
    const isIts = ({ item }: Said) => item.sender === sender;
    return this.#flight?.said.some(isIts) === true || this.#waiting.some(isIts);
  }

  /** A publish is refused only while nothing of its sender is in flight: the ack of its frame acks all before it, and under one key it
   *  may be the same again. The program's own words are each by themselves. And only while the session is seated: acked and not told, it would
   *  have no outcome ever. */
  #refuseOld(now: Instant): void {
    const first = this.#waiting.find((said) => !said.isHanded);
    if (first === undefined || now.monoMs < first.sinceMs + WAIT_MAX_MS) return;
    const held = new Set<string>();
    const hold = ({ item: { sender } }: Said) => sender !== '*' && held.add(sender);
    for (const said of this.#flight?.said ?? []) hold(said);
    const old: Said[] = [];
    this.#waiting = this.#waiting.filter((said) => {
      const isOld = !said.isHanded && now.monoMs >= said.sinceMs + WAIT_MAX_MS;
      const canBeTold = said.by === undefined || said.by.place !== undefined;
      if (isOld && canBeTold && !held.has(said.item.sender)) {
        old.push(said);
        return false;
      }
      hold(said);
      return true;
    });
    this.#ports.count('publishes_refused', old.length);
    for (const said of old) {
      this.#let(said);
      this.#ports.refused(said);
      said.done?.({ kind: 'refused' });
    }
    this.#tellIdle();
  }

  #changedState(): string | undefined {
    const state = this.#ports.state();
    if (state === undefined || state === this.#stateWritten) return undefined;
    const isSoon = this.#ports.now().monoMs - this.#stateAtMs < LARGE_STATE_EVERY_MS;
    return state.length > SMALL_STATE_CHARS && isSoon ? undefined : state;
  }

  #takeBatch(): Said[] {
    let bytes = 0;
    let count = 0;
    for (const said of this.#waiting) {
      bytes += said.item.message?.data.length ?? 0;
      if (count > 0 && (count >= BATCH_ITEMS_MAX || bytes > BATCH_BYTES_MAX)) break;
      count++;
    }
    const said = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    for (const one of said) one.isHanded = true;
    return said;
  }

  /** Whoever has something on its way is forgotten after that: should it have to be sent again, its mark tells what was logged. */
  #takeForgotten(said: readonly Said[]): string[] {
    // Behind a long queue it can wait: whose something is in there is not worth looking for.
    if (this.#forget.size === 0 || this.#waiting.length > BATCH_ITEMS_MAX) return [];
    const busy = new Set([...said, ...this.#waiting].map(({ item }) => item.sender));
    const forget: string[] = [];
    for (const sender of this.#forget) {
      if (forget.length >= FORGET_AT_ONCE) break;
      if (!busy.has(sender)) forget.push(sender);
    }
    for (const sender of forget) this.#forget.delete(sender);
    return forget;
  }

  #send(flight: Flight): void {
    const round = this.#round;
    this.#ports.append(flight.args, (result) => {
      if (round !== this.#round || this.#flight !== flight) return;
      if (result instanceof DirectoryError) {
        // Whether it was carried out is not known: the same batch again is answered either way.
        flight.againAtMs = this.#ports.now().monoMs + AGAIN_MS;
        return this.#ports.wake(flight.againAtMs);
      }
      switch (result.kind) {
        case 'appended':
          return this.#appended(flight, result);
        case 'fenced':
          return this.#ports.fenced(result.record);
        case 'rolled-back':
        case 'late':
          return this.#ports.wentBack();
        default:
          result satisfies never;
      }
    });
  }

  #appended(flight: Flight, { outcomes, at, evicted }: Extract<Reply<'append'>, { kind: 'appended' }>): void {
    this.#flight = undefined;
    const { count, observe, now } = this.#ports;
    count('appends');
    count('appended', outcomes.length);
    if (evicted > 0) count('senders_evicted', evicted);
    observe('append_ms', now().monoMs - flight.sinceMs);
    const round = this.#round;
    for (const [index, said] of flight.said.entries()) {
      const outcome = outcomes[index] ?? { kind: 'unknown' };
      if (outcome.kind === 'duplicate') count('duplicates');
      this.#let(said);
      this.#ports.settled(said, outcome, at);
      said.done?.(outcome);
      // What was told may have ended the room.
      if (round !== this.#round) return;
    }
    this.flush();
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (!this.isIdle || this.#idle === undefined) return;
    const done = this.#idle;
    this.#idle = undefined;
    done();
  }

  #let(said: Said): void {
    this.#ports.budget.bytes -= bytesOf(said);
    if (said.by !== undefined && said.by.seat === said.item.seat) said.by.waiting = Math.max(0, said.by.waiting - 1);
  }
}

function bytesOf({ item }: Said): number {
  return ITEM_BYTES + (item.message?.data.length ?? 0);
}
