/** Messages that hold a list, cut so that each piece fits one frame. Owns: how an OPEN and an ACKS are cut; for both, many
 *  messages say the same as one. Does not know: sockets. */
import { ACKS_ENTRIES_MAX, json } from './encode.ts';
import { openHead, openSession } from './json-shapes.ts';
import { type Acks, FRAME_PAYLOAD_MAX, type LinkMessage, type Open, type OpenSession } from './messages.ts';
import { LinkEncodeError } from './protocol-error.ts';

/** Cuts the sessions of an OPEN so that each piece fits one frame; room, floor and cursor are in every piece, and every piece but
 *  the last is marked `more`: the node takes them as one. Order is kept.
 *  @throws LinkEncodeError 'too-large' where one session alone (its `meta`) does not fit */
export function splitOpen(open: Open): Open[] {
  const { type, sessions, ...shared } = open;
  const empty = json(() => ({ ...openHead({ ...open, more: false }), sessions: [] })).length;
  const pieces: Open[] = [];
  let piece: OpenSession[] = [];
  let bytes = empty;
  for (const session of sessions) {
    const size = json(() => openSession(session)).length + 1;
    if (empty + size > FRAME_PAYLOAD_MAX) {
      throw new LinkEncodeError(
        'too-large',
        `an open of ${empty + size} bytes for one session: at most ${FRAME_PAYLOAD_MAX}`,
      );
    }
    if (bytes + size > FRAME_PAYLOAD_MAX) {
      pieces.push({ type, ...shared, more: true, sessions: piece });
      piece = [];
      bytes = empty;
    }
    piece.push(session);
    bytes += size;
  }
  // The last piece is the open as it came, with what is left of its sessions.
  pieces.push({ type, ...shared, sessions: piece });
  return pieces;
}

/** Cuts the entries of an ACKS so that each piece fits one frame. */
export function splitAcks(acks: Acks): Acks[] {
  if (acks.entries.length <= ACKS_ENTRIES_MAX) return [acks];
  const pieces: Acks[] = [];
  for (let at = 0; at < acks.entries.length; at += ACKS_ENTRIES_MAX) {
    pieces.push({ type: 'acks', entries: acks.entries.slice(at, at + ACKS_ENTRIES_MAX) });
  }
  return pieces;
}

/** The messages to send in place of `message`: itself, unless it holds more than one frame can carry.
 *  @throws LinkEncodeError */
export function splitMessage(message: LinkMessage): readonly LinkMessage[] {
  if (message.type === 'open' && message.sessions.length > 1) return splitOpen(message);
  if (message.type === 'acks') return splitAcks(message);
  return [message];
}
