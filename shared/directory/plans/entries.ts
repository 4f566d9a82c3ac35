/** How entries of a log, marks of senders and snapshots come from Redis. Owns: their text form. Does not know: operations. */
import type { AppendItem, LogEntry, LogOpening, SenderMark, Snapshot } from '../directory.ts';
import { list, number, optional, pairs, text } from '../plan.ts';

/** Parts of an entry, as scripts give and take it: seq, `tag at`, and what was said. */
const ENTRY_PARTS = 3;

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
    const [tag, at] = text(flat[i + 1]).split(' ');
    entries.push({ seq: number(flat[i]), tag: text(tag), at: number(at), ...parseSaid(text(flat[i + 2])) });
  }
  return entries;
}

/** An entry in the order in which scripts give it. */
export function entryArgs({ seq, tag, at, id, ...message }: LogEntry): string[] {
  return [String(seq), `${tag} ${at}`, saidText(message, id ?? 0)];
}

/** What an entry holds of a message: `session id user`, a line's end, and the data. Nothing stands for what is not there; neither a session nor
 *  an id holds a space, nor a user's name the end of a line. @param id  0 for none */
export function saidText({ from, session, data }: NonNullable<AppendItem['message']>, id: number): string {
  return `${session ?? ''} ${id === 0 ? '' : id} ${from ?? ''}\n${data}`;
}

function parseSaid(said: string): Pick<LogEntry, 'session' | 'id' | 'from' | 'data'> {
  const line = said.indexOf('\n');
  const first = said.indexOf(' ');
  const second = said.indexOf(' ', first + 1);
  if (first < 0 || second < 0 || second > line) throw new TypeError('expected an entry');
  const id = said.slice(first + 1, second);
  return {
    from: said.slice(second + 1, line) || null,
    session: said.slice(0, first) || undefined,
    id: id === '' ? undefined : number(id),
    data: said.slice(line + 1),
  };
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
