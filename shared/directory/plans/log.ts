/** How the operations on a durable room's log travel to Redis. Owns: the order of KEYS and ARGV of each script, and the text form of
 *  items and outcomes. Does not know: connections. */
import type { AppendItem, AppendOutcome, Reply } from '../directory.ts';
import { list, number, type Plans, scriptRequest, unknownReply } from '../plan.ts';
import { parseEntries, parseOpening, saidText } from './entries.ts';
import { parseRecord } from './rooms.ts';

export const logPlans: Pick<Plans, 'append' | 'readLog' | 'openLog'> = {
  append: {
    connection: 'log',
    request({ room, triple, batch, head, items, keep, forget, sendersMax, snapshot }, { keys }) {
      const { owner, log, senders, order, state } = keys.room(room);
      let kinds = '';
      for (const item of items) kinds += kindOf(item);
      const argv = [
        triple.incarnation,
        String(triple.epoch),
        triple.nonce,
        String(batch),
        String(head),
        String(keep.entries),
        String(keep.ms),
        String(sendersMax),
        snapshot === undefined ? '' : ` ${snapshot}`,
        kinds,
      ];
      for (const item of items) {
        const { sender, seat, cseq, id } = item;
        argv.push(sender, String(seat), String(cseq), String(id), saidBy(item));
      }
      argv.push(...forget);
      return scriptRequest('append', [owner, log, senders, order, state], argv, { confirmed: true });
    },
    parse(raw) {
      if (typeof raw === 'string') return parseAppended(raw);
      const [kind, a] = list(raw);
      switch (kind) {
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

function kindOf({ isResumed, message }: AppendItem): number {
  return (message === undefined ? 0 : 1) + (isResumed ? 2 : 0);
}

/** A message's id is its session's: that of a key, or of a program, only tells a repetition. */
function saidBy({ id, message }: AppendItem): string {
  return message === undefined ? '' : saidText(message, message.session === undefined ? 0 : id);
}

/** `batch entries head at evicted outcomes`. */
function parseAppended(raw: string): Reply<'append'> {
  const [, , head, at, evicted, ...words] = raw.split(' ');
  const [first = ''] = words;
  return {
    kind: 'appended',
    head: number(head),
    at: number(at),
    evicted: number(evicted),
    outcomes: first.startsWith('+') ? allLogged(first) : words.map(parseOutcome),
  };
}

/** `+<head before>:<kinds>`: each message was logged as the next number. */
function allLogged(word: string): AppendOutcome[] {
  const colon = word.indexOf(':');
  let seq = number(word.slice(1, colon));
  return Array.from(word.slice(colon + 1), (kind) => {
    if (Number(kind) % 2 === 1) seq++;
    return { kind: 'logged', seq };
  });
}

function parseOutcome(word: string): AppendOutcome {
  if (word === 'u') return { kind: 'unknown' };
  const seq = number(word.slice(1));
  if (word.startsWith('l')) return { kind: 'logged', seq };
  return word.startsWith('d') ? { kind: 'duplicate', seq } : unknownReply(word);
}
