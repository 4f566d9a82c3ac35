/** The log of a durable room from its owner's side: what was said waits here, goes to Redis in batches, and is told to nobody before
 *  that has answered. Owns: the queue, the batch in flight, their bounds. Does not know: members, programs, connections.
 *  Invariants: one batch is in flight; a batch whose outcome is not known is sent again as it was until it is; a unit is in one batch;
 *  units settle in the order in which they were taken; what was handed to Redis is never refused.
 *  No timer makes a batch: what comes while one is in flight is the next one.
 *  @see DESIGN §4 Append, §6 */
import type { Instant } from '../shared/clock.ts';
import {
  type AppendItem,
  type AppendOutcome,
  type Args,
  DirectoryError,
  type LogEntry,
  type Reply,
  type RoomRecord,
  type SenderMark,
  type Triple,
} from '../shared/directory/directory.ts';
import { bytesOf, type Call, markAfter, type Said, type Unit } from './room-unit.ts';

/** One batch: no unit is added that would take it beyond so many items, or so many bytes, as far as that is known before. */
const BATCH_ITEMS_MAX = 64;
const BATCH_BYTES_MAX = 256 * 1_024;
/** What was never handed to Redis is refused after this long, milliseconds. */
const WAIT_MAX_MS = 10_000;
/** Pause before a batch is sent again, milliseconds. */
const AGAIN_MS = 100;
/** Senders that cannot come back are forgotten with the next batch, at most so many with one. */
const FORGET_AT_ONCE = 256;
const FORGET_MAX = 100_000;
/** Calls of the program that wait for publishes before them; one more is made out of its turn. */
const CALLS_MAX = 10_000;

/** A state larger than this is written at most once in `LARGE_STATE_EVERY_MS`. */
const SMALL_STATE_CHARS = 65_536;
const LARGE_STATE_EVERY_MS = 1_000;

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
  readonly refused: (unit: Unit) => void;
  /** The record is another's. */
  readonly fenced: (record: RoomRecord | undefined) => void;
  /** The log does not stand where it was committed to: the history went back. */
  readonly wentBack: () => void;
  /** The program's state as JSON text; undefined where it has none. It may end the room. */
  readonly state: () => string | undefined;
  readonly head: () => number;
  readonly count: (
    metric:
      | 'appends'
      | 'appended'
      | 'appends_fenced'
      | 'appends_rolled_back'
      | 'duplicates'
      | 'senders_evicted'
      | 'publishes_refused',
    by?: number,
  ) => void;
  readonly observe: (measure: 'append_ms' | 'append_items', value: number) => void;
}

interface Flight {
  readonly args: Args<'append'>;
  readonly units: readonly Unit[];
  readonly sinceMs: number;
  /** No answer came: it is sent again at this time. */
  againAtMs: number | undefined;
}

export class RoomLog {
  readonly #ports: LogPorts;
  #waiting: (Unit | Call)[] = [];
  /** Of those that wait: publishes that the program has not seen, and calls. */
  #unseen = 0;
  #calls = 0;
  #flight: Flight | undefined;
  #batch = 0;
  /** Answers to batches sent before this changed are void. */
  #round = 0;
  #idle: (() => void) | undefined;
  readonly #forget = new Set<string>();
  #hasForgotten = false;
  /** Marks of what was logged and is still to be said again, since its answer was lost. */
  readonly #caught = new Map<string, SenderMark>();
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
  say(unit: Unit): boolean {
    const { budget } = this.#ports;
    // Whoever has something waiting is bounded by its router; a refusal now could not be acked before what came first.
    const mayWait = budget.bytes + unit.bytes <= budget.bytesMax || (unit.by?.waiting ?? 0) > 0;
    if (this.#isClosed || !mayWait) return false;
    budget.bytes += unit.bytes;
    this.#waiting.push(unit);
    if (unit.kind === 'publish') this.#unseen++;
    if (unit.by !== undefined) unit.by.waiting++;
    this.#ports.wake(unit.sinceMs + WAIT_MAX_MS);
    return true;
  }

  /** Whether the program has publishes before it that it has not seen: it is to be called after those. Not for ever, though: one whose
   *  sender cannot be told of a refusal may wait until Redis is back. */
  get isBehind(): boolean {
    if (this.#unseen === 0) return false;
    const oldest = this.#waiting.find(isUnseen);
    return oldest !== undefined && this.#ports.now().monoMs < oldest.sinceMs + WAIT_MAX_MS;
  }

  /** Takes a call that is to wait for what is before it. @returns false where it is to be made now */
  call(call: Call): boolean {
    const waits = this.isBehind || this.#calls > 0;
    if (this.#isClosed || !waits || this.#calls >= CALLS_MAX) return false;
    this.#calls++;
    this.#waiting.push(call);
    return true;
  }

  /** This sender's session is over: its mark goes with the next batch. */
  forget(sender: string): void {
    this.#hasForgotten = true;
    if (this.#forget.size < FORGET_MAX) this.#forget.add(sender);
  }

  /** It is back, or spoke again. */
  keep(sender: string): void {
    this.#forget.delete(sender);
  }

  /** Marks went from the log while it was here, or are about to: who has none may have something in there all the same. */
  get hasForgotten(): boolean {
    return this.#hasForgotten;
  }

  /** Sends the next batch, if none is in flight. To be called once what came together was said. */
  flush(): void {
    if (this.#flight !== undefined || this.#waiting.length === 0 || this.#isClosed) return;
    const triple = this.#ports.mayAppend();
    if (triple === undefined) return;
    const units = this.#takeBatch();
    // Only where the program has said nothing that is left: otherwise the state would hold what is not logged yet.
    const isWhole = !this.#waiting.some(
      (one) => one.kind === 'words' || (one.kind === 'publish' && one.said !== undefined),
    );
    const snapshot = isWhole && units.length > 0 ? this.#changedState() : undefined;
    // The program may have failed, as it saw a publish or was asked for its state.
    if (this.#isClosed) return this.#lose(units);
    if (units.length === 0) return this.#tellIdle();
    const items: AppendItem[] = [];
    for (const unit of units) for (const { item } of unit.said ?? []) items.push(item);
    const forget = this.#takeForgotten(units);
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
      items,
      keep: rules.keep,
      forget,
      sendersMax: rules.sendersMax,
      ...(snapshot === undefined ? {} : { snapshot }),
    };
    this.#flight = { args, units, sinceMs: this.#ports.now().monoMs, againAtMs: undefined };
    this.#send(this.#flight);
  }

  /** Calls back once nothing is in flight or waiting, or the room is not served any more. One caller at a time. */
  whenIdle(done: () => void): void {
    if (this.isIdle) return done();
    this.#idle = done;
  }

  /** Entries of batches whose answer was lost, without a gap. Should the log lose them again and have them put back, their senders'
   *  marks must be put back too: what is said again would be logged again. */
  caughtUp(entries: readonly LogEntry[]): void {
    let next = 0;
    const passed: AppendItem[] = [];
    for (const { item } of this.#sent()) {
      const entry = entries[next];
      if (entry === undefined) return;
      const { message } = item;
      const id = message?.session === undefined ? 0 : item.id;
      const isIt = message?.data === entry.data && message.session === entry.session && (entry.id ?? 0) === id;
      // One that is not there was a duplicate, of which the log knew.
      if (message !== undefined && !isIt) continue;
      passed.push(item);
      if (message === undefined) continue;
      next++;
      for (const { sender, ...place } of passed.splice(0)) {
        this.#caught.set(sender, markAfter(this.#caught.get(sender), place, entry.seq));
      }
    }
  }

  get caughtMarks(): ReadonlyMap<string, SenderMark> {
    return this.#caught;
  }

  /** What may have reached Redis and has no outcome, in its order. */
  #sent(): readonly Said[] {
    const units = [...(this.#flight?.units ?? []), ...this.#waiting.filter((one): one is Unit => one.kind !== 'call')];
    return units.flatMap(({ said }) => said ?? []);
  }

  /** The room is owned under another triple: what was in flight is said again there, and what of it was logged is told apart. */
  begin(): void {
    this.#round++;
    this.#batch = 0;
    this.#stateWritten = undefined;
    if (this.#flight !== undefined) this.#waiting = [...this.#flight.units, ...this.#waiting];
    this.#flight = undefined;
  }

  /** The room is not served here any more: nothing that waits is told anything, except backends, who are told that nobody knows. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#round++;
    const left = [...(this.#flight?.units ?? []), ...this.#waiting];
    this.#flight = undefined;
    this.#waiting = [];
    this.#unseen = 0;
    this.#calls = 0;
    this.#lose(left);
    this.#idle = undefined;
  }

  #lose(left: readonly (Unit | Call)[]): void {
    for (const unit of left) {
      if (unit.kind === 'call') continue;
      this.#let(unit);
      unit.done?.({ kind: 'lost' });
    }
  }

  /** When `tick` has something to do: at once while something waits that could not be sent, since the gate was shut. */
  get dueMs(): number {
    if (this.#flight === undefined && this.#waiting.length > 0) return 0;
    const oldMs = (this.#oldest()?.sinceMs ?? Number.POSITIVE_INFINITY) + WAIT_MAX_MS;
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
    if (this.#calls > 0) this.#makeCalls(now);
    this.flush();
  }

  /** Something of this sender waits or is in flight. */
  has(sender: string): boolean {
    const isIts = (one: Unit | Call) => one.kind !== 'call' && one.sender === sender;
    return this.#flight?.units.some(isIts) === true || this.#waiting.some(isIts);
  }

  /** What has waited longest of all that was never handed to Redis. */
  #oldest(): Unit | undefined {
    return this.#waiting.find((one): one is Unit => one.kind !== 'call' && one.said === undefined);
  }

  /** A publish is refused only while nothing of its sender is in flight: the ack of its frame acks all before it, and under one key it
   *  may be the same again. The program's own words are each by themselves. And only while the session is seated: acked and not told, it would
   *  have no outcome ever. */
  #refuseOld(now: Instant): void {
    const first = this.#oldest();
    if (first === undefined || now.monoMs < first.sinceMs + WAIT_MAX_MS) return;
    const held = new Set<string>();
    const hold = ({ sender }: Unit) => sender !== '*' && held.add(sender);
    for (const unit of this.#flight?.units ?? []) hold(unit);
    const old: Unit[] = [];
    this.#waiting = this.#waiting.filter((unit) => {
      if (unit.kind === 'call') return true;
      const isOld = unit.said === undefined && now.monoMs >= unit.sinceMs + WAIT_MAX_MS;
      const canBeTold = unit.by === undefined || unit.by.place !== undefined;
      if (isOld && canBeTold && !held.has(unit.sender)) {
        old.push(unit);
        return false;
      }
      hold(unit);
      return true;
    });
    this.#ports.count('publishes_refused', old.length);
    for (const unit of old) {
      if (unit.kind === 'publish') this.#unseen--;
      this.#let(unit);
      this.#ports.refused(unit);
      unit.done?.({ kind: 'refused' });
    }
    this.#tellIdle();
  }

  /** Makes the calls that have waited for publishes which are refused by now, or have waited for too long. */
  #makeCalls(now: Instant): void {
    for (let at = 0; at < this.#waiting.length; ) {
      const one = this.#waiting[at];
      if (one === undefined || (isUnseen(one) && now.monoMs < one.sinceMs + WAIT_MAX_MS)) return;
      if (one.kind === 'call') this.#run(one, at);
      else at++;
    }
  }

  /** What a call says takes its place in the queue, as far as the node's rooms may hold more. */
  #run(call: Call, at: number): void {
    this.#calls--;
    this.#waiting.splice(at, 1);
    const { budget } = this.#ports;
    const units = call.run().filter(({ bytes }) => {
      if (this.#isClosed || budget.bytes + bytes > budget.bytesMax) return false;
      budget.bytes += bytes;
      return true;
    });
    this.#waiting.splice(at, 0, ...units);
  }

  #changedState(): string | undefined {
    const state = this.#ports.state();
    if (state === undefined || state === this.#stateWritten) return undefined;
    const isSoon = this.#ports.now().monoMs - this.#stateAtMs < LARGE_STATE_EVERY_MS;
    return state.length > SMALL_STATE_CHARS && isSoon ? undefined : state;
  }

  /** Takes what the next batch holds. The program sees the publishes among it now, so all that it says to them is in there too. */
  #takeBatch(): Unit[] {
    let bytes = 0;
    let items = 0;
    let taken = 0;
    for (;;) {
      const next = this.#waiting[taken];
      if (next === undefined) break;
      if (next.kind === 'call') {
        this.#run(next, taken);
      } else {
        const count = next.said?.length ?? next.count;
        if (taken > 0 && (items + count > BATCH_ITEMS_MAX || bytes + next.bytes > BATCH_BYTES_MAX)) break;
        if (next.said === undefined) this.#make(next);
        items += next.said?.length ?? 0;
        bytes += next.bytes;
        taken++;
      }
      if (this.#isClosed) return [];
    }
    return this.#waiting.splice(0, taken) as Unit[];
  }

  #make(unit: Unit): void {
    const said = unit.make();
    if (this.#isClosed) return;
    unit.said = said;
    if (unit.kind === 'publish') this.#unseen--;
    const bytes = bytesOf(said.map(({ item }) => item));
    this.#ports.budget.bytes += bytes - unit.bytes;
    unit.bytes = bytes;
  }

  /** Whoever has something on its way is forgotten after that: should it have to be sent again, its mark tells what was logged. */
  #takeForgotten(units: readonly Unit[]): string[] {
    // Behind a long queue it can wait: whose something is in there is not worth looking for.
    if (this.#forget.size === 0 || this.#waiting.length > BATCH_ITEMS_MAX) return [];
    const busy = new Set([...units, ...this.#waiting].map((one) => (one.kind === 'call' ? '*' : one.sender)));
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
          this.#ports.count('appends_fenced');
          return this.#ports.fenced(result.record);
        case 'rolled-back':
        case 'late':
          this.#ports.count('appends_rolled_back');
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
    this.#hasForgotten ||= evicted > 0;
    observe('append_ms', now().monoMs - flight.sinceMs);
    observe('append_items', outcomes.length);
    let index = 0;
    for (const unit of flight.units) {
      this.#let(unit);
      let own: AppendOutcome = { kind: 'unknown' };
      for (const said of unit.said ?? []) {
        own = outcomes[index++] ?? { kind: 'unknown' };
        if (own.kind === 'duplicate') count('duplicates');
        this.#ports.settled(said, own, at);
      }
      unit.done?.(own);
    }
    if (this.#sent().length === 0) this.#caught.clear();
    this.flush();
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (!this.isIdle || this.#idle === undefined) return;
    const done = this.#idle;
    this.#idle = undefined;
    done();
  }

  #let({ bytes, by, seat }: Unit): void {
    this.#ports.budget.bytes -= bytes;
    if (by !== undefined && by.seat === seat) by.waiting = Math.max(0, by.waiting - 1);
  }
}

/** A publish that the program has not seen. */
function isUnseen(one: Unit | Call): one is Unit {
  return one.kind === 'publish' && one.said === undefined;
}
