/** The operations on a room's owner record, in memory. Owns: the same decisions, in the same order, as the scripts of the same
 *  names. Does not know: connections; time is an argument. */
import { type RoomRecord, sameTriple, type Triple, tagOf } from '../directory.ts';
import { type ExecuteContext, type Executors, unexpired } from './state.ts';

const TAGS_MAX = 16;

export const roomExecutors: Pick<Executors, 'readRoom' | 'claim' | 'release' | 'transfer'> = {
  readRoom({ room }, { state, nowMs }) {
    const stored = unexpired(state.rooms, room, nowMs);
    return stored === undefined ? { kind: 'missing' } : { kind: 'record', record: copy(stored.record) };
  },

  claim({ room, seen, node, incarnation, nonce, floor, numbering, runId }, context) {
    const { state, nowMs, runId: run } = context;
    if (runId !== run) return { kind: 'other-run', runId: run };
    const stored = unexpired(state.rooms, room, nowMs)?.record;
    const isAsSeen =
      stored === undefined || seen === undefined
        ? stored === undefined && seen === undefined
        : stored.owner?.incarnation === seen.incarnation && stored.epoch === seen.epoch && stored.nonce === seen.nonce;
    if (!isAsSeen) return { kind: 'changed', record: stored && copy(stored) };
    const goesOn = numbering.kind === 'continue';
    const head = goesOn ? Math.max(stored?.head ?? 0, numbering.head ?? 0) : 0;
    const tags = goesOn ? (stored?.tags ?? []) : [];
    const above = Math.max(stored?.epoch ?? 0, floor);
    const record = writeOwner(room, { node, incarnation, nonce }, above, head, tags, context);
    return { kind: 'owned', record };
  },

  release({ room, triple, head, expireMs }, { state, nowMs }) {
    const stored = unexpired(state.rooms, room, nowMs);
    if (stored === undefined) return { kind: 'changed', record: undefined };
    const { record } = stored;
    if (!holds(record, triple)) return { kind: 'changed', record: copy(record) };
    stored.record = { ...record, owner: undefined, head: Math.max(record.head, head) };
    stored.expireAtMs = nowMs + expireMs;
    return { kind: 'released' };
  },

  transfer({ room, triple, to, head }, context) {
    const stored = unexpired(context.state.rooms, room, context.nowMs);
    if (stored === undefined) return { kind: 'changed', record: undefined };
    const { record } = stored;
    if (!holds(record, triple)) return { kind: 'changed', record: copy(record) };
    const next = writeOwner(room, to, record.epoch, Math.max(record.head, head), record.tags, context);
    return { kind: 'moved', record: next };
  },
};

function holds(record: RoomRecord, triple: Triple): boolean {
  return record.owner !== undefined && sameTriple({ ...record, incarnation: record.owner.incarnation }, triple);
}

/** @see lua/lib/room-record.lua */
function writeOwner(
  room: string,
  { node, incarnation, nonce }: { readonly node: string; readonly incarnation: string; readonly nonce: string },
  above: number,
  head: number,
  tags: RoomRecord['tags'],
  { state, nowMs }: ExecuteContext,
): RoomRecord {
  const epoch = Math.max(above + 1, Math.floor(nowMs));
  const all = [...tags, { tag: tagOf({ epoch, nonce }), firstSeq: head + 1 }];
  const record = { owner: { node, incarnation }, epoch, nonce, head, tags: all.slice(-TAGS_MAX) };
  state.rooms.set(room, { record, expireAtMs: undefined });
  return copy(record);
}

/** A caller's own copy. */
function copy(record: RoomRecord): RoomRecord {
  const tags = record.tags.map((entry) => ({ ...entry }));
  return { ...record, owner: record.owner && { ...record.owner }, tags };
}
