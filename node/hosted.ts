/** A room as the node that hosts it keeps it. Owns: the shape of that state. Does not know: what moves it (core.ts). */
import type { DirectoryError, Reply } from '../shared/directory/directory.ts';
import type { RefusedReason } from '../shared/link/messages.ts';
import type { Ahead } from './ahead.ts';
import type { HandoverPause } from './handover-pause.ts';
import type { RoomHeat } from './heat.ts';
import type { RoomOwnership } from './ownership.ts';
import type { ProgramFactory } from './program.ts';
import type { Room } from './room.ts';

/** Where a room is said to be. */
export interface OwnerHint {
  readonly node: string;
  readonly incarnation: string;
  readonly epoch: number;
}

/** Who waits for a room to be held here: told once, with how it went. */
export type Waiter = (outcome: RefusedReason | 'held', hint?: OwnerHint) => void;

export interface Hosted {
  readonly name: string;
  readonly program: string;
  readonly make: ProgramFactory;
  readonly ownership: RoomOwnership;
  room: Room | undefined;
  /** Its messages are logged. */
  readonly isDurable: boolean;
  /** Owned, and what the log and the last owner knew of it is being read. */
  settling: boolean;
  /** About to be handed over: nothing more is taken, and what was is being logged. */
  quiet: boolean;
  /** Who was present under the last owner: asked for with the claim. */
  presence: Ahead<Reply<'readPresence'> | DirectoryError> | undefined;
  /** Of its handover to this node, until it is told. */
  pause: HandoverPause | undefined;
  /** Redis is to be asked again, or later, for what the log has of the room. */
  again: { readonly atMs: number; readonly ask: () => void } | undefined;
  waiters: Waiter[];
  /** Since when the room has had no session, monotonic ms. */
  idleSinceMs: number | undefined;
  /** Unix ms at which it was opened here. */
  openedAt: number;
  retryHandoverAtMs: number;
  /** When another node handed it over to this one, monotonic ms; undefined where it was opened here. */
  arrivedMs: number | undefined;
  /** How much is said in it. */
  readonly heat: RoomHeat;
  /** When it is to be looked at again, monotonic ms; infinite while nothing in it is timed, and its place among
   *  those that are due. Both are room-due.ts' own. */
  dueMs: number;
  dueAt: number;
}
