/** How entries of a log, marks of senders and snapshots come from Redis. Owns: their text form. Does not know: operations. */
import type { LogEntry, LogOpening, SenderMark, Snapshot } from '../directory.ts';
import { list, number, optional, pairs, text } from '../plan.ts';

/** Parts of an entry, as scripts give it: seq, tag, session, id, user, at, data. */
const ENTRY_PARTS = 7;

export function parseOpening(raw: unknown): LogOpening {
  const [first, entries, senders, snapshot] = list(raw);
  return {
    first: number(first),
    entries: parseEntries(entries),
    senders: Object.fromEntries(pairs(senders).map(([sender, mark]) => [sender, parseMark(mark)])),
    snapshot: parseSnapshot(optional(snapshot)),
  };
}

export function parseEntries(raw: unknown): LogEntry[] {
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

function parseMark(mark: string): SenderMark {
  const [seat, cseq, id, seq] = mark.split(' ');
  return { seat: number(seat), cseq: number(cseq), id: number(id), seq: number(seq) };
}

function parseSnapshot(raw: string | undefined): Snapshot | undefined {
  if (raw === undefined) return undefined;
  const [, epoch, seq, state] = /^(\d+) (\d+) (.*)$/s.exec(raw) ?? [];
  return { epoch: number(epoch), seq: number(seq), state: text(state) };
}
