/** What is read of a log, in memory. Owns: the bounds of a read. Does not know: operations. */
import type { LogEntry, LogOpening } from '../directory.ts';
import { type StoredLog, type StoredRoom, sorted } from './state.ts';

/** What a new owner needs of a room's log. */
export function openingOf(stored: Pick<StoredRoom, 'log' | 'record'>, last: number, bytesMax: number): LogOpening {
  const { entries, senders, snapshot }: StoredLog = stored.log;
  const newest = last === 0 ? [] : entries.slice(-last).reverse();
  return {
    first: firstOf(stored),
    entries: within(bytesMax, newest).reverse(),
    senders: Object.fromEntries(sorted(senders).map(([sender, { mark }]) => [sender, { ...mark }])),
    snapshot: snapshot && { ...snapshot },
  };
}

export function firstOf({ log, record }: Pick<StoredRoom, 'log' | 'record'>): number {
  return log.entries[0]?.seq ?? record.head + 1;
}

/** Own copies of the first entries whose data has no more bytes than `bytesMax`; one at least. */
export function within(bytesMax: number, entries: readonly LogEntry[]): LogEntry[] {
  let bytes = 0;
  const result: LogEntry[] = [];
  for (const entry of entries) {
    bytes += Buffer.byteLength(entry.data);
    if (bytes > bytesMax && result.length > 0) break;
    result.push({ ...entry });
  }
  return result;
}
