/** Rooms that this router has sent to nodes whose heartbeats cannot tell of them yet. Owns: how many those are for each node. Does not
 *  know: where a room should go, or whether the node took it.
 *  Heartbeats are read every few hundred milliseconds, and a burst of new rooms is over by then: judged by what was read last, each of
 *  them would find the same node to be the least loaded.
 *  Invariants: a room counts once, at the node it was sent to last; it counts until the node has written two more heartbeats, since the
 *  next one may have been under way already; at most `ROOMS_MAX` are known, the oldest go first. */
import type { Beat } from '../shared/directory/directory.ts';

const ROOMS_MAX = 20_000;
const BEATS = 2;

interface Sent {
  readonly node: string;
  readonly incarnation: string;
  /** The node's heartbeat that was read last, when the room was sent. */
  readonly counter: number;
}

export class Placed {
  /** In the order in which they were sent. */
  readonly #rooms = new Map<string, Sent>();
  readonly #counts = new Map<string, number>();

  /** The room was sent there. @param beat  the last one read of that node */
  add(room: string, at: { readonly node: string; readonly incarnation: string }, beat: Beat | undefined): void {
    this.#forget(room);
    const counter = beat?.incarnation === at.incarnation ? beat.counter : 0;
    this.#rooms.set(room, { node: at.node, incarnation: at.incarnation, counter });
    this.#counts.set(at.node, this.at(at.node) + 1);
    for (const oldest of this.#rooms.keys()) {
      if (this.#rooms.size <= ROOMS_MAX) return;
      this.#forget(oldest);
    }
  }

  /** How many the node's heartbeats do not tell of yet. */
  at(node: string): number {
    return this.#counts.get(node) ?? 0;
  }

  /** Heartbeats were read: what they tell of is not counted any more. */
  read(beats: Readonly<Record<string, Beat>>): void {
    for (const [room, { node, incarnation, counter }] of this.#rooms) {
      const beat = beats[node];
      if (beat === undefined) continue;
      // One that went back counts in another history: it may take days to come to where it was.
      const isTold = beat.counter >= counter + BEATS || beat.counter < counter;
      if (beat.incarnation !== incarnation || isTold) this.#forget(room);
    }
  }

  #forget(room: string): void {
    const sent = this.#rooms.get(room);
    if (sent === undefined) return;
    this.#rooms.delete(room);
    const left = this.at(sent.node) - 1;
    if (left > 0) this.#counts.set(sent.node, left);
    else this.#counts.delete(sent.node);
  }
}
