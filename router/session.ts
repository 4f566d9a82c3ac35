/** A client's session as its router holds it: what was said and not yet acked. Owns: the numbering of a seat's frames and their
 *  bound. Does not know: sockets, rooms' owners.
 *  Invariant: frames leave in the order they came; what is not acked is kept, at most `UNACKED_FRAMES_MAX` frames or
 *  `UNACKED_BYTES_MAX` bytes beyond which the client's socket is paused.
 *  @see DESIGN §5, §6 */
import type { ClientFrame, OpenSession } from '../shared/link/messages.ts';
import type { AcceptedClient } from './ports.ts';
import type { Holder } from './route.ts';

export const UNACKED_FRAMES_MAX = 64;
export const UNACKED_BYTES_MAX = 65_536;
/** More than an owner keeps of a room's messages, with the welcome. */
const TOLD_MAX = 1_000;

interface Unacked {
  readonly cseq: number;
  readonly payload: Buffer;
  sent: boolean;
}

/** Hands a frame to an owner. One function serves all sessions, since this runs for every frame. */
export type SendTo = (frame: ClientFrame, at: Holder) => boolean;

/** Stands for the list of a session that has said nothing yet. Never added to. */
const NONE: Unacked[] = [];

/** pending: to be named in the next OPEN. asked: named in one that is not answered. seated: an owner has it. */
export type SeatState = 'pending' | 'asked' | 'seated';

export class ClientSession {
  readonly handle: number;
  client: AcceptedClient;
  state: SeatState = 'pending';
  /** An owner has had it: from then on it is rebound, never joined again. */
  everSeated = false;
  /** A session that no owner has taken by then is turned away, monotonic ms. */
  openByMs: number;
  paused = false;
  /** The incarnation whose server its socket is piped to: no other owner can have it. Only of attended rooms. */
  tiedTo: string | undefined;
  /** Who was asked last to seat it, and may have, whatever has become of the answer. Undefined once it is seated. */
  askedOf: Holder | undefined;
  /** Serial of the OPEN that named it last. */
  #asked = 0;
  /** Made with the first frame kept, here and below: an idle session has no lists of its own. */
  #told: Buffer[] | undefined;
  #unacked: Unacked[] = NONE;
  #bytes = 0;
  #cseq = 0;
  #timed: { readonly cseq: number; readonly atMs: number } | undefined;
  /** Last frame handed to the present owner. */
  #handed = 0;

  constructor(handle: number, client: AcceptedClient, openByMs: number) {
    this.handle = handle;
    this.client = client;
    this.openByMs = openByMs;
  }

  /** The seat that it asked for was another socket's already: it asks for this one. */
  raise(seat: number): void {
    this.client = { ...this.client, seat };
  }

  /** An OPEN that names it was sent. */
  asked(serial: number, of: Holder): void {
    this.state = 'asked';
    this.askedOf = of;
    this.#told = undefined;
    // As a small integer: one above 2^31 would be a heap object of its own.
    this.#asked = serial | 0;
  }

  /** An answer came. @returns whether it is that to the last OPEN: an earlier one's is void, or what it replays would come twice */
  answered(serial: number): boolean {
    return this.state === 'asked' && (serial | 0) === this.#asked;
  }

  /** What was kept belongs to an answer that is void. */
  dropTold(): void {
    this.#told = undefined;
  }

  /** Its owner has it, and it is told so. */
  seat(): void {
    this.state = 'seated';
    this.everSeated = true;
    this.askedOf = undefined;
  }

  /** Keeps what an owner tells it before it is seated: its welcome and what it missed, of which it sees all or nothing. */
  tell(frame: Buffer): void {
    this.#told ??= [];
    if (this.#told.length < TOLD_MAX) this.#told.push(frame);
  }

  takeTold(): readonly Buffer[] {
    const told = this.#told ?? [];
    this.#told = undefined;
    return told;
  }

  get unacked(): number {
    return this.#unacked.length;
  }

  /** Keeps one frame until it is acked. */
  take(payload: Buffer): void {
    this.#cseq++;
    if (this.#unacked === NONE) this.#unacked = [];
    this.#unacked.push({ cseq: this.#cseq, payload, sent: false });
    this.#bytes += payload.length;
  }

  /** Whether its client has a token to come back with: what it said before must be known then. */
  get mayComeBack(): boolean {
    return this.everSeated || this.client.kind === 'resume';
  }

  /** A link counts a seat's frames in 32 bits: this seat's are used up, the next resume begins anew. */
  get isWornOut(): boolean {
    return this.#cseq >= 0xffff_fff0;
  }

  get full(): boolean {
    return this.#unacked.length >= UNACKED_FRAMES_MAX || this.#bytes >= UNACKED_BYTES_MAX;
  }

  get low(): boolean {
    return this.#unacked.length <= UNACKED_FRAMES_MAX / 2 && this.#bytes <= UNACKED_BYTES_MAX / 2;
  }

  /** Whether a frame's way to its owner and back is being timed: one at a time is enough to know. */
  get isTimed(): boolean {
    return this.#timed !== undefined;
  }

  /** Times the frame taken last. */
  time(nowMs: number): void {
    this.#timed = { cseq: this.#cseq, atMs: nowMs };
  }

  /** @returns when the timed frame was taken, if `cseq` acks it */
  timedBy(cseq: number): number | undefined {
    if (this.#timed === undefined || cseq < this.#timed.cseq) return undefined;
    const { atMs } = this.#timed;
    this.#timed = undefined;
    return atMs;
  }

  /** The last frame before those that are kept. */
  get #acked(): number {
    const [first] = this.#unacked;
    return first === undefined ? this.#cseq : first.cseq - 1;
  }

  /** Frames up to `cseq` are taken by the owner. */
  acked(cseq: number): void {
    const { length } = this.#unacked;
    let count = 0;
    for (; count < length; count++) {
      const frame = this.#unacked[count];
      if (frame === undefined || frame.cseq > cseq) break;
      this.#bytes -= frame.payload.length;
    }
    if (count === this.#unacked.length) this.#unacked.length = 0;
    else if (count > 0) this.#unacked.splice(0, count);
  }

  /** Sends what the present owner was not handed yet, in order, until `send` refuses. */
  sendUnsent(send: SendTo, at: Holder): void {
    // They are the tail: usually the last frame alone.
    let first = this.#unacked.length;
    while (first > 0 && (this.#unacked[first - 1]?.cseq ?? 0) > this.#handed) first--;
    this.#sendFrom(first, send, at);
  }

  /** Another owner, or the same one anew: everything kept is sent again. Of what a resumed client said, an owner before may have
   *  heard some on an earlier seat, so all of it counts as sent before once the owner is not the one that resumed it. */
  sendAll(send: SendTo, at: Holder, rebound = false): void {
    if (rebound && this.client.kind === 'resume') for (const frame of this.#unacked) frame.sent = true;
    this.#handed = 0;
    this.#sendFrom(0, send, at);
  }

  #sendFrom(first: number, send: SendTo, at: Holder): void {
    for (let index = first; index < this.#unacked.length; index++) {
      const frame = this.#unacked[index];
      if (frame === undefined) return;
      const { cseq, payload, sent } = frame;
      if (!send({ type: 'client-frame', session: this.handle, cseq, resent: sent, payload }, at)) {
        // What follows may not overtake it.
        return;
      }
      frame.sent = true;
      this.#handed = cseq;
    }
  }

  /** How this session is named in an OPEN. */
  opening(): OpenSession {
    const { session, user, seat, since, kind, cursor, sent, history } = this.client;
    const base = { handle: this.handle, session, user, seat, since, ...(sent === undefined ? {} : { sent }) };
    if (this.everSeated) return { ...base, kind: 'rebind', ...(this.#cseq > 0 && { acked: this.#acked }) };
    return {
      ...base,
      kind,
      ...(cursor === undefined ? {} : { cursor }),
      ...(history > 0 ? { history } : {}),
    };
  }
}
