/** What each user takes of this router, over all of its sessions. Owns: how many sessions it has here, how fast it enters and how fast
 *  it talks. Does not know: sockets, rooms, what a refusal leads to.
 *  A session is in one room, so the bound on sessions is one on rooms too.
 *  Who left is remembered until its buckets are full again, or entering anew would fill them.
 *  Invariant: one account for each user with a session here, and at most `idleMax` others. */
import type { Clock } from '../shared/clock.ts';
import { Bucket, type BucketRate } from './bucket.ts';
import { RateMeter, type RateVerdict } from './rate-meter.ts';
import { SweptMap } from './swept-map.ts';

export interface UserLimits {
  /** Entries a second; 0 for no limit. */
  readonly connectRate: number;
  /** Sessions at once; 0 for no limit. */
  readonly sessionsMax: number;
  /** Messages a second; 0 for no limit. */
  readonly messageRate: number;
}

export type UserRefusal = 'user_rate' | 'user_sessions';

/** Seconds of its rate that a user may enter with at once: a page with many rooms opens them all. */
export const BURST_SECONDS = 10;
/** Whoever said nothing for so long may say as much as anybody. */
const METER_FULL_MS = 1_000;
const IDLE_MAX = 16_384;

export class UserAccount {
  readonly user: string;
  sessions = 0;
  idleSinceMs = 0;
  /** Made when first needed: most clients enter once and say little. */
  entries: Bucket | undefined = undefined;
  #meter: RateMeter | undefined = undefined;

  constructor(user: string) {
    this.user = user;
  }

  /** Counts a message. @param perSecond  above 0; the same at every call */
  takeMessage(perSecond: number, nowMs: number): RateVerdict {
    this.#meter ??= new RateMeter(perSecond, nowMs);
    return this.#meter.take(perSecond, nowMs);
  }
}

export class UserAccounts {
  readonly messageRate: number;
  readonly #clock: Clock;
  readonly #limits: UserLimits;
  readonly #rate: BucketRate;
  readonly #seated = new Map<string, UserAccount>();
  /** Without a session. */
  readonly #idle: SweptMap<UserAccount>;

  constructor(clock: Clock, limits: UserLimits, idleMax = IDLE_MAX) {
    this.#clock = clock;
    this.#limits = limits;
    this.#rate = { perSecond: limits.connectRate, burst: limits.connectRate * BURST_SECONDS };
    this.#idle = new SweptMap(idleMax, (account) => this.#isSpent(account));
    this.messageRate = limits.messageRate;
  }

  /** Users remembered, those without a session included. */
  get size(): number {
    return this.#seated.size + this.#idle.size;
  }

  /** Counts an entry. @returns why it is refused, if it is */
  admit(user: string): UserRefusal | undefined {
    const { connectRate, sessionsMax } = this.#limits;
    const account = this.#of(user);
    if (sessionsMax > 0 && account.sessions >= sessionsMax) return 'user_sessions';
    if (connectRate === 0) return undefined;
    const nowMs = this.#clock.now().monoMs;
    account.entries ??= new Bucket(this.#rate, nowMs);
    return account.entries.take(this.#rate, nowMs) ? undefined : 'user_rate';
  }

  /** A session begins here. @returns the account, to be given back to `left` once */
  entered(user: string): UserAccount {
    const account = this.#of(user);
    account.sessions += 1;
    this.#idle.delete(user);
    this.#seated.set(user, account);
    return account;
  }

  left(account: UserAccount): void {
    account.sessions -= 1;
    if (account.sessions > 0) return;
    this.#seated.delete(account.user);
    this.#keepIdle(account);
  }

  #of(user: string): UserAccount {
    const known = this.#seated.get(user) ?? this.#idle.get(user);
    if (known !== undefined) return known;
    const account = new UserAccount(user);
    this.#keepIdle(account);
    return account;
  }

  #keepIdle(account: UserAccount): void {
    account.idleSinceMs = this.#clock.now().monoMs;
    this.#idle.set(account.user, account);
    this.#idle.sweep();
  }

  /** Whether it is as good as a new one. */
  #isSpent({ idleSinceMs, entries }: UserAccount): boolean {
    const nowMs = this.#clock.now().monoMs;
    return nowMs - idleSinceMs >= METER_FULL_MS && entries?.isFull(this.#rate, nowMs) !== false;
  }
}
