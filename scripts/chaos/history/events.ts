/** What happened in a chaos run, as its own process saw it: one event for each thing said, heard or done. Owns: the shapes. Does not
 *  know: how events are kept (recorder.ts) or judged (checker/).
 *  `at` is of one clock, CLOCK_MONOTONIC in ms, in the process that drives the load and listens on links: two events can be compared.
 *  Clients are numbers, indices into `History.clients`. */
import type { ResetReason } from '../../../shared/protocol.ts';

/** What a room promises: `durable` is judged by its log as well, `relay` by what was heard alone. */
export type RoomClass = 'durable' | 'relay';

export type ProcessAct =
  | 'started'
  | 'killed'
  | 'stopped'
  | 'continued'
  | 'terminated'
  /** It ended as its fault meant it to. */
  | 'ended'
  /** It ended, and nothing that was done to it explains that. */
  | 'crashed';

interface OfClient {
  readonly at: number;
  readonly client: number;
}

/** A publish was handed to the socket; `again` under an id that was handed over before. */
export interface Invoke extends OfClient {
  readonly kind: 'invoke';
  readonly id: number;
  readonly again: boolean;
}

/** It was acked, by its echo or by an `ack`. */
export interface Ok extends OfClient {
  readonly kind: 'ok';
  readonly id: number;
  readonly seq: number;
}

/** `fail`: refused, and so never said. `unknown`: whether it was said cannot be known. */
export interface Refused extends OfClient {
  readonly kind: 'fail' | 'unknown';
  readonly id: number;
  readonly code: string;
}

export interface Deliver extends OfClient {
  readonly kind: 'deliver';
  readonly seq: number;
  readonly tag: string;
  /** Empty where no session spoke. */
  readonly session: string;
  /** 0 where it had none. */
  readonly id: number;
}

export interface Welcome extends OfClient {
  readonly kind: 'welcome';
  readonly session: string;
  readonly epoch: number;
  readonly seq: number;
  readonly tag: string;
  readonly resumed: boolean;
}

export interface Reset extends OfClient {
  readonly kind: 'reset';
  readonly reason: ResetReason;
  readonly seq: number;
  readonly tag: string;
}

export interface Dial extends OfClient {
  readonly kind: 'dial';
  readonly router: string;
}

/** A socket is gone. `ours`: this client ended it. */
export interface Close extends OfClient {
  readonly kind: 'close';
  readonly code: number;
  readonly ours: boolean;
}

/** This client was told that a session came or left. */
export interface Attendance extends OfClient {
  readonly kind: 'join' | 'leave';
  readonly session: string;
}

/** A listener on a node's link got a frame of gated output. */
export interface Emit {
  readonly kind: 'emit';
  readonly at: number;
  readonly room: string;
  readonly incarnation: string;
  readonly epoch: number;
  readonly type: string;
}

export interface ProcessEvent {
  readonly kind: 'process';
  readonly at: number;
  readonly process: string;
  readonly act: ProcessAct;
  /** Exit code or signal of an end. */
  readonly code: string;
}

/** A fault begins or ends. `routers` are those whose clients may lose their sockets by it. */
export interface FaultEvent {
  readonly kind: 'fault';
  readonly at: number;
  readonly phase: 'begin' | 'end';
  readonly what: string;
  readonly routers: readonly string[];
}

export type HistoryEvent =
  | Invoke
  | Ok
  | Refused
  | Deliver
  | Welcome
  | Reset
  | Dial
  | Close
  | Attendance
  | Emit
  | ProcessEvent
  | FaultEvent;

export interface HistoryClient {
  readonly user: string;
  readonly room: string;
}

export interface History {
  readonly clients: readonly HistoryClient[];
  readonly roomClass: RoomClass;
  /** In the order in which they were seen. May be walked more than once. */
  readonly events: Iterable<HistoryEvent>;
  /** Events that found no place; a history with any proves nothing. */
  readonly dropped: number;
}

/** One entry of a room's log as the HTTP API gives it. */
export interface LogEntry {
  readonly seq: number;
  readonly tag: string;
  readonly session: string | null;
  readonly id?: number | undefined;
}

/** What was read when all faults had ended and nothing was under way. */
export interface EndState {
  /** Per room, in the order read; durable rooms alone. */
  readonly logs: ReadonlyMap<string, readonly LogEntry[]>;
  /** Per room, the sessions that presence names. */
  readonly presence: ReadonlyMap<string, readonly string[]>;
}
