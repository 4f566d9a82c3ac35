/** How the operations on a durable room's log travel to Redis. Owns: the order of KEYS and ARGV of each script, and the text form of
 *  entries, marks and outcomes. Does not know: connections. */
import type { AppendItem, AppendOutcome, LogEntry, SenderMark, Snapshot } from '../directory.ts';
import { list, number, optional, type Plans, pairs, scriptRequest, text, unknownReply } from '../plan.ts';
import { parseRecord } from './rooms.ts';

/** Parts of an entry, as scripts give it: seq, tag, session, id, user, at, data. */
const ENTRY_PARTS = 7;

export const logPlans: Pick<Plans, 'append' | 'readLog' | 'openLog'> = {
  append: {
    connection: 'log',
    request({ room, triple, batch, head, items, keep, forget, sendersMax, snapshot }, { keys }) {
      const { owner, log, senders, order, state } = keys.room(room);
      return scriptRequest(
        'append',
        [owner, log, senders, order, state],
        [
          triple.incarnation,
          String(triple.epoch),
          triple.nonce,
          String(batch),
          String(head),
          String(keep.entries),
          String(keep.ms),
          String(sendersMax),
          snapshot === undefined ? '0' : '1',
          snapshot ?? '',
          String(items.length),
          ...items.flatMap(itemArgs),
          ...forget,
        ],
        { confirmed: true },
      );
    },
    parse(raw) {
      const [kind, a, at, evicted, outcomes] = list(raw);
      switch (kind) {
        case 'appended':
          return {
            kind,
            head: number(a),
            at: number(at),
            evicted: number(evicted),
            outcomes: words(outcomes).map(parseOutcome),
          };
        case 'fenced':
          return { kind, record: a === undefined ? undefined : parseRecord(a) };
        case 'rolled-back':
          return { kind, head: number(a) };
        case 'late':
          return { kind };
        default:
          return unknownReply(kind);
      }
    },
  },
  readLog: {
    connection: 'log',
    request({ room, after, limit, bytesMax }, { keys }) {
      const { owner, log } = keys.room(room);
      return scriptRequest('read-log', [owner, log], [String(after), String(limit), String(bytesMax)]);
    },
    parse(raw) {
      const [kind, record, first, entries] = list(raw);
      if (kind === 'missing') return { kind };
      if (kind !== 'log') return unknownReply(kind);
      return { kind, record: parseRecord(record), first: number(first), entries: parseEntries(entries) };
    },
  },
  openLog: {
    connection: 'log',
    request({ room, last, bytesMax }, { keys }) {
      const { owner, log, senders, state } = keys.room(room);
      return scriptRequest('open-log', [owner, log, senders, state], [String(last), String(bytesMax)]);
    },
    parse(raw) {
      const [first, entries, senders, snapshot] = list(raw);
      return {
        first: number(first),
        entries: parseEntries(entries),
        senders: Object.fromEntries(pairs(senders).map(([sender, mark]) => [sender, parseMark(mark)])),
        snapshot: parseSnapshot(optional(snapshot)),
      };
    },
  },
};

function itemArgs({ sender, seat, cseq, id, isResumed, message }: AppendItem): string[] {
  const kind = (message === undefined ? 0 : 1) + (isResumed ? 2 : 0);
  const said = message === undefined ? ['', '', ''] : [message.from ?? '', message.session ?? '', message.data];
  return [sender, String(seat), String(cseq), String(id), String(kind), ...said];
}

function parseEntries(raw: unknown): LogEntry[] {
  const flat = list(raw);
  const entries: LogEntry[] = [];
  for (let i = 0; i + ENTRY_PARTS <= flat.length; i += ENTRY_PARTS) {
    const [seq, tag, session, id, user, at, data] = flat.slice(i, i + ENTRY_PARTS);
    const said = optional(id);
    entries.push({
      seq: number(seq),
      tag: text(tag),
      from: optional(user) ?? null,
      session: optional(session),
      id: said === undefined ? undefined : number(said),
      at: number(at),
      data: text(data),
    });
  }
  return entries;
}

function parseOutcome(word: string): AppendOutcome {
  if (word === 'u') return { kind: 'unknown' };
  const seq = number(word.slice(1));
  if (word.startsWith('l')) return { kind: 'logged', seq };
  return word.startsWith('d') ? { kind: 'duplicate', seq } : unknownReply(word);
}

function parseMark(mark: string): SenderMark {
  const [seat, cseq, id, seq] = mark.split(' ');
  return { seat: number(seat), cseq: number(cseq), id: number(id), seq: number(seq) };
}

function parseSnapshot(raw: string | undefined): Snapshot | undefined {
  if (raw === undefined) return undefined;
  const [, epoch, seq, state] = /^(\d+) (\d+) (.*)$/s.exec(raw) ?? [];
  return { epoch: number(epoch), seq: number(seq), state: text(state) };
}

function words(raw: unknown): string[] {
  const value = text(raw);
  return value === '' ? [] : value.split(' ');
}
