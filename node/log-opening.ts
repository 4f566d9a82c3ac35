/** What a new owner reads of a room's log, and when. Owns: these bounds. Does not know: how it is read.
 *  With the claim comes as much as routers have usually missed, so that their clients are seated by one answer; the rest of what
 *  memory has room for is read once they are, or when somebody asks for it. */
import type { Args, Reply } from '../shared/directory/directory.ts';
import type { Json } from './program.ts';

const CLAIMED_ENTRIES_MAX = 16;
const CLAIMED_BYTES_MAX = 128 * 1_024;
/** Read of a log by a new owner at most, bytes of data; the rest is read as clients ask for it. */
export const OPENED_BYTES_MAX = 16 * 1_048_576;
/** More than one batch. */
export const CAUGHT_UP_MAX = 1_000;
/** Memory is filled up from the log so long after a room was opened, milliseconds. */
export const FILL_AFTER_MS = 1_000;

/** What a claim reads. @param recentMax  messages that memory has room for */
export function claimedPart(recentMax: number): NonNullable<Args<'claim'>['open']> {
  return { last: Math.min(CLAIMED_ENTRIES_MAX, recentMax), bytesMax: CLAIMED_BYTES_MAX };
}

/** The state that a room's program begins with. */
export function snapshotOf(opening: Reply<'openLog'> | undefined): Json | undefined {
  return opening?.snapshot === undefined ? undefined : (JSON.parse(opening.snapshot.state) as Json);
}
