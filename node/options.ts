/** What a node's core is made with. Owns: that shape. */
import type { Instant } from '../shared/clock.ts';
import type { NodeRecord } from '../shared/directory/directory.ts';
import type { Placement } from '../shared/placement.ts';
import type { RandomSource } from '../shared/random.ts';
import type { Timings } from '../shared/timing.ts';
import type { MoveRules } from './mover.ts';
import type { ProgramFactory } from './program.ts';
import type { LogRules } from './room-log.ts';
import type { RoomLimits } from './room-output.ts';
import type { RoomSession } from './roster.ts';
import type { WebhooksOptions } from './webhooks/webhooks.ts';

export interface NodeCoreOptions {
  readonly record: NodeRecord;
  readonly timings: Timings;
  readonly limits: RoomLimits;
  readonly roomIdleMs: number;
  readonly drainDeadlineMs: number;
  readonly moves: MoveRules & {
    /** Between two steps in which a newcomer takes its weight; 0: it takes all at once. */
    readonly stepMs: number;
  };
  readonly placement: Placement;
  /** The program a room's name calls for; undefined when this node does not run it. */
  readonly programFor: (room: string) => { readonly name: string; readonly make: ProgramFactory } | undefined;
  /** Whether the room's messages are logged in Redis. */
  readonly isDurable: (room: string) => boolean;
  /** Rooms whose members are told how many they are, and not who. */
  readonly hidesMembers?: ((room: string) => boolean) | undefined;
  readonly logRules: LogRules;
  /** Most bytes that wait for logs, in all rooms together. */
  readonly logBytesMax: number;
  /** Most bytes of messages that all rooms remember together. */
  readonly recentBytesMax?: number | undefined;
  readonly resumeToken: (room: string, session: RoomSession, now: Instant) => string;
  readonly bootstrap: string | undefined;
  /** Who is told of rooms; absent: nobody. */
  readonly webhooks?: Omit<WebhooksOptions, 'call' | 'now' | 'log'> | undefined;
  readonly random: RandomSource;
  readonly now: () => Instant;
}
