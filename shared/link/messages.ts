/** What travels on a link, as values. Owns: the vocabulary and its meaning. Does not know: bytes (codec.ts) or sockets.
 *
 *  A link is one TCP connection, router → node or node → node. `session` handles are numbers that the router gives out, one per
 *  client session, never reused by a router process; `room` handles are numbers that the node gives out, one per room and tag,
 *  never reused by a node process.
 *  @see DESIGN §5 */

export type LinkRole = 'router' | 'node';

/** First words of both sides; see handshake.ts. */
export interface Hello {
  readonly type: 'hello';
  readonly versionMin: number;
  readonly versionMax: number;
  readonly role: LinkRole;
  readonly cluster: string;
  readonly id: string;
  readonly incarnation: string;
  /** 32 hex characters, fresh for this connection. */
  readonly nonce: string;
  readonly features: readonly string[];
}

/** HMAC-SHA-256 under the cluster secret of both hellos and the prover's role in the exchange: 32 bytes. */
export interface Proof {
  readonly type: 'proof';
  readonly mac: Buffer;
}

export interface Ping {
  readonly type: 'ping';
  readonly seq: number;
}

/** `redis`: did the sender's last question to Redis get an answer. A router that tells a node `failed` observes it anew from then on:
 *  an islanded node speaks by that (node/islanding.ts). `loopDelayUs`: its event loop's recent p99 delay, microseconds. */
export interface Pong {
  readonly type: 'pong';
  readonly seq: number;
  readonly loopDelayUs: number;
  readonly redis: 'unknown' | 'answered' | 'failed';
}

/** The sender takes this many more bytes of data frames (`isData`), headers included. What came before it still counts: credits add up. */
export interface Credit {
  readonly type: 'credit';
  readonly bytes: number;
}

export type GoawayReason = 'draining' | 'certified' | 'closing' | 'protocol';

/** The sender will take nothing new on this link. `certified`: an authenticated router tells the node that it is certified. */
export interface Goaway {
  readonly type: 'goaway';
  readonly reason: GoawayReason;
  readonly text: string;
}

/** A question that wants one answer: presence, listing, kick, publish … `id` is the asker's, echoed in the return. */
export interface Call {
  readonly type: 'call';
  readonly id: number;
  readonly op: string;
  readonly args: unknown;
}

export interface Return {
  readonly type: 'return';
  readonly id: number;
  readonly result:
    | { readonly ok: unknown }
    | { readonly error: { readonly code: string; readonly message: string; readonly retryable: boolean } };
}

export interface Cursor {
  readonly seq: number;
  readonly tag: string;
}

/** One session in an OPEN. `join`: new. `resume`: a client came back on another socket (seat raised). `rebind`: the same socket,
 *  another owner or link (seat kept). */
export interface OpenSession {
  readonly handle: number;
  readonly session: string;
  readonly user: string;
  readonly seat: number;
  readonly kind: 'join' | 'resume' | 'rebind';
  /** Unix ms of the first join. */
  readonly since: number;
  readonly meta?: unknown;
  /** resume: where the client stands. */
  readonly cursor?: Cursor | undefined;
  /** Of a session that resumed: the highest id under which it had published then, where its client says so. */
  readonly sent?: number | undefined;
  /** join: how many of the last messages the client asked for. */
  readonly history?: number | undefined;
  /** Rebind: the last frame of this seat whose ack the router has. Answers to later ones may have been lost with a link. */
  readonly acked?: number | undefined;
}

/** Asks a node to seat sessions of one room. `floor`: highest epoch an owner told this router for the room. `cursor`: last
 *  delivery of the room at this router, shared by all `rebind` sessions. `more`: the next OPEN on this link goes on with the same
 *  room; the node takes the pieces as one. A rebind names every session that the room has at this router. */
export interface Open {
  readonly type: 'open';
  readonly room: string;
  readonly floor: number;
  readonly cursor?: Cursor | undefined;
  readonly more?: boolean | undefined;
  /** Only if the room is held there already: this OPEN may cause no claim. Its sender has no Redis, or not for long enough. */
  readonly heldOnly?: boolean | undefined;
  /** Its last owner as far as the sender knows, which it has read to be certified. A hint: the node asks Redis about it at once. */
  readonly lost?: { readonly node: string; readonly incarnation: string } | undefined;
  /** The sender's count of its OPENs, echoed in each answer: an answer to an OPEN that another has replaced is void. */
  readonly serial?: number | undefined;
  readonly sessions: readonly OpenSession[];
}

export type Verdict = 'new' | 'resumed' | 'reset';

/** The session is seated. `cseq`: last frame of this seat that the owner has taken; what the router kept above it is sent again. */
export interface Opened {
  readonly type: 'opened';
  readonly session: number;
  readonly room: number;
  readonly cseq: number;
  /** Of the OPEN that this answers; 0 where it had none. */
  readonly serial: number;
  readonly verdict: Verdict;
}

export type RefusedReason =
  | 'not-owner'
  | 'replaced'
  | 'draining'
  | 'full'
  | 'unauthorised'
  | 'wait'
  | 'unavailable'
  /** The room's program could not be made. */
  | 'failed';

/** The session is not seated. `not-owner` may hint at who is; `wait` and `unavailable` ask to try again. */
export interface Refused {
  readonly type: 'refused';
  readonly session: number;
  readonly reason: RefusedReason;
  readonly hint?: { readonly node: string; readonly incarnation: string; readonly epoch: number } | undefined;
  readonly text?: string | undefined;
  /** Of the OPEN that this answers; absent where it is about a frame of a session without a seat. */
  readonly serial?: number | undefined;
  /** With `wait`: another socket was given the seat that was asked for, and this one may ask for the next. Needs the feature `seats`. */
  readonly seat?: number | undefined;
}

/** Router → node: one frame of a client, its WebSocket payload untouched (UTF-8 text, validated as such).
 *  `cseq` counts the frames of one seat from 1. `resent`: may have been handed to an owner before. */
export interface ClientFrame {
  readonly type: 'client-frame';
  readonly session: number;
  readonly cseq: number;
  readonly resent: boolean;
  readonly payload: Buffer;
}

/** Node → router: one ready-made WebSocket frame for one session. `ephemeral` may be dropped for a slow client. */
export interface Direct {
  readonly type: 'direct';
  readonly session: number;
  readonly ephemeral: boolean;
  readonly frame: Buffer;
}

/** Node → router: frames up to and including `cseq` of each session are taken (cumulative). */
export interface Acks {
  readonly type: 'acks';
  readonly entries: readonly { readonly session: number; readonly cseq: number }[];
}

/** Router → node: the session's socket is gone. `left`: a clean close, leave at once. `broken`: it may resume.
 *  `detached`: the router no longer routes this session here (it was seated elsewhere); nothing is announced. */
export interface CloseSession {
  readonly type: 'close-session';
  readonly session: number;
  readonly how: 'left' | 'broken' | 'detached';
}

/** Node → router: close this client's socket with a WebSocket close code of the protocol's table. */
export interface CloseClient {
  readonly type: 'close-client';
  readonly session: number;
  readonly code: number;
  readonly reason: string;
}

/** Node → router: from now on `handle` stands for this room under this triple, on this link. Sent before the first OPENED that
 *  names the handle. A re-claim binds anew with another handle. `head`: the seq before the first that this binding will cast. */
export interface Bind {
  readonly type: 'bind';
  readonly handle: number;
  readonly room: string;
  readonly incarnation: string;
  readonly epoch: number;
  readonly nonce: string;
  readonly head: number;
}

/** `message`: numbered. `event`: presence and the like, not numbered, not to be dropped. `ephemeral`: may be dropped. */
export type CastClass = 'message' | 'event' | 'ephemeral';

/** Node → router: one ready-made WebSocket frame for every session of the room on this link, except `excluded` (0: none).
 *  `seq` is 0 unless class is `message`. */
export interface Cast {
  readonly type: 'cast';
  readonly room: number;
  readonly class: CastClass;
  readonly seq: number;
  readonly excluded: number;
  readonly frame: Buffer;
}

/** Node → router: this room is no longer served under this handle; every session shows its cursor again at `to`, or wherever the
 *  directory says. Also sent for a room the node itself goes on holding, when frames of it were dropped. */
export interface Moved {
  readonly type: 'moved';
  readonly room: number;
  readonly epoch: number;
  readonly to?: { readonly node: string; readonly incarnation: string } | undefined;
}

/** Node → router: the room was closed (its program failed, or an operator deleted it): close its clients with `code`. */
export interface Gone {
  readonly type: 'gone';
  readonly room: number;
  readonly code: number;
  readonly reason: string;
}

/** Owner → target: one piece of a room's state, in order; `id` names the handover on this link. The pieces' `chunk`s make
 *  one JSON text. Phase `early` while the owner goes on serving, `final` after its output stopped. */
export interface State {
  readonly type: 'state';
  readonly id: number;
  readonly phase: 'early' | 'final';
  readonly last: boolean;
  readonly chunk: Buffer;
}

/** Target → owner: ready for the room. After `final`: with the nonce it will own the room under. */
export interface Ready {
  readonly type: 'ready';
  readonly id: number;
  readonly ok: boolean;
  readonly nonce: string;
  readonly text: string;
}

/** Owner → target: the record names you (`named`), or the handover is off (`cancelled`). */
export interface Done {
  readonly type: 'done';
  readonly id: number;
  readonly outcome: 'named' | 'cancelled';
  readonly epoch: number;
  /** How long the room has stood still by now, milliseconds. */
  readonly pausedMs?: number | undefined;
}

export type LinkMessage =
  | Hello
  | Proof
  | Ping
  | Pong
  | Credit
  | Goaway
  | Call
  | Return
  | Open
  | Opened
  | Refused
  | ClientFrame
  | Direct
  | Acks
  | CloseSession
  | CloseClient
  | Bind
  | Cast
  | Moved
  | Gone
  | State
  | Ready
  | Done;

/** Largest payload of a frame: 64 KiB of content and 1 KiB of header. */
export const FRAME_CONTENT_MAX = 65_536;
export const FRAME_PAYLOAD_MAX = FRAME_CONTENT_MAX + 1_024;
/** Content of each fragment but the last, of a message that does not fit a frame. Small, since other messages wait for one. */
export const FRAGMENT_CONTENT = 16_384;
/** Largest content of a message in fragments: 1 MiB of a client's words, and what an owner puts around them. */
export const MESSAGE_CONTENT_MAX = 1_048_576 + 16_384;

/** What both sides must name in their HELLO before either uses it. */
export const LINK_FEATURES = ['fragments', 'credit', 'seats'] as const;
export type LinkFeature = (typeof LINK_FEATURES)[number];

/** Whether a message is carried on credit: what grows with what clients say. Whatever keeps links, seats and operators going is
 *  not, and never waits for it. */
export function isData(message: LinkMessage): message is ClientFrame | Direct | Cast {
  return message.type === 'client-frame' || message.type === 'direct' || message.type === 'cast';
}

/** Whether a message is gated output: something a node may emit only while its gate is open. What a relay room says, and every
 *  promise about a seat; not what only concerns the link. */
export function isGated(message: LinkMessage): boolean {
  switch (message.type) {
    case 'opened':
    case 'direct':
    case 'acks':
    case 'bind':
    case 'cast':
    case 'close-client':
    case 'gone':
      return true;
    default:
      return false;
  }
}
