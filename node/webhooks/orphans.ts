/** Rooms whose teller died and which nobody opened since. Owns: when they are looked for, and which of them this node opens. Does not
 *  know: how a room is opened, what is told of it.
 *  Usually clients bring a room to its next owner, who tells that it has. Where all of them went with it, nobody would: then the
 *  node that placement prefers opens the room, finds in Redis who was there, and tells that they left.
 *  Invariant: Redis is asked only after an incarnation went, and once after the start. */
import type { Instant } from '../../shared/clock.ts';
import { DirectoryError } from '../../shared/directory/directory.ts';
import { jittered, type RandomSource } from '../../shared/random.ts';
import type { CallDirectory } from '../ports.ts';

export interface OrphansOptions {
  readonly call: CallDirectory;
  readonly now: () => Instant;
  readonly random: RandomSource;
  /** Incarnations that live, as last read; undefined before the first read. */
  readonly living: () => ReadonlySet<string> | undefined;
  /** Whether placement prefers this node for the room. */
  readonly isMine: (room: string) => boolean;
  /** Opens a room. @param done  whether it is somebody's now, this node's or another's */
  readonly open: (room: string, done: (isOwned: boolean) => void) => void;
}

/** Clients come first: most rooms are opened by them within this time, milliseconds. */
const AFTER_MS = 5_000;
const AGAIN_MS = 2_000;
const LOOK_EVERY_MS = 500;
/** A few at a time, so that claims of rooms that somebody waits for are not held up. */
const OPENED_PER_LOOK = 100;

export class Orphans {
  readonly #options: OrphansOptions;
  #known: ReadonlySet<string> | undefined;
  #sweepAtMs = Number.POSITIVE_INFINITY;
  #found: string[] = [];
  #isAsking = false;
  #nextLookMs = 0;

  constructor(options: OrphansOptions) {
    this.#options = options;
  }

  tick(now: Instant): void {
    if (now.monoMs < this.#nextLookMs) return;
    this.#nextLookMs = now.monoMs + LOOK_EVERY_MS;
    const living = this.#options.living();
    if (living === undefined) return;
    const before = this.#known;
    this.#known = living;
    if (before === undefined || [...before].some((incarnation) => !living.has(incarnation)))
      this.#sweepIn(AFTER_MS, now);
    for (const room of this.#found.splice(0, OPENED_PER_LOOK)) this.#open(room);
    if (now.monoMs >= this.#sweepAtMs && !this.#isAsking && this.#found.length === 0) this.#sweep();
  }

  #sweepIn(ms: number, now: Instant): void {
    this.#sweepAtMs = Math.min(this.#sweepAtMs, now.monoMs + jittered(this.#options.random, ms, 0.2));
  }

  #sweep(): void {
    this.#isAsking = true;
    this.#sweepAtMs = Number.POSITIVE_INFINITY;
    this.#options.call('readTellers', {}, (reply) => {
      this.#isAsking = false;
      if (reply instanceof DirectoryError) return this.#sweepIn(AGAIN_MS, this.#options.now());
      const living = this.#options.living();
      this.#found = reply.tellers.flatMap(({ room, incarnation }) => (living?.has(incarnation) === true ? [] : [room]));
    });
  }

  #open(room: string): void {
    if (!this.#options.isMine(room)) return;
    this.#options.open(room, (isOwned) => {
      if (!isOwned) this.#sweepIn(AGAIN_MS, this.#options.now());
    });
  }
}
