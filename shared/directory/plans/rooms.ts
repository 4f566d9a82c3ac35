/** How the operations on a room's owner record travel to Redis. Owns: the order of KEYS and ARGV of each script, and the text form
 *  of a record. Does not know: connections. */
import type { Args, RoomRecord } from '../directory.ts';
import type { Keys } from '../keys.ts';
import { list, number, optional, type Plans, scriptRequest, text, unknownReply } from '../plan.ts';
import { entryArgs, parseOpening } from './entries.ts';

type Rooms = Pick<Plans, 'readRoom' | 'claim' | 'release' | 'transfer'>;

/** What is kept while a room is owned and expires together once it is released. */
export function keptKeys(keys: Keys, room: string): readonly string[] {
  const { owner, log, senders, order, state } = keys.room(room);
  return [owner, log, senders, order, state];
}

export const roomPlans: Rooms = {
  readRoom: {
    connection: 'control',
    request: ({ room }, { keys }) => scriptRequest('read-room', [keys.room(room).owner], []),
    parse(raw) {
      const [kind, record] = list(raw);
      if (kind === 'missing') return { kind };
      return kind === 'record' ? { kind, record: parseRecord(record) } : unknownReply(kind);
    },
  },
  claim: {
    // It may bring a part of the log, which is not to stand before a heartbeat.
    connection: 'log',
    request({ room, seen, node, incarnation, nonce, floor, numbering, restore, open, runId }, { keys }) {
      const head = numbering.kind === 'continue' && numbering.head !== undefined ? String(numbering.head) : '';
      const compared =
        seen === undefined
          ? ['missing', '', '', '']
          : ['record', seen.incarnation ?? '', String(seen.epoch), seen.nonce];
      return scriptRequest(
        'claim',
        keptKeys(keys, room),
        [
          ...[runId, ...compared, node, incarnation, nonce, String(floor), numbering.kind, head],
          ...(open === undefined ? ['', ''] : [String(open.last), String(open.bytesMax)]),
          ...restoreArgs(restore),
        ],
        // A full Redis takes no new rooms, and no log that is put back: both would go on growing.
        { runIdAt: 0, confirmed: true, evenIfFull: seen !== undefined && restore === undefined },
      );
    },
    parse(raw) {
      const [kind, a, opening] = list(raw);
      if (kind === 'owned') {
        const record = parseRecord(a);
        return opening === undefined ? { kind, record } : { kind, record, opening: parseOpening(opening) };
      }
      if (kind === 'changed') return { kind, record: a === undefined ? undefined : parseRecord(a) };
      if (kind === 'other-run') return { kind, runId: text(a) };
      return unknownReply(kind);
    },
  },
  release: {
    connection: 'control',
    request: ({ room, triple, head, expireMs, isLogged }, { keys }) =>
      scriptRequest('release', keptKeys(keys, room), [
        triple.incarnation,
        String(triple.epoch),
        triple.nonce,
        String(head),
        String(expireMs),
        isLogged ? '1' : '0',
      ]),
    parse(raw) {
      const [kind, a] = list(raw);
      if (kind === 'released') return { kind };
      if (kind === 'rolled-back') return { kind, head: number(a) };
      if (kind === 'changed') return { kind, record: a === undefined ? undefined : parseRecord(a) };
      return unknownReply(kind);
    },
  },
  transfer: {
    connection: 'control',
    request: ({ room, triple, to, head, isLogged }, { keys }) =>
      scriptRequest(
        'transfer',
        keptKeys(keys, room),
        [
          triple.incarnation,
          String(triple.epoch),
          triple.nonce,
          to.node,
          to.incarnation,
          to.nonce,
          String(head),
          isLogged ? '1' : '0',
        ],
        { confirmed: true },
      ),
    parse(raw) {
      const [kind, a] = list(raw);
      if (kind === 'moved') return { kind, record: parseRecord(a) };
      if (kind === 'rolled-back') return { kind, head: number(a) };
      if (kind === 'changed') return { kind, record: a === undefined ? undefined : parseRecord(a) };
      return unknownReply(kind);
    },
  },
};

/** What is put back: how, how many entries and the parts of each, then each sender with its mark. */
function restoreArgs(restore: Args<'claim'>['restore']): string[] {
  if (restore === undefined) return [''];
  const { afresh, entries, senders } = restore;
  const marks = Object.entries(senders).flatMap(([sender, { seat, cseq, id, seq }]) => [
    sender,
    ...[seat, cseq, id, seq].map(String),
  ]);
  return [afresh ? 'afresh' : 'further', String(entries.length), ...entries.flatMap(entryArgs), ...marks];
}

export function parseRecord(raw: unknown): RoomRecord {
  const [node, incarnation, epoch, nonce, head, tags] = list(raw);
  const owner = optional(node);
  return {
    owner: owner === undefined ? undefined : { node: owner, incarnation: text(incarnation) },
    epoch: number(epoch),
    nonce: text(nonce),
    head: number(head),
    tags: text(tags)
      .split(' ')
      .map((entry) => {
        const colon = entry.lastIndexOf(':');
        return { tag: entry.slice(0, colon), firstSeq: number(entry.slice(colon + 1)) };
      }),
  };
}
