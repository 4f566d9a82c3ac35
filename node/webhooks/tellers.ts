/** Rooms of which nobody has to be told any more. Owns: their names until Redis has let them go. Does not know: events, receivers.
 *  A name that stays costs little: once this incarnation is gone, another opens the room and finds nothing to tell.
 *  Invariant: one write is under way at a time; the name of a room that is told of is not taken away. */
import { DirectoryError } from '../../shared/directory/directory.ts';
import type { CallDirectory } from '../ports.ts';

export interface TellersOptions {
  readonly call: CallDirectory;
  /** Whether the room is told of again. */
  readonly isTold: (room: string) => boolean;
}

/** Names that wait for Redis; one more is left to whoever looks for orphans. */
const WAITING_MAX = 10_000;
const AT_ONCE_MAX = 500;
const AGAIN_MS = 1_000;

export class Tellers {
  readonly #options: TellersOptions;
  /** Room → the incarnation that told of it. */
  readonly #dropped = new Map<string, string>();
  #isBusy = false;
  #notBeforeMs = 0;

  constructor(options: TellersOptions) {
    this.#options = options;
  }

  drop(room: string, incarnation: string): void {
    if (this.#dropped.size < WAITING_MAX) this.#dropped.set(room, incarnation);
  }

  tick(nowMs: number): void {
    if (this.#isBusy || nowMs < this.#notBeforeMs) return;
    for (const room of this.#dropped.keys()) if (this.#options.isTold(room)) this.#dropped.delete(room);
    const [first] = this.#dropped;
    if (first === undefined) return;
    const [, incarnation] = first;
    const its = [...this.#dropped].filter(([, by]) => by === incarnation);
    const drop = its.slice(0, AT_ONCE_MAX).map(([room]) => room);
    this.#isBusy = true;
    this.#options.call('writeTellers', { incarnation, add: [], drop }, (reply) => {
      this.#isBusy = false;
      if (reply instanceof DirectoryError) this.#notBeforeMs = nowMs + AGAIN_MS;
      else for (const room of drop) this.#dropped.delete(room);
    });
  }
}
