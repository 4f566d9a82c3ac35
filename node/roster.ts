/** Who is in a room: its sessions, where each is seated, who counts as a member. Owns: seats and the deadlines of those without
 *  one. Does not know: messages, programs, ownership.
 *  Invariants: a session's seat never goes down; at most one place holds a session; members = sessions marked present.
 *  @see DESIGN §6 */
import type { SenderMark } from '../shared/directory/directory.ts';
import type { OpenSession } from '../shared/link/messages.ts';
import { ANSWERS_MAX, type Answer } from './answers.ts';
import type { Json, Member } from './program.ts';

/** Where a session's socket is: a router's link and that router's handle for it. */
export interface Place {
  readonly link: number;
  readonly router: string;
  readonly handle: number;
}

export interface RoomSession extends Member {
  readonly session: string;
  readonly user: string;
  readonly since: number;
  meta: Json | undefined;
  /** Raised by each resume, kept by a rebind. */
  seat: number;
  /** What the token shown last asked for: lower than `seat` where another socket had shown it before. */
  seatFrom: number;
  /** The seat that such a socket was told to ask for. */
  seatOffered: number;
  place: Place | undefined;
  /** Counts as a member: its join was announced, its leave was not. */
  present: boolean;
  /** While without a place: when its leave is announced, and when it is forgotten. */
  leaveAtMs: number;
  forgetAtMs: number;
  /** Last frame of this seat that was taken. */
  cseq: number;
  /** Last frame of this seat that its router need not keep any more; the same, but for what waits for a log. */
  ackedCseq: number;
  /** Publishes of this seat that wait for a log. */
  waiting: number;
  /** What this seat was answered and may not have heard. */
  answers: Answer[] | undefined;
  /** What the room's log remembers of it. */
  mark: SenderMark | undefined;
  /** It came back though nothing was known of it: ids up to this one may be in the log, from `UNTOLD` on all but the first of it. */
  unsureTo: number;
  /** Last publish id of the client that was taken. */
  lastId: number;
  /** Seated after the loss of an owner: what the router sends again has an unknown outcome. */
  ownerLost: boolean;
  /** Router whose session it was last, for presence. */
  router: string;
}

export interface RosterTimes {
  readonly leaveBrokenMs: number;
  readonly leaveRouterLostMs: number;
  readonly resumeMs: number;
}

/** A session as a handover carries it. */
export interface CarriedSession {
  readonly session: string;
  readonly user: string;
  readonly since: number;
  readonly meta?: Json;
  readonly seat: number;
  readonly seatFrom?: number;
  readonly seatOffered?: number;
  readonly present: boolean;
  readonly cseq: number;
  readonly lastId: number;
  readonly answers?: readonly Omit<Answer, 'atMs'>[];
  readonly ownerLost?: boolean;
  readonly unsureTo?: number;
  readonly mark?: SenderMark;
  /** Without a socket: its leave is announced after this long, milliseconds. */
  readonly leavesMs?: number;
  readonly router: string;
}

/** Whether a socket may have the seat that it asks for. Sockets that resume with one token ask for one seat: each but the first is to
 *  ask for the next, so that the later replaces the earlier like any other.
 *  @param isHere  the session is held by this very socket */
export function judgeSeat(
  { seat, kind }: OpenSession,
  known: RoomSession | undefined,
  mark: SenderMark | undefined,
  isHere: boolean,
): 'granted' | 'replaced' | { readonly next: number } {
  // What its publishes in the log bear was given out too.
  const last = Math.max(known?.seat ?? 0, mark?.seat ?? 0);
  if (seat > last || (seat === last && (kind !== 'resume' || isHere))) return 'granted';
  const least = known?.seat === last ? known.seatFrom : last;
  return kind === 'resume' && seat >= least ? { next: last + 1 } : 'replaced';
}

/** Which ids it has used is not known. A number, since a handover carries it as JSON. */
export const UNTOLD = Number.MAX_SAFE_INTEGER;

/** Whether a publish may be in the log from before this session came back, though nothing is known of that. */
export function isUnsure({ unsureTo }: RoomSession, id: number | undefined): boolean {
  if (id === undefined) return false;
  return unsureTo === UNTOLD ? id > 1 : id <= unsureTo;
}

const NOBODY: readonly RoomSession[] = [];

export class Roster {
  readonly #times: RosterTimes;
  readonly #sessions = new Map<string, RoomSession>();
  /** Sessions without a place: the only ones with deadlines. */
  readonly #unseated = new Set<RoomSession>();
  /** No deadline of theirs is earlier; it may be one that is no more. */
  #dueMs = Number.POSITIVE_INFINITY;
  #members = 0;

  constructor(times: RosterTimes) {
    this.#times = times;
  }

  /** When `due` is to be asked again, monotonic ms. */
  get dueMs(): number {
    return this.#dueMs;
  }

  get size(): number {
    return this.#sessions.size;
  }

  get members(): number {
    return this.#members;
  }

  get seated(): number {
    return this.#sessions.size - this.#unseated.size;
  }

  sessions(): IterableIterator<RoomSession> {
    return this.#sessions.values();
  }

  present(): RoomSession[] {
    return [...this.#sessions.values()].filter((session) => session.present);
  }

  get(session: string): RoomSession | undefined {
    return this.#sessions.get(session);
  }

  /** Adds a session that nobody seated yet. */
  add(from: OpenSession, router: string): RoomSession {
    const session: RoomSession = {
      session: from.session,
      user: from.user,
      since: from.since,
      meta: from.meta as Json | undefined,
      seat: from.seat,
      seatFrom: from.seat,
      seatOffered: 0,
      place: undefined,
      present: false,
      leaveAtMs: 0,
      forgetAtMs: Number.POSITIVE_INFINITY,
      cseq: 0,
      ackedCseq: 0,
      waiting: 0,
      answers: undefined,
      mark: undefined,
      unsureTo: 0,
      lastId: 0,
      ownerLost: false,
      router,
    };
    this.#sessions.set(session.session, session);
    this.#unseated.add(session);
    return session;
  }

  seat(session: RoomSession, seat: number, place: Place): void {
    if (seat > session.seat) {
      session.seat = seat;
      if (seat !== session.seatOffered) session.seatFrom = seat;
      session.cseq = 0;
      session.ackedCseq = 0;
      session.waiting = 0;
      session.answers = undefined;
      session.ownerLost = false;
    }
    session.place = place;
    session.router = place.router;
    this.#unseated.delete(session);
  }

  /** The socket is gone; the session stays resumable. */
  unseat(session: RoomSession, why: 'broken' | 'router-lost', nowMs: number): void {
    session.place = undefined;
    session.leaveAtMs = nowMs + (why === 'broken' ? this.#times.leaveBrokenMs : this.#times.leaveRouterLostMs);
    session.forgetAtMs = nowMs + this.#times.resumeMs;
    this.#dueMs = Math.min(this.#dueMs, session.leaveAtMs, session.forgetAtMs);
    this.#unseated.add(session);
  }

  markPresent(session: RoomSession, present: boolean): void {
    if (session.present === present) return;
    session.present = present;
    this.#members += present ? 1 : -1;
  }

  remove(session: RoomSession): void {
    this.markPresent(session, false);
    this.#sessions.delete(session.session);
    this.#unseated.delete(session);
  }

  /** Sessions whose leave is due now. Those whose time to resume is over are forgotten, which `forgotten` is told. */
  due(nowMs: number, forgotten?: (session: RoomSession) => void): readonly RoomSession[] {
    if (nowMs < this.#dueMs) return NOBODY;
    const leaving: RoomSession[] = [];
    let dueMs = Number.POSITIVE_INFINITY;
    for (const session of this.#unseated) {
      const hasLeft = nowMs >= session.leaveAtMs;
      if (session.present && hasLeft) leaving.push(session);
      if (nowMs >= session.forgetAtMs) {
        this.#unseated.delete(session);
        this.#sessions.delete(session.session);
        forgotten?.(session);
      } else {
        dueMs = Math.min(dueMs, hasLeft ? session.forgetAtMs : session.leaveAtMs);
      }
    }
    this.#dueMs = dueMs;
    return leaving;
  }

  carry(nowMs: number): CarriedSession[] {
    return [...this.#sessions.values()].map((one) => ({
      session: one.session,
      user: one.user,
      since: one.since,
      ...(one.meta === undefined ? {} : { meta: one.meta }),
      seat: one.seat,
      ...(one.seatFrom === one.seat ? {} : { seatFrom: one.seatFrom }),
      ...(one.seatOffered > one.seat ? { seatOffered: one.seatOffered } : {}),
      present: one.present,
      cseq: one.ackedCseq,
      lastId: one.lastId,
      ...(one.answers === undefined ? {} : { answers: one.answers.map(({ atMs: _, ...answer }) => answer) }),
      ...(one.mark === undefined ? {} : { mark: one.mark }),
      ...(one.ownerLost ? { ownerLost: true } : {}),
      ...(one.unsureTo > 0 ? { unsureTo: one.unsureTo } : {}),
      ...(one.place === undefined && one.present ? { leavesMs: Math.max(0, one.leaveAtMs - nowMs) } : {}),
      router: one.router,
    }));
  }

  /** Takes over sessions that wait for their routers to seat them here. */
  restore(carried: readonly CarriedSession[], nowMs: number): void {
    for (const one of carried) {
      const session = this.add({ ...one, handle: 0, kind: 'rebind' }, one.router);
      session.seatFrom = one.seatFrom ?? one.seat;
      session.seatOffered = one.seatOffered ?? 0;
      session.cseq = one.cseq;
      session.ackedCseq = one.cseq;
      session.mark = one.mark;
      session.lastId = one.lastId;
      session.answers = one.answers?.slice(-ANSWERS_MAX).map((answer) => ({ ...answer, atMs: nowMs }));
      session.ownerLost = one.ownerLost === true;
      session.unsureTo = one.unsureTo ?? 0;
      this.markPresent(session, one.present);
      this.unseat(session, 'router-lost', nowMs);
      if (one.leavesMs === undefined) continue;
      session.leaveAtMs = Math.min(session.leaveAtMs, nowMs + one.leavesMs);
      this.#dueMs = Math.min(this.#dueMs, session.leaveAtMs);
    }
  }
}
