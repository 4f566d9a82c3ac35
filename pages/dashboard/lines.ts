/** The lines of the feed. Owns: which events are one line. */
import type { SeenEvent } from './live.ts';

const TOGETHER_MS = 5_000;

export interface FeedLine {
  readonly key: number;
  readonly at: number;
  readonly event: SeenEvent;
  /** How many events it stands for. */
  times: number;
  /** Where they went. */
  readonly to: Set<string>;
}

/** Newest first; rooms that come from one node within moments are gathered, as are those that open. */
export function linesOf(events: readonly SeenEvent[], max: number): FeedLine[] {
  const lines: FeedLine[] = [];
  const open = new Map<string, FeedLine>();
  for (let i = events.length - 1; i >= 0 && lines.length < max; i--) {
    const event = events[i];
    if (event === undefined) continue;
    const way = event.room === undefined ? undefined : `${event.kind} ${event.from}`;
    const line = way === undefined ? undefined : open.get(way);
    if (line !== undefined && line.at - event.at < TOGETHER_MS) {
      line.times++;
      if (event.to !== undefined) line.to.add(event.to);
      continue;
    }
    const to = new Set(event.to === undefined ? [] : [event.to]);
    const made: FeedLine = { key: event.id, at: event.at, event, times: 1, to };
    lines.push(made);
    // What happened to a node or to Redis in between ends what is gathered: order matters there.
    if (way === undefined) open.clear();
    else open.set(way, made);
  }
  return lines;
}
