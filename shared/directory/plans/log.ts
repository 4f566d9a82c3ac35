/** How the operations on a durable room's log travel to Redis. Owns: the order of KEYS and ARGV of each script, and the text form of
 *  items and outcomes. Does not know: connections. */
import type { AppendItem, AppendOutcome } from '../directory.ts';
import { list, number, type Plans, scriptRequest, text, unknownReply } from '../plan.ts';
import { parseEntries, parseOpening } from './entries.ts';
import { parseRecord } from './rooms.ts';

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
    parse: parseOpening,
  },
};

function itemArgs({ sender, seat, cseq, id, isResumed, message }: AppendItem): string[] {
  const kind = (message === undefined ? 0 : 1) + (isResumed ? 2 : 0);
  const said = message === undefined ? ['', '', ''] : [message.from ?? '', message.session ?? '', message.data];
  return [sender, String(seat), String(cseq), String(id), String(kind), ...said];
}

function parseOutcome(word: string): AppendOutcome {
  if (word === 'u') return { kind: 'unknown' };
  const seq = number(word.slice(1));
  if (word.startsWith('l')) return { kind: 'logged', seq };
  return word.startsWith('d') ? { kind: 'duplicate', seq } : unknownReply(word);
}

function words(raw: unknown): string[] {
  const value = text(raw);
  return value === '' ? [] : value.split(' ');
}
