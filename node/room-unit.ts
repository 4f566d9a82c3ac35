/** What waits for a durable room's log, in units: what one call of its program, one client or one backend said, which is logged together
 *  or not at all. Owns: the shapes. Does not know: queues, batches.
 *  Invariant: a program sees a publish when the batch is made that logs it, so what is refused before that has changed nothing. */
import type { AppendItem, AppendOutcome, SenderMark } from '../shared/directory/directory.ts';
import type { ErrorCode } from '../shared/errors.ts';
import type { RoomSession } from './roster.ts';

/** Why a publish that the log knows of is answered by an error. */
export interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
}

/** One item of a unit, from when it is made until its outcome is known. */
export interface Said {
  readonly item: AppendItem;
  /** Whose publish it is; undefined for programs and backends. */
  readonly by: RoomSession | undefined;
  /** It was taken before: only where it went is asked for. */
  readonly isRepeat: boolean;
  /** It is not said; its sender's mark moves all the same, so that nobody takes it for new. */
  readonly fault?: Fault | undefined;
}

/** What becomes of a backend's publish, told once. */
export type Done = (how: AppendOutcome | { readonly kind: 'refused' } | { readonly kind: 'lost' }) => void;

export interface Unit {
  /** `publish`: its program has not seen it. `words`: said already. */
  readonly kind: 'publish' | 'words';
  /** Whose count tells a repetition: a session, a backend's key, or `*`, the program. */
  readonly sender: string;
  /** Whose publish it is, under this seat, and the frame that brought it. */
  readonly by: RoomSession | undefined;
  readonly seat: number;
  readonly cseq: number;
  readonly id: number;
  /** Of the items that it has, or is expected to have. */
  readonly count: number;
  bytes: number;
  readonly sinceMs: number;
  readonly done: Done | undefined;
  /** Makes its items, as its batch is made. */
  readonly make: () => readonly Said[];
  /** What was made: it may have reached Redis. */
  said: readonly Said[] | undefined;
}

/** A call of the program that waits for publishes before it: what it says takes its place. */
export interface Call {
  readonly kind: 'call';
  readonly run: () => readonly Unit[];
}

/** What one item costs beyond its data. */
const ITEM_BYTES = 200;

export function bytesOf(items: readonly { readonly message?: { readonly data: string } | undefined }[]): number {
  let bytes = 0;
  for (const { message } of items) bytes += ITEM_BYTES + (message?.data.length ?? 0);
  return bytes;
}

/** A unit of one item that is known. */
export function unitOf(said: Said, sinceMs: number, done?: Done): Unit {
  const { item, by } = said;
  const { sender, seat, cseq, id } = item;
  return {
    kind: 'words',
    sender,
    by,
    seat,
    cseq,
    id,
    count: 1,
    bytes: bytesOf([item]),
    sinceMs,
    done,
    make: () => [said],
    said: undefined,
  };
}

/** A sender's mark once `item`, which may be the last of several, was logged at `seq`; 0 where that is not known. */
export function markAfter(
  mark: SenderMark = { seat: 0, cseq: 0, id: 0, seq: 0 },
  item: Pick<AppendItem, 'seat' | 'cseq' | 'id'>,
  seq: number,
): SenderMark {
  const isLater = item.seat > mark.seat || (item.seat === mark.seat && item.cseq > mark.cseq);
  const isHigher = item.id > mark.id;
  return {
    seat: isLater ? item.seat : mark.seat,
    cseq: isLater ? item.cseq : mark.cseq,
    id: isHigher ? item.id : mark.id,
    seq: isHigher ? seq : mark.seq,
  };
}
