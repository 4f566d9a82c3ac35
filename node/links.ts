/** The links of a node, as its core sees them: who is at the other end, which sessions sit there, what is owed to them. Owns: that
 *  bookkeeping. Does not know: sockets or rooms' inner life.
 *  Invariant: after a message for a link was dropped, no gated one follows until its routers were asked to show their cursors. */
import {
  type Acks,
  FRAME_CONTENT_MAX,
  isGated,
  type LinkFeature,
  type LinkMessage,
  type LinkRole,
  type Moved,
  type Open,
} from '../shared/link/messages.ts';
import type { Target } from './handover.ts';
import type { NodePorts } from './ports.ts';
import type { RoomSession } from './roster.ts';
import { substituteFor } from './too-far.ts';

export interface LinkPeer {
  readonly role: LinkRole;
  readonly id: string;
  readonly incarnation: string;
  /** What both sides know; absent where the link carries whatever is sent. */
  readonly features?: readonly string[];
}

/** A seated session, found by its router's handle. */
export interface SeatRef {
  readonly room: string;
  readonly session: RoomSession;
  /** A frame of this seat was not taken: none that follows may be, until its router has shown its cursor and sent it again. */
  behind: boolean;
}

export interface NodeLink {
  readonly number: number;
  /** Unknown until the handshake of a dialled link is through. */
  peer: LinkPeer | undefined;
  readonly seats: Map<number, SeatRef>;
  readonly acks: Map<number, number>;
  /** Something meant for this link was dropped or not taken: its routers show their cursors again before anything else is sent. */
  owesRebind: boolean;
  /** Sessions whose OPEN has an answer that did not leave: they are told to ask again as soon as that is possible. */
  unanswered: { readonly session: number; readonly serial: number }[];
  /** Room handles under which nothing will come any more, and whose routers do not know it yet: bounded by rooms held lately. */
  pointOn: Map<number, Moved>;
  /** Its queue is full: nothing more is queued until it has drained. */
  full: boolean;
  /** Much is queued: what may be dropped is not sent. */
  pressed: boolean;
  /** Pieces of an OPEN that goes on in the next message. */
  opening: Open | undefined;
  /** Room → OPENs that are to be answered in their turn, while the log is read for the first of them. */
  readonly turns: Map<string, Answer[]>;
}

/** Answers an OPEN. @returns whether that is done; otherwise it calls `done` once it is */
export type Answer = (done: () => void) => boolean;

/** OPENs of one room that wait for an answer to another; those beyond are asked to come again. */
const TURNS_MAX = 1_000;

/** Has what a link asks of a room answered in the order in which it was asked: a rebind that is answered late would take their seats
 *  away from those who were seated meanwhile. @returns false where too many wait */
export function inTurn(link: NodeLink, room: string, answer: Answer): boolean {
  const waiting = link.turns.get(room);
  if (waiting !== undefined) return waiting.length < TURNS_MAX && waiting.push(answer) > 0;
  const queue = [answer];
  link.turns.set(room, queue);
  const go = () => {
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      if (!next(answered)) return;
      queue.shift();
    }
    link.turns.delete(room);
  };
  const answered = () => {
    queue.shift();
    go();
  };
  go();
  return true;
}

function newLink(number: number, peer: LinkPeer | undefined): NodeLink {
  return {
    number,
    peer,
    seats: new Map(),
    acks: new Map(),
    owesRebind: false,
    unanswered: [],
    pointOn: new Map(),
    full: false,
    pressed: false,
    opening: undefined,
    turns: new Map(),
  };
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

/** What can be sent on this link in place of a message: itself, unless it takes more than one frame and the router, of an earlier
 *  version, takes no such. */
function fitting({ peer }: NodeLink, message: LinkMessage): LinkMessage {
  if (message.type !== 'cast' && message.type !== 'direct') return message;
  if (message.frame.length <= FRAME_CONTENT_MAX) return message;
  const takesLarge = peer?.features?.includes('fragments' satisfies LinkFeature) ?? true;
  return takesLarge ? message : { ...message, frame: substituteFor(message.frame) };
}

function isEphemeral(message: LinkMessage): boolean {
  return (message.type === 'cast' && message.class === 'ephemeral') || (message.type === 'direct' && message.ephemeral);
}

/** What is owed as acks, as one message; undefined when nothing is. */
function takeAcks(link: NodeLink): Acks | undefined {
  if (link.acks.size === 0) return undefined;
  const entries = Array.from(link.acks, ([session, cseq]) => ({ session, cseq }));
  link.acks.clear();
  return { type: 'acks', entries };
}

type LinkTablePorts = Pick<NodePorts, 'send' | 'lanes' | 'dropQueued' | 'dial' | 'count'>;

export class LinkTable {
  readonly #ports: LinkTablePorts;
  readonly #links = new Map<number, NodeLink>();
  /** Links this node dialled, by target incarnation. */
  readonly #dialled = new Map<string, number>();

  readonly #bindLost: (room: string, link: number, handle: number) => void;

  /** @param bindLost  a BIND will not reach its router */
  constructor(ports: LinkTablePorts, bindLost: (room: string, link: number, handle: number) => void) {
    this.#ports = ports;
    this.#bindLost = bindLost;
  }

  /** Sessions seated on all links. */
  get seats(): number {
    let seats = 0;
    for (const link of this.#links.values()) seats += link.seats.size;
    return seats;
  }

  /** Links that are up with a router at the other end. */
  ofRouters(): { readonly number: number; readonly peer: LinkPeer }[] {
    return [...this.#links.values()].flatMap(({ number, peer }) => (peer?.role === 'router' ? [{ number, peer }] : []));
  }

  get(number: number): NodeLink | undefined {
    return this.#links.get(number);
  }

  up(number: number, peer: LinkPeer): void {
    const link = this.#links.get(number) ?? newLink(number, peer);
    link.peer = peer;
    this.#links.set(number, link);
  }

  /** @returns whether the link was known */
  down(number: number): boolean {
    for (const [incarnation, dialled] of this.#dialled) if (dialled === number) this.#dialled.delete(incarnation);
    return this.#links.delete(number);
  }

  /** The link's queue has room again. */
  drained(number: number): void {
    const link = this.#links.get(number);
    if (link !== undefined) link.full = false;
  }

  /** Much waits on this link, or little again. What may be dropped goes first, before any room is taken off it. */
  pressed(number: number, isPressed: boolean): void {
    const link = this.#links.get(number);
    if (link === undefined) return;
    link.pressed = isPressed;
    if (isPressed) this.#ports.count('dropped_ephemeral', this.#ports.dropQueued(number, isEphemeral).length);
  }

  /** The gate refused a message as it was about to be handed to the kernel. */
  dropped(number: number, message: LinkMessage): void {
    this.#ports.count('dropped_gated');
    const link = this.#links.get(number);
    if (link === undefined) return;
    this.#notSent(link, message);
    // What is queued behind it may not follow without it, should the gate open again.
    for (const queued of this.#ports.dropQueued(number, isGated)) this.#notSent(link, queued);
  }

  /** Takes back what is queued and gated, and acks that are owed: the tags they were made under may speak no more. */
  takeBack(): void {
    for (const link of this.#links.values()) {
      link.owesRebind ||= link.acks.size > 0;
      link.acks.clear();
      for (const message of this.#ports.dropQueued(link.number, isGated)) this.#notSent(link, message);
    }
  }

  #notSent(link: NodeLink, message: LinkMessage): void {
    link.owesRebind = true;
    if (message.type === 'bind') this.#bindLost(message.room, link.number, message.handle);
    const isAnswer = message.type === 'opened' || (message.type === 'refused' && message.text === undefined);
    if (isAnswer) link.unanswered.push({ session: message.session, serial: message.serial ?? 0 });
    if (message.type === 'moved') link.pointOn.set(message.room, message);
    // Its clients are not closed, then: they find out where they ask next that the room begins anew.
    if (message.type === 'gone') link.pointOn.set(message.room, { type: 'moved', room: message.room, epoch: 0 });
  }

  /** Says what did not leave: where rooms have gone, and that OPENs should come again. */
  answer(link: NodeLink): void {
    const { unanswered, pointOn } = link;
    link.unanswered = [];
    link.pointOn = new Map();
    for (const moved of pointOn.values()) this.send(link.number, moved);
    for (const { session, serial } of unanswered) {
      this.send(link.number, { type: 'refused', session, reason: 'wait', serial });
    }
  }

  /** Links that owe their routers a rebind and can be written to. */
  owing(): NodeLink[] {
    return [...this.#links.values()].filter((link) => link.owesRebind && !link.full);
  }

  /** @param lane  the room it is said of */
  send(number: number, message: LinkMessage, lane?: string): boolean {
    const link = this.#links.get(number);
    if (link === undefined) return false;
    if (link.pressed && isEphemeral(message)) {
      this.#ports.count('dropped_ephemeral');
      return false;
    }
    if (isGated(message) && (link.full || link.owesRebind)) {
      this.#notSent(link, message);
      return false;
    }
    if (this.#ports.send(number, fitting(link, message), lane)) return true;
    link.full = true;
    this.#notSent(link, message);
    return false;
  }

  /** Sends what is owed as acks, one message a link, and one for each room of which something waits: an ack must not pass what
   *  was answered. */
  flushAcks(): void {
    for (const link of this.#links.values()) this.#flushAcks(link);
  }

  /** The same for one link. */
  flushAcksOf(number: number): void {
    const link = this.#links.get(number);
    if (link !== undefined) this.#flushAcks(link);
  }

  #flushAcks(link: NodeLink): void {
    const waiting = link.acks.size === 0 ? undefined : this.#ports.lanes?.(link.number);
    if (waiting !== undefined) this.#sendBehind(link, waiting);
    const acks = takeAcks(link);
    if (acks !== undefined) this.send(link.number, acks);
  }

  #sendBehind(link: NodeLink, waiting: ReadonlyMap<unknown, unknown>): void {
    const byRoom = new Map<string, { session: number; cseq: number }[]>();
    for (const [session, cseq] of link.acks) {
      const room = link.seats.get(session)?.room;
      if (room === undefined || !waiting.has(room)) continue;
      const entries = byRoom.get(room) ?? [];
      entries.push({ session, cseq });
      byRoom.set(room, entries);
      link.acks.delete(session);
    }
    for (const [room, entries] of byRoom) this.send(link.number, { type: 'acks', entries }, room);
  }

  /** A link to another node: the one there is, or one that is dialled now. */
  to(target: Target): { readonly link: number; readonly up: boolean } {
    const known = this.#dialled.get(target.incarnation);
    if (known !== undefined) return { link: known, up: this.#links.get(known)?.peer !== undefined };
    const number = this.#ports.dial(target.node, target.incarnation, target.address);
    this.#dialled.set(target.incarnation, number);
    if (!this.#links.has(number)) this.#links.set(number, newLink(number, undefined));
    return { link: number, up: false };
  }
}
