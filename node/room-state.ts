/** A room's state and words as they travel: what a handover carries, and frames no larger than a link takes. Owns: those shapes.
 *  Does not know: who is seated where. */
import type { SenderMark, Tag } from '../shared/directory/directory.ts';
import { payloadOf, textFrame } from '../shared/websocket-frame.ts';
import type { Json } from './program.ts';
import type { Recent, RecentEntry } from './recent.ts';
import type { RoomLimits } from './room-output.ts';
import type { CarriedSession } from './roster.ts';

/** A room's state as a handover carries it. */
export interface RoomState {
  readonly head: number;
  readonly tags: readonly { readonly tag: Tag; readonly firstSeq: number }[];
  readonly entries: readonly { seq: number; tag: Tag; session?: string; id?: number; text: string }[];
  readonly sessions: readonly CarriedSession[];
  readonly version: number;
  readonly program?: Json;
  /** Of senders that the log knows and that have not come back, and for how long they can. */
  readonly marks?: readonly (readonly [sender: string, mark: SenderMark])[];
  readonly marksMs?: number;
  /** Under which numbers backends' publishes stand, by key. */
  readonly keys?: readonly (readonly [key: string, seq: number])[];
}

/** Largest frame of what a room says of itself: it fits one frame of a link. */
export const FRAME_BYTES_MAX = 64_512;
/** What an owner puts around a client's words, at most. */
const ENVELOPE_BYTES = 8_192;
/** What was to be said is larger than a room may say. */
export class MessageTooLarge extends RangeError {}

/** @throws MessageTooLarge for more than the largest message of a client, and what an owner puts around it */
export function boundedFrame(text: string, { payloadBytesMax }: Pick<RoomLimits, 'payloadBytesMax'>): Buffer {
  const frame = textFrame(text);
  const most = Math.max(FRAME_BYTES_MAX, payloadBytesMax + ENVELOPE_BYTES);
  if (frame.length > most) throw new MessageTooLarge(`a message may be at most ${most} bytes`);
  return frame;
}

/** A room's last messages, those after a seq, and their numbering, as a handover carries them. */
export function carriedRecent(recent: Recent, after: number): Pick<RoomState, 'head' | 'tags' | 'entries'> {
  const { head, tags } = recent;
  return { head, tags, entries: recent.after(after).map(carriedEntry) };
}

function carriedEntry(entry: RecentEntry): RoomState['entries'][number] {
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
