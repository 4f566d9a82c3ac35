/** What a router's core is made with. Owns: that shape. */
import type { Instant } from '../shared/clock.ts';
import type { Placement } from '../shared/placement.ts';
import type { RandomSource } from '../shared/random.ts';
import type { Timings } from '../shared/timing.ts';
import type { Membership } from './membership.ts';
import type { Holder } from './route.ts';

export interface RouterCoreOptions {
  readonly timings: Timings;
  readonly placement: Placement;
  readonly random: RandomSource;
  readonly now: () => Instant;
  readonly membership: Membership;
  /** Whether the last poll of Redis failed. */
  readonly redisFailed: () => boolean;
  /** Asks for the next poll at once: something looks wrong. */
  readonly pollSoon: () => void;
  readonly onMove?: ((room: string, from: Holder | undefined, to: Holder, epoch: number) => void) | undefined;
}
