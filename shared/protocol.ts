/** What client and server say to each other: `bellhop.v1`, one JSON object in each WebSocket text message.
 *  Owns: the shapes. Does not know: how they are read (protocol-decode.ts) or written (protocol-encode.ts).
 *  No runtime imports: the browser client uses this file as it stands.
 *  A reader ignores fields and, on the client, types that it does not know: that is how v1 grows.
 *  @see DESIGN §7 */
import type { CloseName, ErrorCode } from './errors.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export const SUBPROTOCOL = 'bellhop.v1';
/** A client that cannot set headers offers `bearer.<token>` beside SUBPROTOCOL; only SUBPROTOCOL is answered. */
export const BEARER_SUBPROTOCOL_PREFIX = 'bearer.';

// ---- client → server

/** Numbered, logged in a durable room, acked. `id` is the client's own counter 1, 2, 3 … of the session; without it nothing can
 *  be told apart after a reconnect, and the publish is made at most once. */
export interface PublishMessage {
  readonly type: 'publish';
  readonly id?: number | undefined;
  readonly data: Json;
}

/** Ephemeral: to whoever is there now; neither numbered nor acked nor repeated. */
export interface SignalRequest {
  readonly type: 'signal';
  readonly data: Json;
}

/** What the client says of itself in presence; null takes it back. */
export interface MetaRequest {
  readonly type: 'meta';
  readonly data: Json;
}

export interface PingRequest {
  readonly type: 'ping';
}

/** Shows a newer token on the open socket, before the one before ends. Answered with `authenticated`, or an error that changes
 *  nothing. Read by the router alone, and only where clients show tokens. */
export interface AuthRequest {
  readonly type: 'auth';
  readonly token: string;
}

export type ClientMessage = PublishMessage | SignalRequest | MetaRequest | PingRequest | AuthRequest;

// ---- server → client

export interface WelcomeMessage {
  readonly type: 'welcome';
  readonly room: string;
  readonly user: string;
  readonly session: string;
  /** Secret: restores the seat on another socket. The newest one counts. */
  readonly resume: string;
  readonly seat: number;
  readonly epoch: number;
  /** With `tag`: the cursor at which this client stands; the next message is `seq + 1`. */
  readonly seq: number;
  readonly tag: string;
  readonly resumed: boolean;
  /** Of a resume: the room does not know what this session published before. To send again what was sent and not acked could make
   *  it take effect twice. */
  readonly forgotten?: true | undefined;
  /** How many members the room has. */
  readonly members: number;
  readonly pingIntervalMs: number;
  /** After a loss without a notice, the first attempt is made at a random moment of this window. */
  readonly retryWindowMs: number;
  readonly limits: { readonly payloadBytesMax: number; readonly messageRate: number };
}

export interface PresenceEntry {
  readonly user: string;
  readonly session: string;
  /** Unix ms of the first join. */
  readonly since: number;
  readonly meta?: Json | undefined;
}

/** Replaces what the client knew of the room's members. `complete: false`: the rest is read by page over HTTP. */
export interface PresenceMessage {
  readonly type: 'presence';
  /** Grows with every change of presence, over changes of owner too. */
  readonly version: number;
  readonly members: readonly PresenceEntry[];
  readonly count: number;
  readonly complete: boolean;
}

/** One entry of the room's log, to every member, its sender included: there `session` and `id` are the ack. */
export interface RoomMessage {
  readonly type: 'message';
  readonly seq: number;
  readonly tag: string;
  /** The user; null where the room's program speaks. */
  readonly from: string | null;
  /** Null where a program or a backend speaks. */
  readonly session: string | null;
  readonly id?: number | undefined;
  /** Unix ms. */
  readonly at: number;
  readonly data: Json;
}

/** Acks a publish that has no echo: the program did not relay it, or it was made before. */
export interface AckMessage {
  readonly type: 'ack';
  readonly id: number;
  readonly seq: number;
}

export interface SignalMessage {
  readonly type: 'signal';
  readonly from: string;
  readonly session: string;
  readonly data: Json;
}

/** From the room's program (`from` is null) or a backend to this client alone. */
export interface DirectMessage {
  readonly type: 'direct';
  readonly from: string | null;
  readonly data: Json;
}

export interface JoinMessage {
  readonly type: 'join';
  readonly user: string;
  readonly session: string;
  readonly at: number;
  readonly version: number;
  readonly members: number;
}

export interface LeaveMessage {
  readonly type: 'leave';
  readonly user: string;
  readonly session: string;
  readonly at: number;
  readonly version: number;
  readonly members: number;
}

/** Instead of join and leave, where a room is large. */
export interface MembersMessage {
  readonly type: 'members';
  readonly count: number;
  readonly version: number;
}

export type ResetReason = 'trimmed' | 'log_lost' | 'ahead' | 'forked' | 'too_far' | 'owner_lost' | 'expired';

/** The client's cursor cannot be continued: it stands at `seq` under `tag` from now on, what lay between is not delivered. */
export interface ResetMessage {
  readonly type: 'reset';
  readonly reason: ResetReason;
  readonly seq: number;
  readonly tag: string;
}

export interface ErrorMessage {
  readonly type: 'error';
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  /** The publish that was refused; its id is spent. */
  readonly id?: number | undefined;
}

/** Precedes every close after which the client is to come back: `kind` is that close's name. */
export interface NoticeMessage {
  readonly type: 'notice';
  readonly kind: CloseName;
  /** This client's own time to wait, spread by the server over all of them. */
  readonly retryAfterMs: number;
}

/** A token to resume with in place of the last one: a token holds for a day, and a socket may be held for longer. */
export interface ResumeMessage {
  readonly type: 'resume';
  readonly resume: string;
}

/** The token ends soon, and this socket with it, unless the client shows a newer one. */
export interface ExpiringMessage {
  readonly type: 'expiring';
  readonly inMs: number;
}

/** The newer token counts. `expiresInMs` is null where it does not end by itself. */
export interface AuthenticatedMessage {
  readonly type: 'authenticated';
  readonly expiresInMs: number | null;
}

export interface PongMessage {
  readonly type: 'pong';
}

export type ServerMessage =
  | WelcomeMessage
  | PresenceMessage
  | RoomMessage
  | AckMessage
  | SignalMessage
  | DirectMessage
  | JoinMessage
  | LeaveMessage
  | MembersMessage
  | ResetMessage
  | ErrorMessage
  | NoticeMessage
  | ResumeMessage
  | ExpiringMessage
  | AuthenticatedMessage
  | PongMessage;
