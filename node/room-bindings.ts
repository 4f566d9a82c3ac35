/** The routers that hear a room: one binding for each link, and what is cast to them. Owns: the bindings and which of them are stale.
 *  Does not know: sessions, beyond how many a router has here.
 *  Invariant: a cast is one message for each router, however many members sit behind it; nothing is cast under a stale binding. */
import type { Triple } from '../shared/directory/directory.ts';
import type { CastClass } from '../shared/link/messages.ts';
import type { RoomOutput } from './room-output.ts';
import type { Place } from './roster.ts';

/** One router's share in the room: every session seated on that link. */
export interface Binding {
  readonly handle: number;
  sessions: number;
  /** Made under an earlier tag: nothing is cast under it any more, its router is about to show its cursor. */
  stale: boolean;
  /** Since when it is stale, monotonic ms. */
  staleMs: number;
}

/** A router that was told to show its cursor does so within this time, milliseconds. */
const STALE_BINDING_MS = 1_000;

export class RoomBindings {
  readonly #room: string;
  readonly #output: RoomOutput;
  readonly #byLink = new Map<number, Binding>();
  /** Where it was bound before: what it said there may still be queued. As many as there were links at most. */
  readonly #before = new Set<number>();
  casts = 0;
  castBytes = 0;

  constructor(room: string, output: RoomOutput) {
    this.#room = room;
    this.#output = output;
  }

  get links(): readonly number[] {
    return [...this.#byLink.keys()];
  }

  /** Links on which something of this room may be queued. A handover, and a release, waits until that has left: it is of a tag that is
   *  superseded then. */
  get spokenLinks(): readonly number[] {
    return [...new Set([...this.#byLink.keys(), ...this.#before])];
  }

  /** When the first stale one is to be given up, monotonic ms; infinite while none is stale. */
  get dueMs(): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const { stale, staleMs } of this.#byLink.values()) {
      if (stale) dueMs = Math.min(dueMs, staleMs + STALE_BINDING_MS);
    }
    return dueMs;
  }

  get(link: number): Binding | undefined {
    return this.#byLink.get(link);
  }

  /** Binds a link's router anew. @param head  the last message that it has */
  bind(link: number, triple: Triple, head: number, sessions: number): Binding {
    const binding: Binding = { handle: this.#output.newHandle(), sessions, stale: false, staleMs: 0 };
    this.#byLink.set(link, binding);
    this.#output.send(link, { type: 'bind', handle: binding.handle, room: this.#room, ...triple, head });
    return binding;
  }

  unbind(link: number): boolean {
    if (!this.#byLink.delete(link)) return false;
    this.#before.add(link);
    return true;
  }

  /** A session has left this link. */
  release(link: number): void {
    const binding = this.#byLink.get(link);
    if (binding !== undefined && --binding.sessions <= 0) this.unbind(link);
  }

  /** Nothing more is cast to `link`, or to any, until it is bound anew. */
  void(nowMs: number, link?: number): void {
    for (const [at, binding] of this.#byLink) {
      if (binding.stale || (link !== undefined && link !== at)) continue;
      binding.stale = true;
      binding.staleMs = nowMs;
    }
  }

  /** Links whose router does not show a cursor: it has no session of this room any more, though it could not say so. */
  givenUp(nowMs: number): readonly number[] {
    return this.links.filter((link) => {
      const binding = this.#byLink.get(link);
      return binding?.stale === true && nowMs - binding.staleMs >= STALE_BINDING_MS;
    });
  }

  /** Casts to every router. @param excluded  the one place that does not hear it */
  cast(castClass: CastClass, seq: number, frame: Buffer, excluded?: Place): void {
    this.casts++;
    this.castBytes += frame.length;
    for (const [link, binding] of this.#byLink) {
      this.castTo(link, binding, castClass, seq, frame, excluded?.link === link ? excluded.handle : 0);
    }
  }

  castTo(link: number, binding: Binding, castClass: CastClass, seq: number, frame: Buffer, excluded = 0): void {
    if (binding.stale) return;
    this.#output.count('casts');
    this.#output.send(link, { type: 'cast', room: binding.handle, class: castClass, seq, excluded, frame });
  }

  /** Tells every router that the room is closed for good. */
  tellGone(code: number, reason: string): void {
    for (const [link, { handle }] of this.#byLink)
      this.#output.send(link, { type: 'gone', room: handle, code, reason });
  }
}
