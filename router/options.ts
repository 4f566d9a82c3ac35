/** What a router's core is made with. Owns: that shape. */
import type { Instant } from '../shared/clock.ts';
import type { Placement } from '../shared/placement.ts';
import type { RandomSource } from '../shared/random.ts';
import type { Timings } from '../shared/timing.ts';
import type { Membership } from './membership.ts';
import type { Holder } from './route.ts';
import type { TokenRenewal } from './token-renewal.ts';

/** How the core and the sockets of attended rooms speak. */
export interface AttendedSeats {
  readonly isAttendant: (at: Holder) => boolean;
  /** An attendant has seated the session. Called once for each handle. */
  readonly seated: (handle: number, at: Holder, epoch: number) => void;
}

export interface RouterCoreOptions {
  readonly timings: Timings;
  readonly placement: Placement;
  readonly random: RandomSource;
  readonly now: () => Instant;
  readonly membership: Membership;
  /** Whether the last poll of Redis failed. */
  readonly redisFailed: () => boolean;
  /** Whether an OPEN may cause a claim now. */
  readonly mayCauseClaims: () => boolean;
  /** Asks for the next poll at once: something looks wrong. */
  readonly pollSoon: () => void;
  /** Redirections that are followed in a row before a pause; `HOPS_MAX` where absent. */
  readonly hopsMax?: number | undefined;
  /** When a client that is turned away is to come back, ms; absent: at a random moment of the window. */
  readonly comeBackMs?: ((windowMs: { readonly minMs: number; readonly maxMs: number }) => number) | undefined;
  /** Tells clients that stay their new resume tokens; absent: nobody does. */
  readonly renewal?: TokenRenewal | undefined;
  /** Where clients of attended rooms are taken on; see router/attended. */
  readonly attended?: AttendedSeats | undefined;
  readonly onMove?: ((room: string, from: Holder | undefined, to: Holder, epoch: number) => void) | undefined;
}
