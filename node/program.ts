/** What a room runs. Owns: the interface between a room and the code of its author. A program is synchronous: it is called with
 *  one event at a time and answers by calling its `RoomContext`. A program that throws closes its room, not the node: also in a timer
 *  or promise of its own, where that was begun in one of these calls.
 *  @see DESIGN §1 program */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface Member {
  readonly session: string;
  readonly user: string;
  /** Unix ms of the first join. */
  readonly since: number;
  readonly meta: Json | undefined;
}

export interface Publish {
  readonly member: Member;
  /** The client's own counter, where it gave one. */
  readonly id: number | undefined;
  readonly data: Json;
}

/** What a program may do. Valid from `open` until `close` has returned. */
export interface RoomContext {
  readonly room: string;
  /** Grows with every change of owner: a fencing token for the program's own database. Read it at each use. */
  readonly epoch: number;
  readonly members: readonly Member[];
  /** Sends the publish on to every member, its sender included, as a numbered message; that is also its ack. */
  relay(publish: Publish): void;
  /** Sends a numbered message of the program's own (`from` is null) to every member. */
  broadcast(data: Json): void;
  /** Sends data to one session, not numbered; nothing happens if it is not here. */
  send(session: string, data: Json): void;
  /** Calls the program's `timer(name)` once, after `ms` milliseconds; setting a name again moves it. Timers do not survive a
   *  change of owner: set them in `open`. At most 100 a room. */
  setTimer(name: string, ms: number): void;
  clearTimer(name: string): void;
}

export interface Program {
  /** The room is open here. Called once, before anything else. */
  open?(room: RoomContext): void;
  join?(member: Member, room: RoomContext): void;
  /** A publish. One that is not relayed is acked all the same. In a durable room it is shown when it is about to be logged, and all that is
   *  said to it is logged with it or not at all: at most 256 messages, 1 MiB where they are more than one. Whoever says more, and lets
   *  the error pass, has said nothing: the publish is refused, `too_large`. */
  message?(publish: Publish, room: RoomContext): void;
  leave?(member: Member, room: RoomContext): void;
  timer?(name: string, room: RoomContext): void;
  /** The room is released or handed over, or its program failed. */
  close?(room: RoomContext): void;
  /** State to carry to the next owner: at most 1 MiB of JSON. A handover always carries it as it is. In durable rooms it is also written
   *  with the log, for after a crash: up to 64 KiB with each batch that empties the queue, above that once a second at most and only
   *  with a batch, so that what changed since the last one that wrote it waits for the next publish. */
  state?(): Json | undefined;
}

/** Makes a room's program; `state` is what the last owner's program returned: as a handover carried it, or after a crash, in a durable
 *  room, as it was last logged. */
export type ProgramFactory = (room: string, state: Json | undefined) => Program;
