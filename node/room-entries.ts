/** A durable room's messages as its log keeps them and as its memory does. Owns: the way from one to the other. Does not know: who
 *  asks.
 *  A log keeps the parts of a message, memory the ready-made frame of it: the text is written by one function and read back by
 *  where that puts things, so that data arrives as it was said. */
import type { LogEntry } from '../shared/directory/directory.ts';
import * as encode from '../shared/protocol-encode.ts';
import { payloadOf, textFrame } from '../shared/websocket-frame.ts';
import type { RecentEntry } from './recent.ts';

/** An entry's `message` event. */
export function recentOf(entry: LogEntry): RecentEntry {
  const { seq, tag, from, session, id, at, data } = entry;
  const text = encode.message({ seq, tag, from, session: session ?? null, id, at, dataText: data });
  return { seq, tag, session, id, frame: textFrame(text) };
}

/** The entry that a `message` event was made of. */
export function logEntryOf({ seq, tag, session, id, frame }: RecentEntry): LogEntry {
  const text = payloadOf(frame).toString('utf8');
  const { from, at } = JSON.parse(text) as { readonly from: string | null; readonly at: number };
  // A quote within a name is escaped there, so that the first such key is the event's own.
  const data = text.slice(text.indexOf(DATA) + DATA.length, -1);
  return { seq, tag, from, session, id, at, data };
}

const DATA = ',"data":';

/** Whether entries follow each other without a gap and end at `head`. */
export function endAt(entries: readonly LogEntry[], head: number): boolean {
  const first = entries[0]?.seq ?? head + 1;
  return first + entries.length - 1 === head && entries.every((entry, index) => entry.seq === first + index);
}
