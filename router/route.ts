/** One room as its router sees it: where its owner is, under which binding, whose sessions it has here. Owns: the shape of that
 *  state. Does not know: how owners are found (core.ts). */
import type { Cursor } from '../shared/link/messages.ts';
import type { ClientSession } from './session.ts';

/** A node to which a room's sessions are, or are to be, seated. */
export interface Holder {
  readonly node: string;
  readonly incarnation: string;
}

export type RouteState =
  /** Wants an owner: queued to be looked up. */
  | { readonly kind: 'idle' }
  | { readonly kind: 'reading' }
  /** An OPEN is under way, sent at `sinceMs`. */
  | { readonly kind: 'opening'; readonly at: Holder; readonly sinceMs: number }
  | { readonly kind: 'bound'; readonly at: Holder; readonly handle: number; readonly group: number }
  /** Nothing can be done before `untilMs`, or before what it waits for: a link or a certificate of `on`. */
  | { readonly kind: 'waiting'; readonly untilMs: number; readonly on: Holder | undefined };

export interface Route {
  readonly room: string;
  readonly sessions: Map<number, ClientSession>;
  state: RouteState;
  /** Highest epoch that an owner told this router for the room. */
  floor: number;
  /** Last delivery, and the tag it was under. */
  cursor: Cursor | undefined;
  /** Where the room was last bound: whose direct messages still count until it is bound again. */
  last: Holder | undefined;
  /** Redirections since it was last bound. */
  hops: number;
  /** Pauses since it was last bound. */
  pauses: number;
  /** Nodes that said they are draining, not to be asked again for this room until it is bound. */
  avoid: Set<string>;
  /** When it lost its owner: how long a takeover lasted, monotonic ms. */
  lostMs: number | undefined;
}

/** What a BIND told: which room a handle of one incarnation stands for. */
export interface Binding {
  readonly route: Route;
  readonly group: number;
  readonly epoch: number;
  readonly tag: string;
  /** Seq of the last message that was cast under it, or the one before its first. */
  head: number;
}

export function newRoute(room: string): Route {
  return {
    room,
    sessions: new Map(),
    state: { kind: 'idle' },
    floor: 0,
    cursor: undefined,
    last: undefined,
    hops: 0,
    pauses: 0,
    avoid: new Set(),
    lostMs: undefined,
  };
}

/** What is remembered of rooms without sessions here: bounded, oldest use dropped first. */
export class RouteCache {
  readonly #max: number;
  readonly #entries = new Map<string, { readonly at: Holder; readonly floor: number; readonly seenMs: number }>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#entries.size;
  }

  put(room: string, at: Holder, floor: number, nowMs: number): void {
    const before = this.#entries.get(room);
    this.#entries.delete(room);
    this.#entries.set(room, { at, floor: Math.max(floor, before?.floor ?? 0), seenMs: nowMs });
    if (this.#entries.size <= this.#max) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      break;
    }
  }

  /** What was remembered of where the room is proved wrong; its floor stays. */
  forgetPlace(room: string): void {
    const entry = this.#entries.get(room);
    if (entry !== undefined) this.#entries.set(room, { ...entry, seenMs: Number.NEGATIVE_INFINITY });
  }

  /** Highest epoch known of a room. */
  floor(room: string): number {
    return this.#entries.get(room)?.floor ?? 0;
  }

  /** Where the room was, if that is not older than `maxAgeMs`. */
  get(room: string, nowMs: number, maxAgeMs: number): Holder | undefined {
    const entry = this.#entries.get(room);
    return entry !== undefined && nowMs - entry.seenMs <= maxAgeMs ? entry.at : undefined;
  }

  /** Where the room last was, however long ago. */
  lastKnown(room: string): Holder | undefined {
    return this.#entries.get(room)?.at;
  }
}
