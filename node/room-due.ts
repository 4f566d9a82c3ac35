/** When each hosted room wants to be looked at again. Owns: the order in which rooms are due; a room that has nothing timed is not in
 *  it, so that it costs nothing. Does not know: what is done with a room that is due.
 *  Invariants: a room's next look is never later than the earliest time it was woken for since its last one; a room is in here once. */
import type { Hosted } from './hosted.ts';

/** A binary heap by `dueMs`, in which each room knows its place. */
export class DueRooms {
  readonly #heap: Hosted[] = [];

  get size(): number {
    return this.#heap.length;
  }

  /** Has `hosted` looked at once `atMs` (monotonic) is reached; a later time than it is due at already changes nothing. */
  wake(hosted: Hosted, atMs: number): void {
    if (atMs >= hosted.dueMs) return;
    const isNew = hosted.dueMs === Number.POSITIVE_INFINITY;
    hosted.dueMs = atMs;
    this.#rise(hosted, isNew ? this.#heap.length : hosted.dueAt);
  }

  /** Takes out the rooms that are due, earliest first. Whoever is to be looked at again has to be woken again. */
  take(nowMs: number): readonly Hosted[] {
    const rooms: Hosted[] = [];
    for (let first = this.#heap[0]; first !== undefined && first.dueMs <= nowMs; first = this.#heap[0]) {
      this.remove(first);
      rooms.push(first);
    }
    return rooms;
  }

  /** The room is not hosted any more. */
  remove(hosted: Hosted): void {
    if (hosted.dueMs === Number.POSITIVE_INFINITY) return;
    hosted.dueMs = Number.POSITIVE_INFINITY;
    const last = this.#heap.pop();
    if (last === undefined || last === hosted) return;
    this.#sink(last, hosted.dueAt);
    this.#rise(last, last.dueAt);
  }

  /** Puts `hosted` at `at` or, where it is due before them, in place of those above. */
  #rise(hosted: Hosted, at: number): void {
    let place = at;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || parent.dueMs <= hosted.dueMs) break;
      this.#put(parent, place);
      place = above;
    }
    this.#put(hosted, place);
  }

  #sink(hosted: Hosted, at: number): void {
    let place = at;
    for (;;) {
      const left = this.#heap[2 * place + 1];
      const right = this.#heap[2 * place + 2];
      const isRight = left !== undefined && right !== undefined && right.dueMs < left.dueMs;
      const least = isRight ? right : left;
      if (least === undefined || least.dueMs >= hosted.dueMs) break;
      this.#put(least, place);
      place = 2 * place + (isRight ? 2 : 1);
    }
    this.#put(hosted, place);
  }

  #put(hosted: Hosted, at: number): void {
    this.#heap[at] = hosted;
    hosted.dueAt = at;
  }
}
