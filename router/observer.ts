/** Decides from heartbeat counters alone that a node is dead. Owns: how long each counter has stood still, on this router's own
 *  monotonic clock. Does not know: links, sockets, rooms; a refused dial is no evidence here.
 *  Invariants: a counter is judged only over a time in which every poll succeeded and none was late, and in which this router has not
 *  told its node that Redis does not answer; what was certified is certain only once the compare-and-set on that exact counter says
 *  so. A node that may not know of this router may be islanded without having asked it: it is given the time that an island lasts.
 *  @see DESIGN §4 Certificate, Redis is away */
import type { Beat } from '../shared/directory/directory.ts';
import { deadFloorMs, ISLAND_MS, type Timings } from '../shared/timing.ts';

/** A living node as the last poll showed it. */
export interface Watched {
  readonly node: string;
  readonly incarnation: string;
}

export interface Suspect extends Watched {
  readonly counter: number;
}

interface Standstill {
  readonly node: string;
  readonly counter: number;
  /** The version of the list of routers that the node has named with this counter. */
  readonly view: number;
  /** When the counter was first seen, monotonic ms: after the reply that showed it. */
  readonly sinceMs: number;
}

/** An islanded node is silent by then, and what it said is on the wire. */
const ISLAND_OVER_MS = deadFloorMs(ISLAND_MS);

export class Observer {
  readonly #timings: Pick<Timings, 'pollMs' | 'deadMs'>;
  readonly #standing = new Map<string, Standstill>();
  #living = 0;
  /** Membership version as of which this router is registered. */
  #registeredVer = Number.POSITIVE_INFINITY;
  #history = '';
  /** When the last successful poll was sent. */
  #polledMs: number | undefined;
  /** Since when more than half of the nodes look dead: then it is rather this router that is cut off. */
  #doubtSinceMs: number | undefined;

  constructor(timings: Pick<Timings, 'pollMs' | 'deadMs'>) {
    this.#timings = timings;
  }

  /** This router is among the registered ones, as of that version. */
  registered(ver: number): void {
    this.#registeredVer = ver;
  }

  /** A node was told that Redis does not answer, and may speak by that: its period starts anew. */
  restart(incarnation: string): void {
    this.#standing.delete(incarnation);
  }

  /** Takes a poll's answer. Counters are keyed by run id and incarnation: in another history every period starts anew.
   *  @param sentMs when the poll was sent
   *  @param receivedMs when its answer arrived */
  polled(
    history: string,
    living: readonly Watched[],
    beats: Readonly<Record<string, Beat>>,
    sentMs: number,
    receivedMs: number,
  ): void {
    const late = this.#polledMs !== undefined && sentMs - this.#polledMs > 2 * this.#timings.pollMs;
    if (late || history !== this.#history) this.failed();
    this.#history = history;
    this.#polledMs = sentMs;
    this.#living = living.length;
    const seen = new Set<string>();
    for (const { node, incarnation } of living) {
      const beat = beats[node];
      // None yet: Redis, too, counts from 0.
      const counter = beat?.incarnation === incarnation ? beat.counter : 0;
      seen.add(incarnation);
      if (this.#standing.get(incarnation)?.counter !== counter)
        this.#standing.set(incarnation, {
          node,
          counter,
          view: counter === 0 ? 0 : (beat?.view ?? 0),
          sinceMs: receivedMs,
        });
    }
    for (const incarnation of this.#standing.keys()) if (!seen.has(incarnation)) this.#standing.delete(incarnation);
  }

  /** A poll failed: every period starts anew. */
  failed(): void {
    this.#standing.clear();
    this.#polledMs = undefined;
    this.#doubtSinceMs = undefined;
  }

  /** Incarnations whose counter stood still for `dead`, as of the last poll that was sent before now. */
  suspects(nowMs: number): Suspect[] {
    if (this.#polledMs === undefined || nowMs - this.#polledMs > 2 * this.#timings.pollMs) return [];
    const dead: Suspect[] = [];
    for (const [incarnation, { node, counter, view, sinceMs }] of this.#standing) {
      const periodMs = view >= this.#registeredVer ? this.#timings.deadMs : ISLAND_OVER_MS;
      // The poll that still showed the counter was sent `polledMs - sinceMs` after it was first seen; the compare-and-set covers the rest.
      if (nowMs - sinceMs >= periodMs && this.#polledMs > sinceMs) dead.push({ node, incarnation, counter });
    }
    if (dead.length < 2 || dead.length * 2 <= this.#living) {
      this.#doubtSinceMs = undefined;
      return dead;
    }
    this.#doubtSinceMs ??= nowMs;
    return nowMs - this.#doubtSinceMs >= this.#timings.deadMs ? dead : [];
  }

  /** How long the node's counter has stood still, ms; undefined when it is not watched. */
  stillMs(incarnation: string, nowMs: number): number | undefined {
    const standing = this.#standing.get(incarnation);
    return standing && nowMs - standing.sinceMs;
  }
}
