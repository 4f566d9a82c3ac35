/** What one room shows around a fault: when a new owner was first heard, how long it was silent, the slowest publish. Owns: these figures
 *  since the last mark. Does not know: faults. Pure. */
import { epochOf } from '../checker/rule.ts';

export class RoomWatch {
  readonly room: string;
  #epoch = 0;
  #lastMs = 0;
  #markMs = 0;
  #nextOwner: { readonly atMs: number; readonly silentMs: number } | undefined;
  #nextSaidMs: number | undefined;
  #slowestAckMs = 0;
  #longestSilenceMs = 0;
  /** When the youngest message that was heard was said. */
  #youngestMs = 0;

  constructor(room: string) {
    this.room = room;
  }

  /** A fault strikes at this moment. */
  mark(atMs: number): void {
    this.#markMs = atMs;
    this.#nextOwner = undefined;
    this.#nextSaidMs = undefined;
    this.#slowestAckMs = 0;
    this.#longestSilenceMs = 0;
  }

  message(tag: string, saidMs: number | undefined, atMs: number): void {
    const epoch = epochOf(tag);
    if (epoch > this.#epoch) {
      if (this.#epoch > 0 && this.#markMs > 0) this.#nextOwner ??= { atMs, silentMs: atMs - this.#lastMs };
      this.#epoch = epoch;
    }
    if (saidMs !== undefined) {
      if (saidMs >= this.#markMs) this.#nextSaidMs ??= atMs;
      this.#youngestMs = Math.max(this.#youngestMs, saidMs);
    }
    this.#longestSilenceMs = Math.max(this.#longestSilenceMs, atMs - Math.max(this.#lastMs, this.#markMs));
    this.#lastMs = Math.max(this.#lastMs, atMs);
  }

  acked(tookMs: number): void {
    this.#slowestAckMs = Math.max(this.#slowestAckMs, tookMs);
  }

  /** From the mark to the first message of a next owner, ms. */
  get nextOwnerMs(): number | undefined {
    return this.#nextOwner === undefined ? undefined : this.#nextOwner.atMs - this.#markMs;
  }

  /** Between the last message of the one owner and the first of the next, ms. */
  get silentMs(): number | undefined {
    return this.#nextOwner?.silentMs;
  }

  /** From the mark to the first message that was said after it, ms. */
  get nextMessageMs(): number | undefined {
    return this.#nextSaidMs === undefined ? undefined : this.#nextSaidMs - this.#markMs;
  }

  /** The longest time since the mark in which nothing was heard, up to the last message, ms. */
  get longestSilenceMs(): number {
    return this.#longestSilenceMs;
  }

  /** Whether something was heard that was said at this moment or later. */
  isHeardSince(saidMs: number): boolean {
    return this.#youngestMs >= saidMs;
  }

  /** The slowest publish acked since the mark, ms. */
  get slowestAckMs(): number {
    return this.#slowestAckMs;
  }
}
