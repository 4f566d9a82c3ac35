/** The last thing a node does before it says that it has left: it sees to it that every router has read what it was told. Owns: which
 *  routers have answered since. Does not know: what they were told.
 *  A router cuts the link of a node that has left as soon as Redis says so, and what is still on its way then is lost to it: the rest of
 *  a room's messages, and where the room has gone.
 *  Invariant: `done` is called once, at the latest after `HEARD_MS`: a router that stands still delays a leave, and does not keep it. */
import type { Instant } from '../shared/clock.ts';
import type { NodePorts } from './ports.ts';

/** A router that lives answers within a few milliseconds; one that does not is waited for no longer. */
export const HEARD_MS = 1_000;

export class Farewell {
  readonly #waits: Set<number>;
  readonly #untilMs: number;
  readonly #done: (now: Instant) => void;
  /** Everything was handed to the kernel by then: an answer to what was asked later comes behind it. Monotonic ms. */
  #askedMs = Number.POSITIVE_INFINITY;
  #isOver = false;

  /** @param links  those of routers */
  constructor(
    ports: Pick<NodePorts, 'afterHandedOver' | 'ping'>,
    links: readonly number[],
    now: () => Instant,
    done: (now: Instant) => void,
  ) {
    this.#waits = new Set(links);
    this.#untilMs = now().monoMs + HEARD_MS;
    this.#done = done;
    ports.afterHandedOver(links, () => {
      this.#askedMs = now().monoMs;
      for (const link of this.#waits) ports.ping(link);
      this.#look(now());
    });
  }

  /** A router answered what was asked at `askedAt`. */
  answered(link: number, askedAt: Instant, now: Instant): void {
    if (askedAt.monoMs < this.#askedMs) return;
    this.#waits.delete(link);
    this.#look(now);
  }

  linkDown(link: number, now: Instant): void {
    this.#waits.delete(link);
    this.#look(now);
  }

  tick(now: Instant): void {
    if (now.monoMs >= this.#untilMs) this.#end(now);
  }

  #look(now: Instant): void {
    if (this.#waits.size === 0 && this.#askedMs !== Number.POSITIVE_INFINITY) this.#end(now);
  }

  #end(now: Instant): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#done(now);
  }
}
