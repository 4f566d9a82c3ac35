/** What a room tells of its members: each join and leave of a small room, a count now and then of a large one, the list to whoever comes.
 *  Owns: the version of the membership, and which summary is due. Does not know: why somebody comes or goes.
 *  Invariant: the version grows with every change that a member could be told of, and never goes back, whoever owns the room.
 *  @see DESIGN §7 join, leave, members, presence */
import type { Instant } from '../shared/clock.ts';
import * as encode from '../shared/protocol-encode.ts';
import { textFrame } from '../shared/websocket-frame.ts';
import type { RoomBindings } from './room-bindings.ts';
import type { RoomLimits, RoomOutput } from './room-output.ts';
import { PRESENCE_KEPT_MS, PresenceList } from './room-presence.ts';
import type { RoomSession, Roster } from './roster.ts';

/** What is told in sum (the count of a large room, the list after a change of meta) is told at most this often, milliseconds. */
const SUMMARY_EVENT_MS = 1_000;
/** Versions that one epoch leaves to the next: an epoch is not below the ms at which it began, so an owner that makes fewer changes a ms
 *  stays below its successor's first. */
const VERSIONS_PER_EPOCH = 1_000;

export class RoomNews {
  readonly #limits: RoomLimits;
  readonly #output: RoomOutput;
  readonly #roster: Roster;
  readonly #bindings: RoomBindings;
  readonly #list: PresenceList;
  #version: number;
  #summaryAtMs = 0;
  #summaryDue: 'none' | 'count' | 'presence' = 'none';

  constructor(limits: RoomLimits, output: RoomOutput, roster: Roster, bindings: RoomBindings, version: number) {
    this.#limits = limits;
    this.#output = output;
    this.#roster = roster;
    this.#bindings = bindings;
    this.#list = new PresenceList(limits.presenceMembersMax, () => roster.sessions());
    this.#version = version;
  }

  get version(): number {
    return this.#version;
  }

  /** The room is owned under this epoch from here on. */
  begin(epoch: number): void {
    this.#version = Math.max(this.#version, epoch * VERSIONS_PER_EPOCH);
  }

  arrived(session: RoomSession, announce: boolean, now: Instant): void {
    this.#list.arrived(session);
    this.#version++;
    if (announce) this.#announce('join', session, now);
  }

  departed(session: RoomSession, now: Instant): void {
    this.#list.departed(session, this.#roster.members);
    this.#version++;
    this.#announce('leave', session, now);
  }

  /** What members show of themselves has changed. */
  changed(): void {
    this.#version++;
    this.#list.forget();
  }

  #announce(what: 'join' | 'leave', session: RoomSession, now: Instant): void {
    const { members } = this.#roster;
    if (members > this.#limits.namedMembersMax) {
      if (this.#summaryDue === 'none') this.summarise('count', now);
      return;
    }
    const { user, session: id } = session;
    const event = { user, session: id, at: now.wallMs, version: this.#version, members };
    const text = what === 'join' ? encode.join(event) : encode.leave(event);
    this.#bindings.cast('event', 0, textFrame(text), session.place);
  }

  /** The list, as of now. */
  listText(now: Instant): string {
    if (!this.#list.isKept) this.#output.wake(now.monoMs + PRESENCE_KEPT_MS);
    return this.#list.text(this.#version, this.#roster.members);
  }

  summarise(what: 'count' | 'presence', now: Instant): void {
    this.#summaryDue = what;
    this.#output.wake(Math.max(now.monoMs, this.dueMs));
  }

  get dueMs(): number {
    return this.#summaryDue === 'none' ? Number.POSITIVE_INFINITY : this.#summaryAtMs + SUMMARY_EVENT_MS;
  }

  /** The list is made anew when it is asked for next. */
  forgetList(): void {
    this.#list.forget();
  }

  tick(now: Instant): void {
    if (now.monoMs < this.dueMs) return;
    const isCount = this.#summaryDue === 'count';
    const text = isCount ? encode.members({ count: this.#roster.members, version: this.#version }) : this.listText(now);
    this.#summaryDue = 'none';
    this.#summaryAtMs = now.monoMs;
    this.#bindings.cast(isCount ? 'ephemeral' : 'event', 0, textFrame(text));
  }
}
