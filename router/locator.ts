/** Where a room's sessions are to be seated: what is known first, then the record, then placement. Owns: the order in which a route
 *  is looked up, and how many reads of the directory are under way. Does not know: what is said to an owner, or to clients.
 *  Invariants: at most `READS_AT_ONCE` reads are under way, the rest wait their turn; a reply for a route that has moved on
 *  meanwhile is void.
 *  @see DESIGN §4 Routers */
import type { Instant } from '../shared/clock.ts';
import { DirectoryError } from '../shared/directory/directory.ts';
import * as bounds from './bounds.ts';
import { firstCandidate } from './candidates.ts';
import type { RouterCoreOptions } from './options.ts';
import type { RouterPorts } from './ports.ts';
import type { Holder, Route, RouteCache, RouteState } from './route.ts';

/** What the locator has its router do. */
export interface LocatorEdge {
  readonly cache: RouteCache;
  /** Whether there is a link to this incarnation. */
  readonly isLinked: (incarnation: string) => boolean;
  readonly to: (route: Route, state: RouteState) => void;
  /** Asks a node to seat every session the room has here. */
  readonly openAll: (route: Route, at: Holder) => void;
  readonly wait: (route: Route, ms: number, on: Holder | undefined, now: Instant) => void;
  readonly pause: (route: Route, now: Instant) => void;
  /** Redis does not answer: turns away those of the room who never had a seat. */
  readonly refuseNew: (route: Route) => void;
}

export class Locator {
  readonly #options: RouterCoreOptions;
  readonly #ports: Pick<RouterPorts, 'call'>;
  readonly #edge: LocatorEdge;
  /** Routes that want an owner and wait for a free place among the reads. */
  readonly #waiting = new Set<Route>();
  #reads = 0;

  constructor(options: RouterCoreOptions, ports: Pick<RouterPorts, 'call'>, edge: LocatorEdge) {
    this.#options = options;
    this.#ports = ports;
    this.#edge = edge;
  }

  /** Whether an OPEN can be sent there now. */
  reachable(at: Holder): boolean {
    return this.#edge.isLinked(at.incarnation) && !this.#options.membership.isCertified(at.node, at.incarnation);
  }

  /** Looks for the room's owner where it was last heard of, and else in the record. */
  locate(route: Route, now: Instant): void {
    const cached = this.#edge.cache.get(route.room, now.monoMs, this.#options.timings.routeCacheMs);
    if (cached !== undefined && this.reachable(cached)) return this.#edge.openAll(route, cached);
    this.lookUp(route);
  }

  /** Reads the record, now or once there is a free place. */
  lookUp(route: Route): void {
    this.#edge.to(route, { kind: 'idle' });
    if (this.#options.redisFailed()) return this.#openWithoutRedis(route, this.#options.now());
    this.#waiting.add(route);
    this.#pump();
  }

  /** The route needs no look-up any more. */
  forget(route: Route): void {
    this.#waiting.delete(route);
  }

  /** Who had the room last, where that one is certified. */
  lostOf({ last }: Route): { readonly lost?: Holder } {
    const isLost = last !== undefined && this.#options.membership.isCertified(last.node, last.incarnation);
    return isLost ? { lost: last } : {};
  }

  /** Nobody owns the room: placement says who should be asked first. */
  openAtCandidate(route: Route, now: Instant): void {
    const { membership, placement } = this.#options;
    const { isLinked } = this.#edge;
    const to = firstCandidate(route.room, { membership, placement, isLinked, avoid: route.avoid });
    if (to !== undefined) {
      membership.placed(route.room, to);
      return this.#edge.openAll(route, to);
    }
    route.avoid.clear();
    if (this.#options.redisFailed()) this.#edge.refuseNew(route);
    if (route.sessions.size > 0) this.#edge.pause(route, now);
  }

  #pump(): void {
    for (const route of this.#waiting) {
      if (this.#reads >= bounds.READS_AT_ONCE) return;
      this.#waiting.delete(route);
      this.#read(route);
    }
  }

  #read(route: Route): void {
    this.#reads++;
    const reading = { kind: 'reading' } as const;
    this.#edge.to(route, reading);
    this.#ports.call('readRoom', { room: route.room }, (reply) => {
      this.#reads--;
      const now = this.#options.now();
      if (route.state === reading && route.sessions.size > 0) {
        if (reply instanceof DirectoryError) this.#openWithoutRedis(route, now);
        else if (reply.kind === 'record' && reply.record.owner !== undefined)
          this.#openAtOwner(route, reply.record.owner, now);
        else this.openAtCandidate(route, now);
      }
      this.#pump();
    });
  }

  #openAtOwner(route: Route, owner: Holder, now: Instant): void {
    const { membership } = this.#options;
    if (!membership.lives(owner.node, owner.incarnation)) return this.openAtCandidate(route, now);
    if (this.reachable(owner)) return this.#edge.openAll(route, owner);
    // Its owner lives, as far as Redis knows, but there is no link: only a link or a certificate helps.
    this.#options.pollSoon();
    this.#edge.wait(route, bounds.WAIT_ON_MS, owner, now);
  }

  /** Redis does not answer: a living owner may still be where it was, or be the first candidate. Whoever is asked may not claim. */
  #openWithoutRedis(route: Route, now: Instant): void {
    const last = route.last ?? this.#edge.cache.lastKnown(route.room);
    if (last !== undefined && this.reachable(last)) return this.#edge.openAll(route, last);
    this.openAtCandidate(route, now);
  }
}
