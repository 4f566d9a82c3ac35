/** Who is in the room, as far as the server told. Owns: the list. Does not know: sockets. */
import type { JoinMessage, LeaveMessage, MembersMessage, PresenceEntry, PresenceMessage } from '../shared/protocol.ts';

export interface Members {
  readonly count: number;
  readonly list: readonly PresenceEntry[];
  /** False in a large room: the rest is to be asked for over HTTP. */
  readonly complete: boolean;
}

export class MemberList {
  readonly #bySession = new Map<string, PresenceEntry>();
  #view: Members = { count: 0, list: [], complete: false };

  get view(): Members {
    return this.#view;
  }

  replace({ members, count, complete }: PresenceMessage): void {
    this.#bySession.clear();
    for (const entry of members) this.#bySession.set(entry.session, entry);
    this.#show(count, complete);
  }

  join({ session, user, at, members }: JoinMessage): void {
    this.#bySession.set(session, { session, user, since: at });
    this.#show(members, this.#view.complete);
  }

  leave({ session, members }: LeaveMessage): void {
    this.#bySession.delete(session);
    this.#show(members, this.#view.complete);
  }

  /** Only how many there are is told of a large room. */
  count({ count }: MembersMessage): void {
    this.#show(count, false);
  }

  #show(count: number, complete: boolean): void {
    this.#view = { count, list: [...this.#bySession.values()], complete };
  }
}
