/** The links of a node, as its core sees them: who is at the other end, which sessions sit there, what is owed to them. Owns: the
 *  bookkeeping of one link. Does not know: sockets or rooms' inner life. */
import type { Acks, LinkRole, Open } from '../shared/link/messages.ts';
import type { RoomSession } from './roster.ts';

export interface LinkPeer {
  readonly role: LinkRole;
  readonly id: string;
  readonly incarnation: string;
}

/** A seated session, found by its router's handle. */
export interface SeatRef {
  readonly room: string;
  readonly session: RoomSession;
}

export interface NodeLink {
  readonly number: number;
  /** Unknown until the handshake of a dialled link is through. */
  peer: LinkPeer | undefined;
  readonly seats: Map<number, SeatRef>;
  readonly acks: Map<number, number>;
  /** Something meant for this link was dropped or not taken: its routers show their cursors again before anything else is sent. */
  owesRebind: boolean;
  /** Its queue is full: nothing more is queued until it has drained. */
  full: boolean;
  /** Pieces of an OPEN that goes on in the next message. */
  opening: Open | undefined;
}

export function newLink(number: number, peer: LinkPeer | undefined): NodeLink {
  return { number, peer, seats: new Map(), acks: new Map(), owesRebind: false, full: false, opening: undefined };
}

/** Sessions that one OPEN may name in all its pieces. */
const OPEN_SESSIONS_MAX = 100_000;

/** Puts the pieces of an OPEN together. @returns the whole, or undefined while more is to come */
export function assembleOpen(link: NodeLink, piece: Open): Open | undefined {
  const begun = link.opening;
  const whole: Open =
    begun === undefined || begun.room !== piece.room
      ? piece
      : { ...begun, sessions: [...begun.sessions, ...piece.sessions] };
  if (piece.more === true && whole.sessions.length < OPEN_SESSIONS_MAX) {
    link.opening = whole;
    return undefined;
  }
  link.opening = undefined;
  return whole;
}

/** What is owed as acks, as one message; undefined when nothing is. */
export function takeAcks(link: NodeLink): Acks | undefined {
  if (link.acks.size === 0) return undefined;
  const entries = Array.from(link.acks, ([session, cseq]) => ({ session, cseq }));
  link.acks.clear();
  return { type: 'acks', entries };
}
