/** Which room is at which node, and in which place of its node's picture. Owns: that map. Does not know: pictures, streams.
 *  Invariant: the places of a node are 0 … n − 1 without a hole, so that a node's filled share is its share of rooms; when a room leaves,
 *  the last one takes its place. */

export interface RoomMove {
  readonly room: string;
  readonly from: string | undefined;
  readonly fromPlace: number;
  readonly to: string;
  readonly toPlace: number;
}

export type ShortNames = readonly (number | string)[];

export class RoomModel {
  readonly #where = new Map<string, { node: string; place: number }>();
  readonly #nodes = new Map<string, string[]>();
  /** Nodes whose picture is not up to date. */
  readonly dirty = new Set<string>();

  get size(): number {
    return this.#where.size;
  }

  nodes(): string[] {
    return [...this.#nodes].filter(([, rooms]) => rooms.length > 0).map(([node]) => node);
  }

  count(node: string): number {
    return this.#nodes.get(node)?.length ?? 0;
  }

  room(node: string, place: number): string | undefined {
    return this.#nodes.get(node)?.[place];
  }

  nodeOf(room: string): string | undefined {
    return this.#where.get(room)?.node;
  }

  placeOf(room: string): number | undefined {
    return this.#where.get(room)?.place;
  }

  /** Rooms that begin so, and then those that contain it; at most `limit`. */
  find(text: string, limit: number): string[] {
    const begin: string[] = [];
    const within: string[] = [];
    for (const room of this.#where.keys()) {
      if (room.startsWith(text)) begin.push(room);
      else if (within.length < limit && room.includes(text)) within.push(room);
      if (begin.length >= limit) break;
    }
    return [...begin, ...within].slice(0, limit);
  }

  /** A room is at `to` now. @returns undefined where it was there before */
  move(room: string, to: string): RoomMove | undefined {
    const before = this.#where.get(room);
    if (before?.node === to) return undefined;
    if (before !== undefined) this.#takeOut(before);
    const rooms = this.#roomsOf(to);
    const place = rooms.push(room) - 1;
    this.#where.set(room, { node: to, place });
    this.dirty.add(to);
    return { room, from: before?.node, fromPlace: before?.place ?? 0, to, toPlace: place };
  }

  /** Takes a listing of every node. Of nodes that are named in `incomplete` nothing is taken away.
   *  @returns what has moved; rooms that are new or gone are only changed */
  replace(listing: Readonly<Record<string, ShortNames>>, incomplete: readonly string[]): RoomMove[] {
    const listed = new Set<string>();
    const moves: RoomMove[] = [];
    for (const [node, names] of Object.entries(listing)) {
      for (const room of namesOf(names)) {
        // During a handover two nodes may name it: the first will do until the next listing.
        if (listed.has(room)) continue;
        listed.add(room);
        const move = this.move(room, node);
        if (move?.from !== undefined) moves.push(move);
      }
    }
    for (const [room, at] of [...this.#where]) {
      if (listed.has(room) || incomplete.includes(at.node)) continue;
      const now = this.#where.get(room);
      if (now !== undefined) this.#takeOut(now);
      this.#where.delete(room);
    }
    return moves;
  }

  #takeOut({ node, place }: { node: string; place: number }): void {
    const rooms = this.#roomsOf(node);
    const last = rooms.pop();
    this.dirty.add(node);
    if (last === undefined || place >= rooms.length) return;
    rooms[place] = last;
    const moved = this.#where.get(last);
    if (moved !== undefined) moved.place = place;
  }

  #roomsOf(node: string): string[] {
    let rooms = this.#nodes.get(node);
    if (rooms === undefined) {
      rooms = [];
      this.#nodes.set(node, rooms);
    }
    return rooms;
  }
}

/** The names of a listing, each of which tells how much it shares with the one before. */
function* namesOf(short: ShortNames): Generator<string> {
  let before = '';
  for (let i = 0; i + 1 < short.length; i += 2) {
    before = before.slice(0, Number(short[i])) + String(short[i + 1]);
    yield before;
  }
}
