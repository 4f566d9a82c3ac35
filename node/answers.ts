/** What a session's publishes were answered with and its client may not have heard: errors, and acks of what nobody echoes. Owns: which of
 *  them are said again to a router that binds anew. Does not know: links.
 *  A frame is acked behind its answer, on the same way, so a router that has the one has the other; what it does not have it names in its
 *  OPEN. A refusal comes behind its ack (decision 33): it is said again in any case.
 *  Invariant: at most `ANSWERS_MAX` a session, those of its last frames: a router never has more than that on the way. */
import type { RoomSession } from './roster.ts';

export interface Answer {
  /** Of the frame that it answers. */
  readonly cseq: number;
  /** The event. */
  readonly text: string;
  readonly isBehindAck: boolean;
  /** When it was said, monotonic ms. */
  readonly atMs: number;
}

/** A router keeps 64 frames of a client, and the one that passes its bound in bytes. */
export const ANSWERS_MAX = 65;

export function remember(session: RoomSession, answer: Answer): void {
  session.answers ??= [];
  session.answers.push(answer);
  if (session.answers.length > ANSWERS_MAX) session.answers.shift();
}

/** What a router that binds anew is told again.
 *  @param acked  the last frame of this seat whose ack it has; undefined where it does not say
 *  @param sinceMs  what was said behind its ack before this is taken for heard */
export function unheard(session: RoomSession, acked: number | undefined, sinceMs: number): readonly string[] {
  const { answers } = session;
  if (answers === undefined) return [];
  const kept = answers.filter(({ cseq, isBehindAck, atMs }) =>
    isBehindAck ? atMs >= sinceMs : cseq > (acked ?? cseq),
  );
  session.answers = kept.length === 0 ? undefined : kept;
  return kept.map(({ text }) => text);
}
