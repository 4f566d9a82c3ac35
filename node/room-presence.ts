/** The list of members as `presence` shows it, kept while members come, so that a storm of joins does not write it anew for each.
 *  Owns: the JSON of the members listed. Does not know: who is asked to hear it, how members come and go.
 *  Invariants: it holds no more members than one event may name and one frame can hold; it is a memory only: `forget` changes no text
 *  but the order of members and, in a room with more members than are listed, which of them. */
import { FRAME_BYTES_MAX } from './room-state.ts';
import type { RoomSession } from './roster.ts';

/** What is around the members: version, count and the rest. */
const ENVELOPE_BYTES_MAX = 512;
/** A list that lost more of its members than this, while others are not in it, is made anew. */
const FILLED_SHARE_MIN = 0.9;

/** The list of members is let go this long after it was made: whoever comes in a storm comes within that, milliseconds. */
export const PRESENCE_KEPT_MS = 1_000;

export class PresenceList {
  readonly #membersMax: number;
  readonly #sessions: () => Iterable<RoomSession>;
  /** Those listed, each with its JSON; undefined while nothing is remembered. */
  #listed: Map<RoomSession, string> | undefined;
  /** The JSON of all that are listed, with commas; undefined once one of them is gone. */
  #joined: string | undefined;
  #bytes = 0;
  #isFull = false;

  /** @param sessions  the room's, in any order; those that are not present are passed over */
  constructor(membersMax: number, sessions: () => Iterable<RoomSession>) {
    this.#membersMax = membersMax;
    this.#sessions = sessions;
  }

  /** Whether anything is remembered that `forget` would let go. */
  get isKept(): boolean {
    return this.#listed !== undefined;
  }

  arrived(session: RoomSession): void {
    if (this.#listed !== undefined && !this.#isFull) this.#append(this.#listed, session);
  }

  /** @param count  members that are left */
  departed(session: RoomSession, count: number): void {
    const listed = this.#listed;
    const json = listed?.get(session);
    if (listed === undefined || json === undefined) return;
    listed.delete(session);
    this.#bytes -= Buffer.byteLength(json) + 1;
    this.#joined = undefined;
    const wouldFit = count <= this.#membersMax || listed.size < this.#membersMax * FILLED_SHARE_MIN;
    if (this.#isFull && wouldFit) this.forget();
  }

  /** Lets the memory go: nobody has come for a while, or what members show of themselves has changed. */
  forget(): void {
    this.#listed = undefined;
    this.#joined = undefined;
  }

  /** The `presence` event. */
  text(version: number, count: number): string {
    const listed = this.#listed ?? this.#make();
    this.#joined ??= [...listed.values()].join();
    const isComplete = listed.size === count;
    return `{"type":"presence","version":${version},"members":[${this.#joined}],"count":${count},"complete":${isComplete}}`;
  }

  #make(): ReadonlyMap<RoomSession, string> {
    const listed = new Map<RoomSession, string>();
    this.#listed = listed;
    this.#joined = '';
    this.#bytes = ENVELOPE_BYTES_MAX;
    this.#isFull = false;
    for (const session of this.#sessions()) {
      if (session.present) this.#append(listed, session);
      if (this.#isFull) break;
    }
    return listed;
  }

  #append(listed: Map<RoomSession, string>, session: RoomSession): void {
    const { user, session: id, since, meta } = session;
    const json = JSON.stringify({ user, session: id, since, meta });
    const bytes = Buffer.byteLength(json) + 1;
    if (listed.size >= this.#membersMax || this.#bytes + bytes > FRAME_BYTES_MAX) {
      this.#isFull = true;
      return;
    }
    listed.set(session, json);
    this.#bytes += bytes;
    if (this.#joined !== undefined) this.#joined = this.#joined === '' ? json : `${this.#joined},${json}`;
  }
}
