/** What the directory in memory holds. Owns: its shape, and expiry by the time passed in. Does not know: any operation.
 *  Values are kept as the JSON text that Redis would hold, so that nothing is shared with a caller and `undefined` is lost alike. */
import type {
  Args,
  Beat,
  LogEntry,
  NodeRecord,
  NodeState,
  Operation,
  Reply,
  RoomRecord,
  RouterRecord,
  SenderMark,
  Snapshot,
} from '../directory.ts';
import type { AuditEntry, Pin } from '../orders.ts';
import type { OutboxId } from '../outbox.ts';

/** Something that Redis would expire. It is gone once the clock has passed `expireAtMs`. */
export interface Expiring {
  expireAtMs: number | undefined;
}

export interface StoredNode {
  readonly incarnation: string;
  readonly state: NodeState;
  readonly weight: number;
  /** JSON of a NodeRecord without the above. */
  readonly rest: string;
}

export interface StoredRouter {
  readonly incarnation: string;
  readonly counter: number;
  readonly sessions: number;
  /** JSON of a RouterRecord without the above. */
  readonly rest: string;
}

/** Everything that is kept of a room while it is owned, and goes together once it is released. */
export interface StoredRoom extends Expiring {
  record: RoomRecord;
  /** The last batch under the present triple and how it was answered. */
  lastBatch: { readonly number: number; readonly reply: Reply<'append'> } | undefined;
  readonly log: StoredLog;
}

export interface StoredLog {
  entries: LogEntry[];
  /** `usedAt`: the head when the sender was last heard. */
  readonly senders: Map<string, { readonly mark: SenderMark; readonly usedAt: number }>;
  snapshot: Snapshot | undefined;
}

export interface StoredPresence extends Expiring {
  head: { readonly epoch: number; readonly incarnation: string; readonly node: string; readonly asOf: number };
  /** Session → JSON of a PresenceMember. */
  readonly members: Map<string, string>;
}

export interface StoredUser extends Expiring {
  /** Session → its epoch and the JSON of a UserSession. */
  readonly sessions: Map<string, { readonly epoch: number; readonly json: string }>;
}

export interface StoredOutbox extends Expiring {
  epoch: number;
  /** Session → user. */
  readonly told: Map<string, string>;
  events: { readonly id: OutboxId; readonly json: string }[];
  /** Of the last event ever added. */
  lastId: OutboxId;
}

export interface StoredTicket extends Expiring {
  readonly at: number;
  /** JSON of a TicketGrant. */
  readonly json: string;
}

export interface State {
  gen: string | undefined;
  ver: number;
  /** Certificates ever written in this history. */
  certificates: number;
  readonly nodes: Map<string, StoredNode>;
  readonly beats: Map<string, Beat>;
  /** Incarnation → number of its certificate. */
  readonly certs: Map<string, number>;
  readonly routers: Map<string, StoredRouter>;
  readonly pins: Map<string, Pin>;
  /** Records of dead nodes were let go of. */
  hasForgotten: boolean;
  /** Entries ever written to the audit log in this history. */
  audits: number;
  readonly audit: AuditEntry[];
  readonly rooms: Map<string, StoredRoom>;
  readonly presence: Map<string, StoredPresence>;
  readonly users: Map<string, StoredUser>;
  readonly outboxes: Map<string, StoredOutbox>;
  /** Room → incarnation. */
  readonly tellers: Map<string, string>;
  readonly tickets: Map<string, StoredTicket>;
  /** User → ms of the mark, the oldest first. */
  readonly revoked: Map<string, number>;
}

export interface ExecuteContext {
  readonly state: State;
  readonly runId: string;
  readonly nowMs: number;
  readonly certsMax: number;
}

/** An operation as a function of state, arguments and time. */
export type Executors = { readonly [K in Operation]: (args: Args<K>, context: ExecuteContext) => Reply<K> };

export function emptyState(): State {
  return {
    gen: undefined,
    ver: 0,
    hasForgotten: false,
    certificates: 0,
    nodes: new Map(),
    beats: new Map(),
    certs: new Map(),
    routers: new Map(),
    pins: new Map(),
    audits: 0,
    audit: [],
    rooms: new Map(),
    presence: new Map(),
    users: new Map(),
    outboxes: new Map(),
    tellers: new Map(),
    tickets: new Map(),
    revoked: new Map(),
  };
}

export function emptyLog(): StoredLog {
  return { entries: [], senders: new Map(), snapshot: undefined };
}

/** The same data, apart: what is changed in one is not changed in the other. What is only ever put in the place of another is shared. */
export function copyOf(state: State): State {
  return {
    ...state,
    nodes: new Map(state.nodes),
    beats: new Map(state.beats),
    certs: new Map(state.certs),
    routers: new Map(state.routers),
    rooms: each(state.rooms, (room) => ({
      ...room,
      log: { ...room.log, entries: [...room.log.entries], senders: new Map(room.log.senders) },
    })),
    presence: each(state.presence, (presence) => ({ ...presence, members: new Map(presence.members) })),
    users: each(state.users, (user) => ({ ...user, sessions: new Map(user.sessions) })),
    tickets: new Map(state.tickets),
    revoked: new Map(state.revoked),
  };
}

function each<T>(map: ReadonlyMap<string, T>, copy: (value: T) => T): Map<string, T> {
  return new Map(Array.from(map, ([key, value]) => [key, copy(value)]));
}

/** What stands under `key` and has not expired; what has is dropped. */
export function unexpired<T extends Expiring>(map: Map<string, T>, key: string, nowMs: number): T | undefined {
  const found = map.get(key);
  if (found?.expireAtMs === undefined || nowMs <= found.expireAtMs) return found;
  map.delete(key);
  return undefined;
}

/** Entries sorted by key, as Redis' readers sort them. */
export function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

export function nodeRecord(node: string, stored: StoredNode): NodeRecord {
  const rest = JSON.parse(stored.rest) as Omit<NodeRecord, 'node' | 'incarnation' | 'state' | 'weight'>;
  return { ...rest, node, incarnation: stored.incarnation, state: stored.state, weight: stored.weight };
}

export function routerRecord(router: string, stored: StoredRouter): RouterRecord {
  const rest = JSON.parse(stored.rest) as Omit<RouterRecord, 'router' | 'incarnation' | 'counter' | 'sessions'>;
  const { incarnation, counter, sessions } = stored;
  return { ...rest, router, incarnation, counter, sessions };
}
