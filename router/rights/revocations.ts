/** Whose rights were revoked, and when. Owns: this router's copy of the marks in Redis, read again every second. Does not know: tokens,
 *  sockets.
 *  A join is held against the copy, so that it costs no question to Redis; what joined before the copy knew of a mark is found by the
 *  next reading, which reports every new mark. Both together leave no gap, whatever happens last.
 *  Invariant: a mark that was read counts as long as it could matter, also where Redis has lost it since. */
import type { Instant } from '../../shared/clock.ts';
import { type Args, DirectoryError, type Reply } from '../../shared/directory/directory.ts';
import { REVOKED_MAX } from '../../shared/directory/rights-operations.ts';

export interface RevocationsOptions {
  readonly read: (args: Args<'readRevoked'>) => Promise<Reply<'readRevoked'>>;
  /** A mark older than this matters no more. */
  readonly keepMs: number;
  /** What was issued to these users up to then, Unix ms, gives no right any more. */
  readonly revoked: (marks: ReadonlyMap<string, number>) => void;
}

const EVERY_MS = 1_000;
const PAGE = 1_000;
/** Another machine's clock may be behind ours by this much. */
const SKEW_MS = 60_000;

export class Revocations {
  readonly #options: RevocationsOptions;
  /** User → Unix ms by Redis' clock, in the order in which they were read. */
  readonly #marks = new Map<string, number>();
  #after = 0;
  #nextMs = Number.NEGATIVE_INFINITY;
  #reading = false;

  constructor(options: RevocationsOptions) {
    this.#options = options;
  }

  /** Marks that are known here. */
  get size(): number {
    return this.#marks.size;
  }

  isRevoked(user: string, issuedAtMs: number): boolean {
    const at = this.#marks.get(user);
    return at !== undefined && issuedAtMs <= at;
  }

  /** Reads what is new when it is time to. */
  tick(now: Instant): void {
    if (this.#reading || now.monoMs < this.#nextMs) return;
    this.#nextMs = now.monoMs + EVERY_MS;
    this.#reading = true;
    void this.#read(now.wallMs).finally(() => {
      this.#reading = false;
    });
  }

  async #read(wallMs: number): Promise<void> {
    for (let pages = 0; pages <= REVOKED_MAX / PAGE; pages++) {
      let reply: Reply<'readRevoked'>;
      try {
        reply = await this.#options.read({ after: this.#after, limit: PAGE });
      } catch (error) {
        // The next reading goes on from here. Watch says that Redis is away.
        if (error instanceof DirectoryError) return;
        throw error;
      }
      if (reply.last.at < this.#after) {
        // Redis has lost marks: those that are left, and come anew, are read from the beginning.
        this.#after = 0;
        continue;
      }
      const fresh = new Map<string, number>();
      for (const { user, at } of reply.revoked) if (this.#mark(user, at)) fresh.set(user, at);
      if (fresh.size > 0) this.#options.revoked(fresh);
      if (reply.revoked.length < PAGE) break;
    }
    this.#prune(wallMs);
  }

  /** @returns whether it was not known */
  #mark(user: string, at: number): boolean {
    this.#after = Math.max(this.#after, at);
    const known = this.#marks.get(user);
    if (known !== undefined && known >= at) return false;
    this.#marks.delete(user);
    this.#marks.set(user, at);
    return true;
  }

  #prune(wallMs: number): void {
    for (const [user, at] of this.#marks) {
      const isOver = at < wallMs - this.#options.keepMs - SKEW_MS;
      if (!isOver && this.#marks.size <= 2 * REVOKED_MAX) break;
      this.#marks.delete(user);
    }
  }
}
