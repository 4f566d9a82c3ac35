/** Writes presence and users behind their owner's memory. Owns: what is dirty, and when it is asserted again. Does not know: what a
 *  member's leaving means. Invariants: of rooms and users at most `…_IN_FLIGHT_MAX` writes at once; what was not confirmed stays dirty; a dirty entry
 *  holds the newest value only, so the backlog is bounded by the members themselves.
 *  @see DESIGN §6 Projections */
import type { Instant } from '../shared/clock.ts';
import { DirectoryError, type PresenceMember, type Triple, type UserSession } from '../shared/directory/directory.ts';
import type { RandomSource } from '../shared/random.ts';
import type { CallDirectory } from './ports.ts';
import type { RoomSession } from './roster.ts';

const FLUSH_EVERY_MS = 50;
/** What was just opened is written so long after: rooms that are taken over together have their first words logged before. */
export const OPENED_AFTER_MS = 80;
const ROOMS_IN_FLIGHT_MAX = 16;
const USERS_IN_FLIGHT_MAX = 64;
/** The next writes begin once no more than this share is under way, so that they leave together in one write to the connection. */
const REFILL_SHARE = 0.25;
const REASSERT_EVERY_MS = 120_000;
const EXPIRE_MS = 300_000;
/** A write that was given up is executed within this time, or not at all. */
const LATE_WRITE_MS = 5_000;
/** Members in one write: larger rooms are written in several. */
const BATCH_MAX = 500;

/** A room as projections see it. */
export interface ProjectedRoom {
  readonly room: string;
  readonly triple: Triple;
  sessions(): Iterable<RoomSession>;
}

interface DirtyRoom {
  members: Map<string, PresenceMember | undefined>;
  replace: boolean;
}

type UserChange = { readonly set: UserSession } | { readonly removeAt: number };

export interface ProjectionOptions {
  readonly node: string;
  readonly incarnation: string;
  readonly random: RandomSource;
  readonly call: CallDirectory;
  readonly now: () => Instant;
  /** The room under this name that this node holds now. */
  readonly held: (room: string) => ProjectedRoom | undefined;
}

export class Projections {
  readonly #options: ProjectionOptions;
  readonly #rooms = new Map<string, DirtyRoom>();
  readonly #users = new Map<string, Map<string, UserChange>>();
  readonly #reassertAt = new Map<string, number>();
  readonly #busyRooms = new Set<string>();
  readonly #busyUsers = new Set<string>();
  #nextFlushMs = 0;
  #nextScanMs = 0;
  /** The next writes were put off, which is done once. */
  #isHeldBack = false;

  constructor(options: ProjectionOptions) {
    this.#options = options;
  }

  /** How many rooms and users wait to be written. */
  get backlog(): number {
    return this.#rooms.size + this.#users.size;
  }

  changed(room: ProjectedRoom, session: RoomSession): void {
    const dirty = this.#dirty(room.room);
    dirty.members.set(session.session, session.present ? this.#member(session) : undefined);
    this.#changeUser(room, session);
  }

  /** A room is held from now on, or its records may be gone: all of it is written again. @param afterMs  not before that, nor anything
   *  else until then */
  assert(room: ProjectedRoom, nowMs: number, afterMs = 0): void {
    const dirty = this.#dirty(room.room);
    dirty.replace = true;
    if (!this.#isHeldBack) this.#nextFlushMs = Math.max(this.#nextFlushMs, nowMs + afterMs);
    this.#isHeldBack ||= afterMs > 0;
    for (const session of room.sessions()) {
      if (!session.present) continue;
      dirty.members.set(session.session, this.#member(session));
      this.#changeUser(room, session);
    }
    this.#reassertAt.set(room.room, nowMs + REASSERT_EVERY_MS * (0.75 + this.#options.random.unit() * 0.5));
  }

  /** The room is closed for good: nobody is there any more. Written once; what fails expires. */
  vacate(room: ProjectedRoom): void {
    this.forget(room.room);
    const { epoch, incarnation } = room.triple;
    for (const session of room.sessions()) {
      const changes = this.#users.get(session.user) ?? new Map<string, UserChange>();
      this.#users.set(session.user, changes);
      changes.set(session.session, { removeAt: epoch });
    }
    const { node, call, now } = this.#options;
    const asOf = now().wallMs;
    const args = {
      room: room.room,
      epoch,
      incarnation,
      node,
      asOf,
      set: {},
      remove: [],
      replace: true,
      expireMs: EXPIRE_MS,
    };
    call('writePresence', args, () => undefined);
  }

  /** The room is another's now: its records are too. */
  forget(room: string): void {
    this.#rooms.delete(room);
    this.#reassertAt.delete(room);
  }

  tick(now: Instant): void {
    if (now.monoMs >= this.#nextScanMs) {
      this.#nextScanMs = now.monoMs + 1_000;
      for (const [name, at] of this.#reassertAt) {
        if (now.monoMs < at) continue;
        const room = this.#options.held(name);
        // Not held for the moment, or it would have been forgotten.
        if (room !== undefined) this.assert(room, now.monoMs);
      }
    }
    if (now.monoMs < this.#nextFlushMs) return;
    this.#nextFlushMs = now.monoMs + FLUSH_EVERY_MS;
    this.#isHeldBack = false;
    this.#flush(now);
  }

  /** Writes what is dirty, within the bounds of writes under way: rooms and users each have their own, so that neither starves.
   *  Answers make room for the next writes without a pause, so the pace is Redis' own. */
  #flush(now: Instant): void {
    for (const [name, dirty] of this.#rooms) {
      if (this.#busyRooms.size >= ROOMS_IN_FLIGHT_MAX) break;
      if (!this.#busyRooms.has(name)) this.#writeRoom(name, dirty, now);
    }
    for (const [user, changes] of this.#users) {
      if (this.#busyUsers.size >= USERS_IN_FLIGHT_MAX) break;
      if (!this.#busyUsers.has(user)) this.#writeUser(user, changes);
    }
  }

  #refill(): void {
    const rooms = this.#rooms.size > 0 && this.#busyRooms.size <= ROOMS_IN_FLIGHT_MAX * REFILL_SHARE;
    const users = this.#users.size > 0 && this.#busyUsers.size <= USERS_IN_FLIGHT_MAX * REFILL_SHARE;
    if (rooms || users) this.#flush(this.#options.now());
  }

  #dirty(room: string): DirtyRoom {
    let dirty = this.#rooms.get(room);
    if (dirty === undefined) {
      dirty = { members: new Map(), replace: false };
      this.#rooms.set(room, dirty);
    }
    return dirty;
  }

  #member(session: RoomSession): PresenceMember {
    return {
      user: session.user,
      node: this.#options.node,
      router: session.router,
      since: session.since,
      ...(session.meta === undefined ? {} : { meta: session.meta }),
    };
  }

  #changeUser(room: ProjectedRoom, session: RoomSession): void {
    let changes = this.#users.get(session.user);
    if (changes === undefined) {
      changes = new Map();
      this.#users.set(session.user, changes);
    }
    const { epoch, incarnation } = room.triple;
    const set: UserSession = {
      room: room.room,
      node: this.#options.node,
      incarnation,
      router: session.router,
      epoch,
      since: session.since,
    };
    changes.set(session.session, session.present ? { set } : { removeAt: epoch });
  }

  #writeRoom(name: string, dirty: DirtyRoom, now: Instant): void {
    const room = this.#options.held(name);
    if (room === undefined) return;
    this.#rooms.delete(name);
    const set: Record<string, PresenceMember> = {};
    const remove: string[] = [];
    const rest: DirtyRoom = { members: new Map(), replace: false };
    let size = 0;
    for (const [session, member] of dirty.members) {
      if (++size > BATCH_MAX) rest.members.set(session, member);
      else if (member === undefined) remove.push(session);
      else set[session] = member;
    }
    if (rest.members.size > 0) this.#rooms.set(name, rest);
    this.#busyRooms.add(name);
    const args = {
      room: name,
      epoch: room.triple.epoch,
      incarnation: room.triple.incarnation,
      node: this.#options.node,
      asOf: now.wallMs,
      set,
      remove,
      replace: dirty.replace,
      expireMs: EXPIRE_MS,
    };
    this.#options.call('writePresence', args, (result) => {
      this.#busyRooms.delete(name);
      const reassertAtMs = this.#reassertAt.get(name);
      if (!(result instanceof DirectoryError)) return this.#refill();
      if (reassertAtMs === undefined) return;
      // It may yet be executed, and undo what is written in the meantime: once that is past, all of it is written anew.
      this.#reassertAt.set(name, Math.min(reassertAtMs, this.#options.now().monoMs + LATE_WRITE_MS));
      const again = this.#dirty(name);
      again.replace ||= dirty.replace;
      for (const [session, member] of dirty.members) {
        if (!again.members.has(session)) again.members.set(session, member);
      }
    });
  }

  #writeUser(user: string, changes: Map<string, UserChange>): void {
    this.#users.delete(user);
    const set: Record<string, UserSession> = {};
    const remove: { session: string; epoch: number }[] = [];
    for (const [session, change] of changes) {
      if ('set' in change) set[session] = change.set;
      else remove.push({ session, epoch: change.removeAt });
    }
    this.#busyUsers.add(user);
    this.#options.call('writeUser', { user, set, remove, expireMs: EXPIRE_MS }, (result) => {
      this.#busyUsers.delete(user);
      if (!(result instanceof DirectoryError)) return this.#refill();
      const again = this.#users.get(user);
      if (again === undefined) this.#users.set(user, changes);
      else for (const [session, change] of changes) if (!again.has(session)) again.set(session, change);
    });
  }
}
