/** What the suite of a durable room's log says and expects. Owns: those examples. Does not know: any directory. */
import type { AppendItem, AppendOutcome, Args, LogEntry } from './directory.ts';
import { token } from './example-records.ts';

export const A = token('a');
export const B = token('b');
export const N1 = token('n1', 16);
export const N2 = token('n2', 16);
export const DAY_MS = 86_400_000;
export const MANY = 1_000_000;

/** A publish of session `sender` with its id, each frame with the number of the id. */
export const said = (sender: string, id: number, more: Partial<AppendItem> = {}): AppendItem => ({
  sender,
  seat: 1,
  cseq: id,
  id,
  isResumed: false,
  message: { from: 'ann', session: sender, data: JSON.stringify(`${sender}${id}`) },
  ...more,
});
export const logged = (seq: number): AppendOutcome => ({ kind: 'logged', seq });
export const duplicate = (seq: number): AppendOutcome => ({ kind: 'duplicate', seq });
export const UNKNOWN: AppendOutcome = { kind: 'unknown' };
/** The first claim of the room, but for the run it is made in. */
export const CLAIM: Omit<Args<'claim'>, 'runId'> = {
  room: 'lobby',
  seen: undefined,
  node: 'n1',
  incarnation: A,
  nonce: N1,
  floor: 0,
  numbering: { kind: 'continue' },
};

export const entry = (seq: number, tag: string, more: Partial<LogEntry> = {}): LogEntry => ({
  seq,
  tag,
  from: null,
  session: undefined,
  id: undefined,
  at: 1_000 + seq,
  data: `${seq}`,
  ...more,
});
export const entries = (from: number, to: number, tag: string) =>
  Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, tag));
