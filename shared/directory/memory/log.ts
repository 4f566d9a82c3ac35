/** The operations on a durable room's log, in memory. Owns: the same decisions, in the same order, as the scripts of the same names.
 *  Does not know: connections; time is an argument.
 *  Invariant: a log is contiguous and ends at the room's head, or it is empty. */
import {
  type AppendItem,
  type AppendOutcome,
  type Args,
  FORGOTTEN,
  FORGOTTEN_MARK,
  type Reply,
  type SenderMark,
  tagOf,
} from '../directory.ts';
import { firstOf, openingOf, within } from './entries.ts';
import { copyRecord, holds, merged } from './rooms.ts';
import { type Executors, type StoredLog, type StoredRoom, unexpired } from './state.ts';

/** Entries are trimmed once there is this part more than are to be kept. */
const SLACK = 1 / 16;
/** Entries are trimmed by age with every batch whose number this divides. */
const AGE_EVERY = 64;

export const logExecutors: Pick<Executors, 'append' | 'readLog' | 'openLog'> = {
  append(args, { state, nowMs }) {
    const { room, triple, batch, head } = args;
    const stored = unexpired(state.rooms, room, nowMs);
    if (stored === undefined) return { kind: 'fenced', record: undefined };
    const { record, log } = stored;
    if (!holds(record, triple)) return { kind: 'fenced', record: copyRecord(record) };
    if (stored.lastBatch !== undefined && batch <= stored.lastBatch.number) {
      return batch === stored.lastBatch.number ? structuredClone(stored.lastBatch.reply) : { kind: 'late' };
    }
    if (head !== record.head) return { kind: 'rolled-back', head: record.head };
    const end = log.entries.at(-1)?.seq ?? head;
    if (end !== head) return { kind: 'rolled-back', head: end };
    const reply = appendTo(stored, args, Math.floor(nowMs));
    stored.lastBatch = { number: batch, reply: structuredClone(reply) };
    return reply;
  },

  readLog({ room, after, limit, bytesMax }, { state, nowMs }) {
    const stored = unexpired(state.rooms, room, nowMs);
    if (stored === undefined) return { kind: 'missing' };
    const { record, log } = stored;
    const from = log.entries.findIndex(({ seq }) => seq > after);
    const entries = from < 0 ? [] : within(bytesMax, log.entries.slice(from, from + limit));
    return { kind: 'log', record: copyRecord(record), first: firstOf(stored), entries };
  },

  openLog({ room, last, bytesMax }, { state, nowMs }) {
    const stored = unexpired(state.rooms, room, nowMs);
    if (stored === undefined) return { first: 1, entries: [], senders: {}, snapshot: undefined };
    return openingOf(stored, last, bytesMax);
  },
};

function appendTo(stored: StoredRoom, args: Args<'append'>, at: number): Reply<'append'> & { kind: 'appended' } {
  const { log, record } = stored;
  const { triple, batch, items, keep, forget, sendersMax, snapshot } = args;
  const tag = tagOf(triple);
  let { head } = record;
  const outcomes: AppendOutcome[] = [];
  /** Duplicates whose seq is to be found in the log. */
  const sought: { readonly index: number; readonly sender: string; readonly id: number }[] = [];
  items.forEach((item, index) => {
    const { sender, id, message } = item;
    const mark = log.senders.get(sender)?.mark;
    const outcome = judge(item, mark);
    if (outcome === 'new' && message !== undefined) {
      head++;
      const { from, session, data } = message;
      log.entries.push({
        seq: head,
        tag,
        from,
        session,
        id: id === 0 || session === undefined ? undefined : id,
        at,
        data,
      });
    }
    if (outcome === 'duplicate') {
      const isLast = mark !== undefined && id === mark.id;
      outcomes.push({ kind: 'duplicate', seq: id > 0 && isLast ? mark.seq : 0 });
      if (id > 0 && !isLast) sought.push({ index, sender, id });
    } else {
      outcomes.push(outcome === 'new' ? { kind: 'logged', seq: head } : { kind: 'unknown' });
    }
    const seq = outcome === 'new' && message !== undefined ? head : 0;
    log.senders.set(sender, { mark: outcome === 'duplicate' && mark ? mark : moved(mark, item, seq), usedAt: head });
  });
  const surplus = log.entries.length - keep.entries;
  if (surplus > Math.floor(keep.entries * SLACK)) log.entries.splice(0, surplus);
  if (batch % AGE_EVERY === 0) {
    const young = log.entries.findIndex((entry) => entry.at >= at - keep.ms);
    log.entries.splice(0, young < 0 ? log.entries.length : young);
  }
  for (const { index, sender, id } of sought) {
    const found = log.entries.findLast((entry) => entry.session === sender && entry.id === id);
    if (found !== undefined) outcomes[index] = { kind: 'duplicate', seq: found.seq };
  }
  for (const sender of forget) log.senders.delete(sender);
  const evicted = evict(log, sendersMax);
  if (evicted > 0 || forget.length > 0) log.senders.set(FORGOTTEN, { mark: FORGOTTEN_MARK, usedAt: head });
  stored.record = { ...record, head };
  if (snapshot !== undefined) log.snapshot = { epoch: triple.epoch, seq: head, state: snapshot };
  return { kind: 'appended', head, at, outcomes, evicted };
}

/** Whether an item is new, by its sender's mark. */
function judge({ seat, cseq, id, isResumed }: AppendItem, mark: SenderMark | undefined) {
  if (mark === undefined) return isResumed && id > 1 ? 'unknown' : 'new';
  if (id > 0) return id <= mark.id ? 'duplicate' : 'new';
  return seat < mark.seat || (seat === mark.seat && cseq <= mark.cseq) ? 'duplicate' : 'new';
}

/** The mark after an item that was new, at `seq`, or unknown. */
function moved(mark: SenderMark | undefined, { seat, cseq, id }: AppendItem, seq: number): SenderMark {
  return merged(mark, { seat, cseq, id, seq });
}

/** Forgets those that spoke longest ago, beyond `max`, and backends' keys before any others. @returns how many */
function evict({ senders }: StoredLog, max: number): number {
  const surplus = senders.size - Number(senders.has(FORGOTTEN)) - max;
  if (surplus <= 0) return 0;
  const isSession = (sender: string) => Number(!sender.startsWith('k:'));
  const known = [...senders].filter(([sender]) => sender !== FORGOTTEN);
  const oldest = known.sort(
    ([a, { usedAt: usedA }], [b, { usedAt: usedB }]) =>
      isSession(a) - isSession(b) || usedA - usedB || Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  for (const [sender] of oldest.slice(0, surplus)) senders.delete(sender);
  return surplus;
}
