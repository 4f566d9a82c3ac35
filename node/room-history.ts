/** What a durable room's owner knows beside its last messages: what the log holds further back, and which senders it remembers.
 *  Owns: the answer to "may this cursor go on" where memory does not reach, what a claim puts back of a log that Redis lost, and the
 *  marks of senders that have not come back; a handover carries those on. Does not know: links, programs, how a log is read.
 *  In a relay room there is no log, and every answer is memory's own.
 *  @see DESIGN §4 History changes, §6 */
import {
  type Args,
  FORGOTTEN,
  FORGOTTEN_MARK,
  type LogEntry,
  type Reply,
  type RoomRecord,
  type SenderMark,
} from '../shared/directory/directory.ts';
import type { Cursor, Open, OpenSession } from '../shared/link/messages.ts';
import type { Recent, RecentEntry, Standing } from './recent.ts';
import { endAt, logEntryOf, recentOf } from './room-entries.ts';
import { isKeySender, keyOf, type RoomKeys } from './room-keys.ts';
import type { RoomLog } from './room-log.ts';
import type { RoomState } from './room-state.ts';
import { markAfter } from './room-unit.ts';
import { type RoomSession, type Roster, UNTOLD } from './roster.ts';

/** More messages than this are not replayed to one reader: what a router keeps for a client that is being seated is bounded. */
const REPLAYED_MAX = 900;
/** Who asks for the last messages gets no more of them than this, however many: one small request costs the room's links as much. */
const ASKED_BYTES_MAX = 131_072;

export class RoomHistory {
  readonly #recent: Recent;
  readonly #roster: Roster;
  readonly #log: RoomLog | undefined;
  readonly #keys: RoomKeys;
  /** Of sessions that the log knows and that have not come back yet, and when they cannot any more; infinite where no log was taken over. */
  readonly #marks = new Map<string, SenderMark>();
  /** Whether the log is known to have nothing that memory has not and has room for, or nothing that memory may take. */
  #isFilled = false;
  #marksUntilMs = Number.POSITIVE_INFINITY;

  constructor(recent: Recent, roster: Roster, log: RoomLog | undefined, keys: RoomKeys) {
    this.#recent = recent;
    this.#roster = roster;
    this.#log = log;
    this.#keys = keys;
  }

  /** What a handover carries. */
  carry(nowMs: number): Pick<RoomState, 'marks' | 'marksMs' | 'keys'> {
    const keys = [...this.#keys.entries()];
    const isLogged = this.#marksUntilMs !== Number.POSITIVE_INFINITY;
    const marks = new Map(this.#marks);
    if (!this.#knowsAll) marks.set(FORGOTTEN, FORGOTTEN_MARK);
    return {
      ...(isLogged ? { marks: [...marks], marksMs: this.#marksUntilMs - nowMs } : {}),
      ...(keys.length === 0 ? {} : { keys }),
    };
  }

  /** Takes over what a handover carried. */
  restore({ marks = [], marksMs, keys = [] }: RoomState, nowMs: number): void {
    for (const [sender, mark] of marks) this.#marks.set(sender, mark);
    if (marksMs !== undefined) this.#marksUntilMs = nowMs + marksMs;
    this.#keys.restore(keys);
  }

  /** Takes over what the log of a room that was just claimed holds. @param marksUntilMs  when who has not come back cannot any more */
  adopt(record: RoomRecord, { first, entries, senders }: Reply<'openLog'>, marksUntilMs: number): void {
    // A log that does not end where the record says is none that a cursor could stand in.
    if (endAt(entries, record.head)) {
      this.#recent.restore(record.head, record.tags.slice(0, -1), entries.map(recentOf));
      this.#isFilled = first >= this.#recent.oldest;
    } else {
      this.#recent.startAt(record.head, []);
    }
    const keys: [string, number][] = [];
    for (const [sender, mark] of Object.entries(senders)) {
      if (isKeySender(sender)) keys.push([keyOf(sender), mark.seq]);
      else if (sender !== '*') this.#marks.set(sender, mark);
    }
    this.#keys.restore(keys);
    this.#marksUntilMs = marksUntilMs;
  }

  /** Entries that were logged here though no answer came, up to `head`; of some it may have come while they were read. What is not all
   *  of them voids the memory. */
  catchUp(head: number, entries: readonly LogEntry[]): void {
    const missed = entries.filter(({ seq }) => seq > this.#recent.head);
    const isAll = missed.length === head - this.#recent.head && endAt(missed, head);
    if (!isAll) {
      this.#recent.startAt(head, []);
      // It knows no tag of what came before: filled with that, it would count for another history, and put itself in the log's place.
      this.#isFilled = true;
      return;
    }
    for (const entry of missed) this.#recent.push(recentOf(entry));
    this.#log?.caughtUp(missed);
  }

  /** What of the log memory has room for and does not know; undefined where it is not known that there is any. */
  get unread(): { readonly after: number; readonly limit: number } | undefined {
    const { oldest, free } = this.#recent;
    if (this.#log === undefined || this.#isFilled || free === 0 || oldest <= 1) return undefined;
    const after = Math.max(0, oldest - 1 - free);
    return { after, limit: oldest - 1 - after };
  }

  /** Takes that into memory. What does not lead to the oldest entry there is of no use. */
  fill(entries: readonly LogEntry[]): void {
    this.#isFilled = true;
    const { oldest } = this.#recent;
    this.#recent.putBefore(entries.filter(({ seq }) => seq < oldest).map(recentOf));
  }

  /** What a claim puts back of the log; undefined where the record shows that it is all there, or further than memory. */
  restorable(record: RoomRecord | undefined): Args<'claim'>['restore'] {
    const { head } = this.#recent;
    if (record !== undefined && record.head > head) return undefined;
    const tag = record?.tags.findLast(({ firstSeq }) => firstSeq <= record.head)?.tag;
    const isPrefix = record !== undefined && (record.head === 0 || this.#recent.tagAt(record.head) === tag);
    // A memory that was voided, with nothing said since, knows no better than the log.
    const isVoid = this.#recent.oldest > head;
    if (record?.head === head && (isPrefix || isVoid)) return undefined;
    const after = isPrefix ? record.head : 0;
    const senders: Record<string, SenderMark> = Object.fromEntries([...this.#keys.marks(), ...this.#marks]);
    if (!this.#knowsAll) senders[FORGOTTEN] = FORGOTTEN_MARK;
    for (const { session, mark } of this.#roster.sessions()) if (mark !== undefined) senders[session] = mark;
    for (const [sender, mark] of this.#log?.caughtMarks ?? [])
      senders[sender] = markAfter(senders[sender], mark, mark.seq);
    return {
      afresh: record !== undefined && !isPrefix,
      entries: this.#recent.entries.filter(({ seq }) => seq > after).map(logEntryOf),
      senders,
    };
  }

  /** Where the log is to be read from before an OPEN is answered; undefined where memory has all that is asked for. */
  olderThan(open: Open): number | undefined {
    if (this.#log === undefined) return undefined;
    let from: number | undefined;
    for (const one of open.sessions) {
      const cursor = one.kind === 'rebind' ? open.cursor : one.cursor;
      const standing = cursor === undefined ? undefined : this.#recent.standing(cursor);
      const after = standing?.kind === 'older' ? standing.after : this.#beforeLast(one.history ?? 0);
      if (after !== undefined) from = Math.min(from ?? after, after);
    }
    return from;
  }

  /** Where the last `count` messages begin, where memory has fewer and the log may have them. */
  #beforeLast(count: number): number | undefined {
    const { head, oldest, isCut } = this.#recent;
    if (head - count >= oldest - 1) return undefined;
    if (isCut) return Math.max(0, head - count);
    return this.unread && Math.max(this.unread.after, head - count);
  }

  /** What a reader of this standing is to be sent; one without a cursor gets what was `said` since it came, and before that as many as it
   *  asked for, within their bound. */
  missedBy(
    standing: Exclude<Standing, { kind: 'older' }> | undefined,
    { asked, said }: { readonly asked: number; readonly said: number },
    older: readonly LogEntry[],
  ): readonly RecentEntry[] {
    if (standing !== undefined) return standing.kind === 'resumed' ? standing.missed : [];
    const count = asked + said;
    const last = this.#recent.last(count);
    const before = older.filter(({ seq }) => seq < this.#recent.oldest);
    const isWanted = last.length < count && endAt(before, this.#recent.oldest - 1);
    return lastWithin(isWanted ? [...before.slice(last.length - count).map(recentOf), ...last] : last, said);
  }

  /** Where a reader stands. @param older  what was read of the log for it, without a gap */
  standing(cursor: Cursor, older: readonly LogEntry[]): Exclude<Standing, { kind: 'older' }> {
    const standing = this.#recent.standing(cursor);
    if (standing.kind !== 'older') return standing;
    const { oldest, head, entries } = this.#recent;
    const before = older.filter(({ seq }) => seq > cursor.seq && seq < oldest);
    if (before[0]?.seq !== cursor.seq + 1) return { kind: 'reset', reason: 'trimmed' };
    const isWhole = before.length === oldest - 1 - cursor.seq;
    if (!isWhole || head - cursor.seq > REPLAYED_MAX) return { kind: 'reset', reason: 'too_far' };
    return { kind: 'resumed', missed: [...before.map(recentOf), ...entries] };
  }

  /** Whether who has no mark here has nothing in the log. Not once a log has forgotten a sender: its token outlives its mark. */
  get #knowsAll(): boolean {
    if (this.#marksUntilMs === Number.POSITIVE_INFINITY || this.#marks.has(FORGOTTEN)) return false;
    return this.#log?.hasForgotten !== true;
  }

  /** What the log knows of a session that has not come back. */
  markOf(session: string): SenderMark | undefined {
    return this.#marks.get(session);
  }

  /** A session is here that was not. */
  recall(session: RoomSession, { kind, sent }: Pick<OpenSession, 'kind' | 'sent'>): void {
    const mark = this.#marks.get(session.session);
    if (mark === undefined) {
      const used = sent ?? (kind === 'resume' ? UNTOLD : 0);
      session.unsureTo = this.#log === undefined || this.#knowsAll ? 0 : used;
      return;
    }
    session.mark = mark;
    session.lastId = Math.max(session.lastId, mark.id);
    this.#marks.delete(session.session);
  }

  get dueMs(): number {
    return this.#marksUntilMs;
  }

  tick(nowMs: number): void {
    if (nowMs < this.#marksUntilMs) return;
    for (const sender of this.#marks.keys()) if (sender !== FORGOTTEN) this.#log?.forget(sender);
    this.#marks.clear();
    this.#marksUntilMs = Number.POSITIVE_INFINITY;
  }
}

/** The last of them, in order: `least`, and as many more as there is room for, but one in any case. */
function lastWithin(entries: readonly RecentEntry[], least: number): readonly RecentEntry[] {
  let from = entries.length - least;
  for (let bytes = 0; from > 0; from--) {
    bytes += entries[from - 1]?.frame.length ?? 0;
    if (bytes > ASKED_BYTES_MAX && from < entries.length - least) break;
  }
  return entries.slice(Math.max(0, from));
}
