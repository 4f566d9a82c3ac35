/** What lets a node speak on while Redis is away: every registered router says that Redis does not answer it either. Owns: which
 *  routers must say so, and when each last did. Does not know: links, clocks, the lease that it prolongs (lease.ts counts an answer
 *  only while the gate is still open, so that what has lapsed is never revived from here).
 *
 *  Why that is safe. A certificate by patience comes from a registered router. One that answers "my last poll failed" begins to
 *  observe the node anew when it says so, so it certifies no sooner than `dead` after its question was sent; until `fence` after the
 *  question the node may speak. All of them have to say it, linked or not: one that is not asked, or is silent, may reach Redis.
 *  A router that registers later is not on the list. It knows: each beat names the version of the list (`view`), which only grows
 *  within a history, and no router certifies by patience on a beat that names a version from before its own registration
 *  (router/observer.ts).
 *  Invariant: `holds` only if each router of every list read since the last renewal, at least one, has said so for a question sent
 *  less than `fence` ago, on the faster of both clocks.
 *  @see DESIGN §4 Redis is away */
import { elapsedMs, type Instant } from '../shared/clock.ts';

interface Asked {
  /** Version of the last list that named it. */
  listedVer: number;
  /** When the last question was sent to which it said yes. */
  yes: Instant | undefined;
}

export class Islanding {
  readonly #fenceMs: number;
  readonly #routers = new Map<string, Asked>();
  #view = 0;

  constructor(fenceMs: number) {
    this.#fenceMs = fenceMs;
  }

  /** Membership version of the last list; undefined where none was read in this history. */
  get view(): number | undefined {
    return this.#view === 0 ? undefined : this.#view;
  }

  /** Incarnations that must all say yes. */
  get routers(): Iterable<string> {
    return this.#routers.keys();
  }

  /** The registered routers as of `ver` of the history in force. Who left the list must go on saying yes until the next renewal: it
   *  need not know yet that it has been removed. */
  read(ver: number, incarnations: Iterable<string>): void {
    if (ver < this.#view) return;
    this.#view = ver;
    for (const incarnation of incarnations) {
      const asked = this.#routers.get(incarnation);
      if (asked === undefined) this.#routers.set(incarnation, { listedVer: ver, yes: undefined });
      else asked.listedVer = ver;
    }
  }

  /** A heartbeat that named `view` was counted: whoever no list since then has named observes with another counter, or not at all. */
  renewed(view: number | undefined): void {
    if (view === undefined) return;
    for (const [incarnation, { listedVer }] of this.#routers) if (listedVer < view) this.#routers.delete(incarnation);
  }

  /** Another history: nothing of what was read in the last one counts. */
  forget(): void {
    this.#routers.clear();
    this.#view = 0;
  }

  /** A router says that its last poll failed. Only to be told while the gate is open. */
  saidYes(incarnation: string, askedAt: Instant): void {
    const asked = this.#routers.get(incarnation);
    if (asked !== undefined && (asked.yes === undefined || askedAt.monoMs > asked.yes.monoMs)) asked.yes = askedAt;
  }

  holds(now: Instant): boolean {
    if (this.#routers.size === 0) return false;
    for (const { yes } of this.#routers.values()) {
      if (yes === undefined || elapsedMs(yes, now) >= this.#fenceMs) return false;
    }
    return true;
  }
}
