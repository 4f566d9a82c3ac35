/** A room's state and words as they travel: what a handover carries, and frames no larger than a link takes. Owns: those shapes.
 *  Does not know: who is seated where. */
import type { Tag } from '../shared/directory/directory.ts';
import { payloadOf, textFrame } from '../shared/websocket-frame.ts';
import type { Json } from './program.ts';
import type { RecentEntry } from './recent.ts';
import type { CarriedSession } from './roster.ts';

/** A room's state as a handover carries it. */
export interface RoomState {
  readonly head: number;
  readonly tags: readonly { readonly tag: Tag; readonly firstSeq: number }[];
  readonly entries: readonly { seq: number; tag: Tag; session?: string; id?: number; text: string }[];
  readonly sessions: readonly CarriedSession[];
  readonly version: number;
  readonly program?: Json;
}

/** Largest ready-made frame: a link carries no larger one. A publish of the largest allowed payload stays well below. */
export const FRAME_BYTES_MAX = 64_512;
/** What was to be said is larger than a link carries. */
export class MessageTooLarge extends RangeError {}

/** @throws MessageTooLarge */
export function boundedFrame(text: string): Buffer {
  const frame = textFrame(text);
  if (frame.length > FRAME_BYTES_MAX) throw new MessageTooLarge(`a message may be at most ${FRAME_BYTES_MAX} bytes`);
  return frame;
}

export function carriedEntry(entry: RecentEntry): RoomState['entries'][number] {
  return {
    seq: entry.seq,
    tag: entry.tag,
    ...(entry.session === undefined ? {} : { session: entry.session }),
    ...(entry.id === undefined ? {} : { id: entry.id }),
    text: payloadOf(entry.frame).toString('utf8'),
  };
}

export function entryFrom(entry: RoomState['entries'][number]): RecentEntry {
  return { seq: entry.seq, tag: entry.tag, session: entry.session, id: entry.id, frame: textFrame(entry.text) };
}
