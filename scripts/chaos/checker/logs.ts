/** The logs of durable rooms against what was said and heard: contiguous, nothing twice, senders in order; what was acked is there at the
 *  acked seq, what was heard is there, what was refused is not. Pure.
 *  What Redis itself lost is forgiven where it was told: every client that had heard it, and its sender, got a `reset` afterwards. It is
 *  counted.
 *  @see DESIGN §4 Invariants 1, 2, 3, 9 */
import type { History, LogEntry } from '../history/events.ts';
import { epochOf, type Find, type MakeRule, placeOf, roomOf } from './rule.ts';

interface Ack {
  readonly client: number;
  readonly session: string;
  readonly id: number;
  readonly seq: number;
  readonly index: number;
}

/** What the logs left open, for the report. */
export interface LogCounts {
  /** Acked, gone with Redis' data, and told as a reset to whoever had heard it. */
  lostAndTold: number;
  /** Acked, below the oldest entry that the log still has. */
  belowLog: number;
}

export function logs(counts: LogCounts): MakeRule {
  return (history, find) => {
    const acks: Ack[] = [];
    const refused: Ack[] = [];
    const sessions = new Map<number, string>();
    /** Where each client was last reset. */
    const resets = new Map<number, number>();
    return {
      see(event, index) {
        if (event.kind === 'welcome') sessions.set(event.client, event.session);
        if (event.kind === 'reset') resets.set(event.client, index);
        if (event.kind !== 'ok' && event.kind !== 'fail') return;
        const { client, id } = event;
        const session = sessions.get(client) ?? '';
        if (event.kind === 'ok') acks.push({ client, session, id, seq: event.seq, index });
        else refused.push({ client, session, id, seq: 0, index });
      },
      end(end) {
        if (history.roomClass === 'relay') return;
        const indices = new Map([...end.logs].map(([room, entries]) => [room, indexOf(room, entries, find)]));
        for (const room of new Set(history.clients.map((client) => client.room)))
          if (!indices.has(room)) find({ rule: 'log-readable', room, place: 'end', text: 'the log could not be read' });
        const untold = heardAndGone(history, indices, find);
        for (const { client, session, id, seq, index } of acks) {
          const room = roomOf(history, client);
          const log = indices.get(room);
          if (log === undefined) continue;
          const there = log.bySender.get(`${session} ${id}`);
          if (there === seq) continue;
          const at = { rule: 'acked-in-log', room, place: placeOf(history, client, index) } as const;
          if (there !== undefined) find({ ...at, text: `id ${id} was acked at ${seq} and is at ${there}` });
          else if (seq < log.firstSeq) counts.belowLog++;
          else if (untold.has(`${room} ${session} ${id}`) || (resets.get(client) ?? -1) < index)
            find({ ...at, text: `id ${id} was acked at ${seq} and is not in the log` });
          else counts.lostAndTold++;
        }
        for (const { client, session, id, index } of refused) {
          const room = roomOf(history, client);
          const there = indices.get(room)?.bySender.get(`${session} ${id}`);
          if (there !== undefined)
            find({
              rule: 'refused-is-unsaid',
              room,
              place: placeOf(history, client, index),
              text: `id ${id} was refused and is in the log at ${there}`,
            });
        }
      },
    };
  };
}

interface LogIndex {
  readonly firstSeq: number;
  /** `session id` → seq. */
  readonly bySender: ReadonlyMap<string, number>;
  readonly bySeq: ReadonlyMap<number, LogEntry>;
}

/** Checks a log by itself. */
function indexOf(room: string, entries: readonly LogEntry[], find: Find): LogIndex {
  const bySender = new Map<string, number>();
  const bySeq = new Map<number, LogEntry>();
  const lastIds = new Map<string, number>();
  let before: LogEntry | undefined;
  for (const entry of entries) {
    const { seq, tag, session, id } = entry;
    const at = { room, place: `log seq ${seq}` };
    if (before !== undefined && seq !== before.seq + 1)
      find({ rule: 'log-sequence', ...at, text: `it follows ${before.seq}` });
    if (before !== undefined && epochOf(tag) < epochOf(before.tag))
      find({ rule: 'log-sequence', ...at, text: `tag ${tag} after ${before.tag}` });
    before = entry;
    bySeq.set(seq, entry);
    if (session === null || id === undefined) continue;
    const key = `${session} ${id}`;
    const twin = bySender.get(key);
    if (twin !== undefined) find({ rule: 'log-repeat', ...at, text: `id ${id} of ${session} is at ${twin} as well` });
    const last = lastIds.get(session) ?? 0;
    if (twin === undefined && id < last)
      find({ rule: 'log-order', ...at, text: `id ${id} of ${session} after ${last}` });
    lastIds.set(session, Math.max(last, id));
    bySender.set(key, seq);
  }
  return { firstSeq: entries[0]?.seq ?? 1, bySender, bySeq };
}

/** What clients heard and the log has not, without a later reset to the client that heard it. @returns `room session id` of each */
function heardAndGone(history: History, indices: ReadonlyMap<string, LogIndex>, find: Find): ReadonlySet<string> {
  interface Gone {
    readonly key: string;
    readonly text: string;
    readonly index: number;
  }
  const gone = new Map<number, Gone[]>();
  let index = -1;
  for (const event of history.events) {
    index++;
    if (event.kind === 'reset') gone.delete(event.client);
    if (event.kind !== 'deliver') continue;
    const room = roomOf(history, event.client);
    const log = indices.get(room);
    if (log === undefined || event.seq < log.firstSeq) continue;
    const entry = log.bySeq.get(event.seq);
    const isSame =
      entry !== undefined &&
      entry.tag === event.tag &&
      (entry.session ?? '') === event.session &&
      (entry.id ?? 0) === event.id;
    if (isSame) continue;
    const found = entry === undefined ? 'nothing' : `${entry.tag} "${entry.session ?? ''} ${entry.id ?? 0}"`;
    const list = gone.get(event.client) ?? [];
    list.push({
      key: `${room} ${event.session} ${event.id}`,
      text: `heard at ${event.seq}: ${event.tag} "${event.session} ${event.id}"; the log has ${found}`,
      index,
    });
    gone.set(event.client, list);
  }
  const keys = new Set<string>();
  for (const [client, list] of gone)
    for (const { key, text, index: at } of list) {
      keys.add(key);
      find({ rule: 'heard-in-log', room: roomOf(history, client), place: placeOf(history, client, at), text });
    }
  return keys;
}
