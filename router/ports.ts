/** What the router's core asks of the world, and what it is told. Owns: the seam between the pure core (core.ts) and the edges
 *  (sockets, links, Redis), which the simulator replaces. */
import type { Args, DirectoryError, Operation, Reply } from '../shared/directory/directory.ts';
import type { CastClass, LinkMessage } from '../shared/link/messages.ts';

/** Why and how a client's socket is closed. A retryable close is preceded by a `notice`. */
export interface ClientClose {
  readonly code: number;
  readonly reason: string;
  /** Sent as a `notice` before the close; how long this client should wait. */
  readonly retryAfterMs?: number | undefined;
  /** Sent as an `error` before the close. */
  readonly error?: { readonly code: string; readonly message: string; readonly retryable: boolean } | undefined;
}

/** Writes to clients. At most one write per client socket per loop turn; order is kept between casts and directs. */
export interface ClientOutput {
  /** A group holds the sessions of one room that are seated under one binding. Frames cast before `join` are not delivered to the
   *  joining session, frames cast after it are. */
  join(group: number, handle: number): void;
  leave(group: number, handle: number): void;
  /** One ready-made WebSocket frame for every session in the group but `excluded` (0: none). */
  cast(group: number, frame: Buffer, excluded: number, frameClass: CastClass): void;
  /** One ready-made WebSocket frame for one session. */
  direct(handle: number, frame: Buffer, ephemeral: boolean): void;
  /** Flushes what is due to the client, then closes. The core hears `clientClosed` no more for this handle. */
  close(handle: number, how: ClientClose): void;
  /** Stops or resumes reading from one client's socket (back-pressure). */
  setReading(handle: number, reading: boolean): void;
}

export interface RouterPorts extends ClientOutput {
  /** Queues a message to a node's link; false when there is no such open link (nothing was queued). */
  send(node: string, incarnation: string, message: LinkMessage): boolean;
  /** Asks for a link to be kept to this node (dial, redial with jitter) or no longer. */
  keepLink(node: string, incarnation: string, address: string): void;
  dropLink(node: string, incarnation: string): void;
  /** Starts a directory operation; `done` is called in a later turn with the reply or the fault. */
  call<K extends Operation>(operation: K, args: Args<K>, done: (result: Reply<K> | DirectoryError) => void): void;
  /** Puts a run id in force for the directory's connections. */
  useRun(runId: string): void;
  log(event: string, fields: Readonly<Record<string, unknown>>): void;
  count(metric: RouterMetric, by?: number): void;
  /** Observes a duration in milliseconds. */
  observe(metric: RouterDuration, ms: number): void;
}

/** `takeover_ms` from losing a room's owner to being seated at the next, `open_ms` from accepting a client to its seat, `message_ms`
 *  from reading a client's frame to its owner's ack (one frame of a session at a time). */
export type RouterDuration = 'takeover_ms' | 'open_ms' | 'message_ms';

export type RouterMetric =
  | 'messages_in'
  | 'messages_out'
  | 'opens'
  | 'refusals'
  | 'rebinds'
  | 'hops'
  | 'certificates'
  | 'nodes_lost'
  | 'nodes_left'
  | 'stale_frames_dropped'
  | 'records_ignored';

/** What the upgrade hands to the core once a client is accepted (101 sent, identity known). */
export interface AcceptedClient {
  readonly room: string;
  readonly user: string;
  readonly session: string;
  readonly seat: number;
  /** Unix ms of the first join of this session. */
  readonly since: number;
  readonly kind: 'join' | 'resume';
  readonly cursor: { readonly seq: number; readonly tag: string } | undefined;
  /** Resume: the highest id under which it has published, where it says so. */
  readonly sent?: number | undefined;
  readonly history: number;
  /** Its socket is proxied to the server of an attendant, and never to another: see router/attended. No 101 was sent. */
  readonly attended?: true | undefined;
}
