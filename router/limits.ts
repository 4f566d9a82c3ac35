/** What one caller may take of a router, so that something is left for the others. Owns: the limits by address and by user together,
 *  and the count of what they refused. Does not know: sockets, HTTP.
 *  What all callers together may take is in handshakes.ts (rate) and edge-server.ts (connections). */
import type { Clock } from '../shared/clock.ts';
import { AddressBuckets } from './address-buckets.ts';
import { BURST_SECONDS, type UserAccount, UserAccounts, type UserRefusal } from './user-accounts.ts';

export interface LimitsOptions {
  /** Connections a second; 0 for no limit. */
  readonly addressConnectRate: number;
  readonly userConnectRate: number;
  readonly userSessionsMax: number;
  readonly userMessageRate: number;
}

/** What refused: `connections` is the bound on all together, `user_messages` counts messages, the others count clients. */
export type Limit = 'connections' | 'address_rate' | 'user_messages' | UserRefusal;

export const REFUSALS: Readonly<Record<'connections' | 'address_rate' | UserRefusal, string>> = {
  connections: 'this router is full',
  address_rate: 'too many connections come from this address',
  user_rate: 'this user enters rooms too often',
  user_sessions: 'this user is in too many rooms',
};

export class Limits {
  readonly refused: Record<Limit, number> = {
    connections: 0,
    address_rate: 0,
    user_rate: 0,
    user_sessions: 0,
    user_messages: 0,
  };
  readonly users: UserAccounts;
  readonly #addresses: AddressBuckets | undefined;

  constructor(clock: Clock, options: LimitsOptions) {
    const { addressConnectRate: perSecond, userConnectRate, userSessionsMax, userMessageRate } = options;
    this.#addresses =
      perSecond === 0 ? undefined : new AddressBuckets(clock, { perSecond, burst: perSecond * BURST_SECONDS });
    this.users = new UserAccounts(clock, {
      connectRate: userConnectRate,
      sessionsMax: userSessionsMax,
      messageRate: userMessageRate,
    });
  }

  /** Counts a connection. @returns whether its address may have another one now */
  mayConnect(address: string | undefined): boolean {
    const may = this.#addresses?.take(address) ?? true;
    if (!may) this.refused.address_rate += 1;
    return may;
  }

  /** Counts an entry into a room. @returns a sentence where it is refused */
  refusalOf(user: string): string | undefined {
    const refusal = this.users.admit(user);
    if (refusal === undefined) return undefined;
    this.refused[refusal] += 1;
    return REFUSALS[refusal];
  }

  entered(user: string): UserAccount {
    return this.users.entered(user);
  }
}
