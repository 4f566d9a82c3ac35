/** What a room asks of its node. Owns: the seam between a room and the node that hosts it. */
import type { Instant } from '../shared/clock.ts';
import type { LinkMessage } from '../shared/link/messages.ts';
import type { RecentBudget, ResetReason } from './recent.ts';
import type { KeyBudget } from './room-keys.ts';
import type { LogPorts } from './room-log.ts';
import type { RoomSession } from './roster.ts';

/** What a durable room's log asks of the node; see room-log.ts. */
export type LogOutput = Pick<LogPorts, 'rules' | 'budget' | 'append' | 'mayAppend' | 'fenced' | 'wentBack' | 'observe'>;

export interface RoomOutput {
  /** False when the link is gone, full, or waits for its routers to bind again: nothing was queued. */
  send(link: number, message: LinkMessage): boolean;
  /** Whether the router there asks for another seat where it is told that its own was given out already. */
  raisesSeats(link: number): boolean;
  /** A number for a binding, never used before by this process. */
  newHandle(): number;
  /** Frames of this session's seat up to `cseq` are taken. */
  ack(link: number, session: number, cseq: number): void;
  seated(session: RoomSession): void;
  unseated(link: number, handle: number): void;
  /** A member joined, left or changed: its projections are to be written. */
  changed(session: RoomSession): void;
  /** Something in the room is due at this time, monotonic ms: it is ticked then. */
  wake(atMs: number): void;
  /** The present: what happens in a room outside of its events, as when a program speaks by itself, needs it. */
  now(): Instant;
  /** The program threw: the room is to be closed. */
  failed(error: unknown): void;
  /** A new resume token for the session's present seat. */
  resumeToken(session: RoomSession): string;
  /** Something waits for the log: it is flushed once the turn ends. */
  spoke(): void;
  /** Sends the acks that this session's router is owed, now. */
  flushAcks(session: RoomSession): void;
  count(metric: 'publishes' | 'casts' | `reset_${ResetReason}` | Parameters<LogPorts['count']>[0], by?: number): void;
  /** What all rooms of the node remember of backends' keys. */
  readonly keys: KeyBudget;
  /** What all rooms of the node remember of messages. */
  readonly recent: RecentBudget;
  /** Absent: the room keeps its last messages in memory and nothing else. */
  readonly log: LogOutput | undefined;
}

/** Limits of a room whose members are told how many they are, and not who. */
export const HIDDEN_MEMBERS = { namedMembersMax: 0, presenceMembersMax: 0 } as const;

export interface RoomLimits {
  /** Messages kept in memory. */
  readonly recentMax: number;
  readonly sessionsMax: number;
  /** Up to this many members joins and leaves are told one by one. */
  readonly namedMembersMax: number;
  /** Members in one `presence` event. */
  readonly presenceMembersMax: number;
  readonly leaveBrokenMs: number;
  readonly leaveRouterLostMs: number;
  readonly resumeMs: number;
  /** Told to clients in `welcome`. */
  readonly payloadBytesMax: number;
  readonly messageRate: number;
  readonly pingIntervalMs: number;
  /** Window for the first retry of a client of this router after a loss that nobody announced. */
  readonly retryWindowMs: (router: string) => number;
}
