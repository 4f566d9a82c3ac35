/** The operations on a room's owner record, in memory. Owns: the same decisions, in the same order, as the scripts of the same
 *  names. Does not know: connections; time is an argument. */
import {
  type Args,
  type LogEntry,
  type RoomRecord,
  type SenderMark,
  sameTriple,
  type Triple,
  tagOf,
} from '../directory.ts';
import { openingOf } from './entries.ts';
import { type ExecuteContext, type Executors, emptyLog, type StoredLog, type StoredRoom, unexpired } from './state.ts';

const TAGS_MAX = 16;

type Restore = NonNullable<Args<'claim'>['restore']>;

export const roomExecutors: Pick<Executors, 'readRoom' | 'claim' | 'release' | 'transfer'> = {
  readRoom({ room }, { state, nowMs }) {
    const stored = unexpired(state.rooms, room, nowMs);
    return stored === undefined ? { kind: 'missing' } : { kind: 'record', record: copyRecord(stored.record) };
  },

  claim({ room, seen, node, incarnation, nonce, floor, numbering, restore, open, runId }, context) {
    const { state, nowMs, runId: run } = context;
    if (runId !== run) return { kind: 'other-run', runId: run };
    const stored = unexpired(state.rooms, room, nowMs);
    const record = stored?.record;
    const isAsSeen =
      record === undefined || seen === undefined
        ? record === undefined && seen === undefined
        : record.owner?.incarnation === seen.incarnation && record.epoch === seen.epoch && record.nonce === seen.nonce;
    if (!isAsSeen) return { kind: 'changed', record: record && copyRecord(record) };
    const goesOn = numbering.kind === 'continue';
    const claimed = numbering.kind === 'continue' ? (numbering.head ?? 0) : 0;
    const afresh = restore?.afresh === true;
    const head = goesOn ? Math.max(afresh ? 0 : (record?.head ?? 0), claimed) : 0;
    const tags = goesOn ? restoredTags(record?.tags ?? [], restore) : [];
    const log = (goesOn ? stored?.log : undefined) ?? emptyLog();
    if (restore !== undefined) restoreLog(log, restore, head);
    dropUnlessAt(log, head);
    const above = Math.max(record?.epoch ?? 0, floor);
    const owned = writeOwner(room, { node, incarnation, nonce }, above, head, tags, log, context);
    if (open === undefined) return { kind: 'owned', record: owned };
    return { kind: 'owned', record: owned, opening: openingOf({ record: owned, log }, open.last, open.bytesMax) };
  },

  release({ room, triple, head, expireMs, isLogged }, { state, nowMs }) {
    const stored = unexpired(state.rooms, room, nowMs);
    if (stored === undefined) return { kind: 'changed', record: undefined };
    if (!holds(stored.record, triple)) return { kind: 'changed', record: copyRecord(stored.record) };
    if (isLogged && stored.record.head < head) return { kind: 'rolled-back', head: stored.record.head };
    stored.record = { ...stored.record, owner: undefined, head: raiseHead(stored, head) };
    stored.expireAtMs = nowMs + expireMs;
    return { kind: 'released' };
  },

  transfer({ room, triple, to, head, isLogged }, context) {
    const stored = unexpired(context.state.rooms, room, context.nowMs);
    if (stored === undefined) return { kind: 'changed', record: undefined };
    const { record, log } = stored;
    if (!holds(record, triple)) return { kind: 'changed', record: copyRecord(record) };
    const end = log.entries.at(-1)?.seq ?? record.head;
    if (isLogged && record.head !== head) return { kind: 'rolled-back', head: record.head };
    if (isLogged && end !== head) return { kind: 'rolled-back', head: end };
    const next = writeOwner(room, to, record.epoch, raiseHead(stored, head), record.tags, log, context);
    return { kind: 'moved', record: next };
  },
};

export function holds(record: RoomRecord, triple: Triple): boolean {
  return record.owner !== undefined && sameTriple({ ...record, incarnation: record.owner.incarnation }, triple);
}

/** @returns the head, never lower than it was. A log that no longer ends there is dropped. */
function raiseHead({ record, log }: StoredRoom, head: number): number {
  const raised = Math.max(record.head, head);
  dropUnlessAt(log, raised);
  return raised;
}

/** Drops a log that ends elsewhere than at `head`: what is there is contiguous up to the head, or nothing is. */
function dropUnlessAt(log: StoredLog, head: number): void {
  if (log.entries.at(-1)?.seq !== head) log.entries = [];
}

function restoreLog(log: StoredLog, { afresh, entries, senders }: Restore, head: number): void {
  const end = log.entries.at(-1)?.seq;
  const first = entries[0]?.seq;
  if (afresh || (first !== undefined && (end === undefined || end + 1 < first))) log.entries = [];
  const from = log.entries.at(-1)?.seq ?? 0;
  for (const entry of entries) if (entry.seq > from) log.entries.push({ ...entry });
  if (afresh) log.senders.clear();
  for (const [sender, mark] of Object.entries(senders)) {
    log.senders.set(sender, { mark: merged(log.senders.get(sender)?.mark, mark), usedAt: head });
  }
}

/** The later frame and the higher id of two marks of one sender. */
export function merged(mark: SenderMark | undefined, next: SenderMark): SenderMark {
  if (mark === undefined) return { ...next };
  const isLater = next.seat > mark.seat || (next.seat === mark.seat && next.cseq > mark.cseq);
  const frame = isLater ? next : mark;
  const said = next.id > mark.id ? next : mark;
  return { seat: frame.seat, cseq: frame.cseq, id: said.id, seq: said.seq };
}

/** The stored tags and those of the entries put back, each with the first seq known of it. Afresh, none that no entry bears. */
function restoredTags(stored: RoomRecord['tags'], restore: Restore | undefined): RoomRecord['tags'] {
  if (restore === undefined) return stored;
  const given = new Map<string, LogEntry>();
  for (const entry of restore.entries) if (!given.has(entry.tag)) given.set(entry.tag, entry);
  const tags = restore.afresh ? stored.filter(({ tag }) => given.has(tag)) : [...stored];
  for (const { tag } of tags) given.delete(tag);
  return [...tags, ...[...given].map(([tag, { seq }]) => ({ tag, firstSeq: seq }))];
}

/** @see lua/lib/room-record.lua */
function writeOwner(
  room: string,
  { node, incarnation, nonce }: { readonly node: string; readonly incarnation: string; readonly nonce: string },
  above: number,
  head: number,
  tags: RoomRecord['tags'],
  log: StoredLog,
  { state, nowMs }: ExecuteContext,
): RoomRecord {
  const epoch = Math.max(above + 1, Math.floor(nowMs));
  const all = [...tags, { tag: tagOf({ epoch, nonce }), firstSeq: head + 1 }];
  const record = { owner: { node, incarnation }, epoch, nonce, head, tags: all.slice(-TAGS_MAX) };
  state.rooms.set(room, { record, expireAtMs: undefined, lastBatch: undefined, log });
  return copyRecord(record);
}

/** A caller's own copy. */
export function copyRecord(record: RoomRecord): RoomRecord {
  const tags = record.tags.map((entry) => ({ ...entry }));
  return { ...record, owner: record.owner && { ...record.owner }, tags };
}
