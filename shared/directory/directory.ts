/** The directory: the records in Redis that are the authority on nodes, owners, presence and users.
 *  Owns: the shape of every operation and each of its replies. Does not know: Redis, sockets, or who decides what.
 *  Implemented by RedisDirectory (one Lua script an operation) and MemoryDirectory (the simulator's); one conformance suite
 *  and a differential test hold both to the same replies.
 *  @see DESIGN §3, §4 */

import type { PublishedTimings } from '../timing.ts';
import type { AbandonedOperations } from './abandoned-operations.ts';
import type { AuditEntry, Order, Pin } from './orders.ts';
import type { OutboxEvent, OutboxId } from './outbox.ts';
import type { RightsOperations } from './rights-operations.ts';

export { DirectoryError, type DirectoryFault, reasonOf } from './directory-error.ts';

/** What names one ownership of a room: an owner, its epoch, and 64 random bits that tell two histories apart. */
export interface Triple {
  readonly incarnation: string;
  readonly epoch: number;
  /** 16 hex characters. */
  readonly nonce: string;
}

/** `epoch.nonce`: names a history of a room's numbering. */
export type Tag = string;

export function tagOf(triple: { readonly epoch: number; readonly nonce: string }): Tag {
  return `${triple.epoch}.${triple.nonce}`;
}

export function sameTriple(a: Triple, b: Triple): boolean {
  return a.incarnation === b.incarnation && a.epoch === b.epoch && a.nonce === b.nonce;
}

/** A room's owner record. `owner` is absent once the room was released: epoch, head and tags are kept. */
export interface RoomRecord {
  readonly owner: { readonly node: string; readonly incarnation: string } | undefined;
  readonly epoch: number;
  readonly nonce: string;
  /** Highest seq given out, as far as Redis was told. */
  readonly head: number;
  /** The last 16 tags with the first seq that each may have given out, oldest first. */
  readonly tags: readonly { readonly tag: Tag; readonly firstSeq: number }[];
}

/** The part of a room record that a claim compares: it fails if any of it has changed. */
export interface SeenRecord {
  readonly incarnation: string | undefined;
  readonly epoch: number;
  readonly nonce: string;
}

export type NodeState = 'active' | 'draining' | 'dead' | 'left';

/** A node as it describes itself. Stored as JSON under its id. */
export interface NodeRecord {
  readonly node: string;
  /** 32 hex characters: one life of the node. */
  readonly incarnation: string;
  readonly state: NodeState;
  /** Where its link server listens: `host:port`. */
  readonly link: string;
  /** Share of rooms relative to other nodes; 1 is usual, 0 takes none. A newcomer's grows in steps. */
  readonly weight: number;
  /** What `weight` grows to; absent where it began with all of it. */
  readonly weightGoal?: number | undefined;
  /** Room patterns and the program each runs; see shared/programs.ts. */
  readonly programs: readonly { readonly pattern: string; readonly program: string }[];
  /** Where an attendant's server is (see shared/attended.ts): sockets of its rooms are proxied there. Absent: the node itself runs
   *  its rooms. */
  readonly attends?: string | undefined;
  readonly version: string;
  readonly timings: PublishedTimings;
  readonly host: string;
  readonly pid: number;
  /** Start time of `pid`, boot id and pid namespace of its host: with them another process on the same host can prove its death.
   *  Empty strings where the platform does not tell. */
  readonly pidStart: string;
  readonly bootId: string;
  readonly pidNamespace: string;
  /** Unix ms, by the node's own clock; for display. */
  readonly startedAt: number;
}

/** What a node says with each heartbeat. */
export interface NodeLoad {
  readonly rooms: number;
  readonly sessions: number;
}

export interface Beat {
  readonly incarnation: string;
  readonly counter: number;
  readonly load: NodeLoad;
  /** Membership version as of which the node knew the registered routers when it sent this beat, or a later one. Absent where it had
   *  not read them. Islanded it asks all of those, so a router that registered by then is asked. */
  readonly view?: number | undefined;
}

/** A router as it describes itself; rewritten every few seconds with `counter` raised. */
export interface RouterRecord {
  readonly router: string;
  readonly incarnation: string;
  readonly url: string;
  readonly version: string;
  readonly timings: PublishedTimings;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly counter: number;
  readonly sessions: number;
  /** Handshakes it admits each second, 0 for no limit; absent in records of earlier versions. */
  readonly acceptRate?: number | undefined;
  /** The router that this process is a worker of; absent where one process is the whole router. */
  readonly workerOf?: RouterGroup | undefined;
}

/** A router that runs as several processes, each of which registers for itself. */
export interface RouterGroup {
  /** What presence, users and the API name. */
  readonly router: string;
  /** This life of the router: of the parent of its workers. */
  readonly incarnation: string;
  /** Of that parent. */
  readonly pid: number;
}

/** A member as presence records it. */
export interface PresenceMember {
  readonly user: string;
  readonly node: string;
  readonly router: string;
  /** Unix ms at which the session first joined. */
  readonly since: number;
  /** What the client said of itself; any JSON. */
  readonly meta?: unknown;
}

/** One session of a user, as the user's key records it. */
export interface UserSession {
  readonly room: string;
  readonly node: string;
  readonly incarnation: string;
  readonly router: string;
  readonly epoch: number;
  readonly since: number;
}

/** One numbered message of a durable room, as its log keeps it. */
export interface LogEntry {
  readonly seq: number;
  readonly tag: Tag;
  /** Who said it; null for the room's program. */
  readonly from: string | null;
  /** The client's session; absent for backends and programs. */
  readonly session: string | undefined;
  /** The session's own number of it. */
  readonly id: number | undefined;
  /** Unix ms by Redis' clock. */
  readonly at: number;
  /** The message's data as JSON text. */
  readonly data: string;
}

/** What the log remembers of a sender, to tell a repetition: the last frame of its highest seat that was logged, its highest id, and
 *  the seq of that id (0: not logged). */
export interface SenderMark {
  readonly seat: number;
  readonly cseq: number;
  readonly id: number;
  readonly seq: number;
}

/** The sender of the mark that says that a log has forgotten senders: who has none there may have published all the same. */
export const FORGOTTEN = '!';
export const FORGOTTEN_MARK: SenderMark = { seat: 1, cseq: 1, id: 0, seq: 0 };

/** One thing said in a durable room, or taken there without being logged. */
export interface AppendItem {
  /** A session, `k:` and a backend's key, or `*` for the room's program. */
  readonly sender: string;
  /** Of the frame that brought it; a program's are its owner's epoch and its own counting. */
  readonly seat: number;
  readonly cseq: number;
  /** 0: it has none. */
  readonly id: number;
  /** Its sender should be known: a session that resumed at an owner that did not know it. */
  readonly isResumed: boolean;
  /** Absent where nothing is logged: only the sender's mark moves, since the program took the publish and did not pass it on. */
  readonly message?: { readonly from: string | null; readonly session?: string | undefined; readonly data: string };
}

/** `logged`: at this seq; for an item without a message, the head it came after. `duplicate`: it was logged before, at this seq
 *  (0: no longer known where). `unknown`: the sender should be known and is not, so that nobody can tell. */
export type AppendOutcome =
  | { readonly kind: 'logged'; readonly seq: number }
  | { readonly kind: 'duplicate'; readonly seq: number }
  | { readonly kind: 'unknown' };

/** A program's state, with the ownership and the seq as of which it holds. */
export interface Snapshot {
  readonly epoch: number;
  readonly seq: number;
  /** JSON text. */
  readonly state: string;
}

/** What a new owner needs of a room's log. `first`: seq of the oldest entry kept; head + 1 where there is none. */
export interface LogOpening {
  readonly first: number;
  /** The last ones, in order. */
  readonly entries: readonly LogEntry[];
  readonly senders: Readonly<Record<string, SenderMark>>;
  readonly snapshot: Snapshot | undefined;
}

export interface Cluster {
  readonly runId: string;
  /** Absent in an empty history. */
  readonly gen: string | undefined;
  /** Grows with every change of membership, state, routers or pins within a history. */
  readonly ver: number;
  readonly beats: Readonly<Record<string, Beat>>;
  /** All three absent when `known` named this history and version: nothing has changed. */
  readonly nodes?: readonly NodeRecord[];
  readonly routers?: readonly RouterRecord[];
  readonly pins?: readonly Pin[];
}

type OtherRun = { readonly kind: 'other-run'; readonly runId: string };
type OtherGen = { readonly kind: 'other-gen'; readonly gen: string | undefined };

/** Every operation: its arguments and its replies. An expected outcome is a reply; a fault is a thrown DirectoryError. */
export interface DirectoryOperations extends RightsOperations, AbandonedOperations {
  /** Reads nodes, beats, routers and pins in one step. `known` saves the transfer when nothing changed. */
  readCluster: {
    args: { readonly known?: { readonly gen: string; readonly ver: number } | undefined };
    reply: Cluster;
  };
  /** Names this history, unless it has a name. */
  createHistory: {
    args: { readonly gen: string };
    reply: { readonly kind: 'created' } | { readonly kind: 'exists'; readonly gen: string };
  };
  /** Enters a node's record. Names the history `newGen` if it has none. `first`: nothing was ever registered under this id in
   *  this history. Repeating it for the incarnation already there is harmless: it is `registered` again, its counter goes on.
   *  `living`: a namesake that is not certified stands there. `certified`: this very incarnation is dead or has left. */
  register: {
    args: { readonly record: NodeRecord; readonly runId: string; readonly newGen: string };
    reply:
      | { readonly kind: 'registered'; readonly gen: string; readonly ver: number; readonly first: boolean }
      | { readonly kind: 'living'; readonly incarnation: string; readonly counter: number; readonly gen: string }
      | { readonly kind: 'certified' }
      | OtherRun;
  };
  /** Renews a lease: counts only while the record names this incarnation, active or draining, in this history.
   *  The counter is raised by one from what is stored. `empty`: the history has no name. */
  heartbeat: {
    args: {
      readonly node: string;
      readonly incarnation: string;
      readonly runId: string;
      readonly gen: string;
      readonly load: NodeLoad;
      readonly view?: number | undefined;
    };
    reply:
      | { readonly kind: 'ok'; readonly counter: number; readonly ver: number }
      | { readonly kind: 'dead' }
      | { readonly kind: 'absent' }
      | { readonly kind: 'empty' }
      | OtherGen
      | OtherRun;
  };
  /** Changes a living node's state or weight. `refused`: the record does not name this incarnation, or it is certified. */
  setState: {
    args: {
      readonly node: string;
      readonly incarnation: string;
      readonly state: 'active' | 'draining';
      readonly weight?: number | undefined;
      readonly runId: string;
    };
    reply: { readonly kind: 'ok'; readonly ver: number } | { readonly kind: 'refused' } | OtherRun;
  };
  /** A node's own last word: it owns nothing and never will again. Writes the certificate `left`. */
  leave: {
    args: { readonly node: string; readonly incarnation: string; readonly runId: string };
    reply: { readonly kind: 'left'; readonly ver: number } | { readonly kind: 'refused' } | OtherRun;
  };
  /** Certifies an incarnation as dead. By patience: compare-and-set on the exact counter that stood still (`moved` otherwise).
   *  By proof: no counter. Final within a history.
   *  `already`: certified before (its record is dead or left, another incarnation stands under its id, or a certificate exists).
   *  `absent`: no record under that id and no certificate. */
  certify: {
    args: {
      readonly node: string;
      readonly incarnation: string;
      readonly by:
        | { readonly kind: 'patience'; readonly counter: number }
        | { readonly kind: 'proof'; readonly how: string };
      readonly runId: string;
      readonly gen: string;
    };
    reply:
      | { readonly kind: 'certified'; readonly ver: number }
      | { readonly kind: 'already' }
      | { readonly kind: 'moved'; readonly counter: number }
      | { readonly kind: 'absent' }
      | OtherGen
      | OtherRun;
  };
  /** Whether an incarnation lives, as far as this history knows, and which history that is. Read before every claim.
   *  `certified`: by certificate, by state dead or left, or because another incarnation stands under its id.
   *  `living`: its record is active or draining. `unknown`: no record under that id and no certificate. */
  standing: {
    args: { readonly node: string; readonly incarnation: string };
    reply: {
      readonly runId: string;
      readonly gen: string | undefined;
      readonly standing: 'living' | 'certified' | 'unknown';
    };
  };
  /** Enters or replaces a router's record. */
  registerRouter: {
    args: { readonly record: RouterRecord };
    reply: { readonly kind: 'ok'; readonly ver: number };
  };
  /** Rewrites a router's record with `counter` and `sessions`, version unchanged. `absent`: register again. */
  refreshRouter: {
    args: {
      readonly router: string;
      readonly incarnation: string;
      readonly counter: number;
      readonly sessions: number;
    };
    reply: { readonly kind: 'ok' } | { readonly kind: 'absent' };
  };
  /** Removes a router's record if it still names this incarnation (and, where given, still stands at `counter`). */
  removeRouter: {
    args: { readonly router: string; readonly incarnation: string; readonly counter?: number | undefined };
    reply: { readonly kind: 'removed'; readonly ver: number } | { readonly kind: 'changed' };
  };

  /** Pins a room to a node, or to another than before. `full`: as many rooms are pinned as may be. */
  setPin: {
    args: { readonly pin: Pin };
    reply: { readonly kind: 'ok'; readonly ver: number } | { readonly kind: 'full' };
  };
  removePin: {
    args: { readonly pinned: string };
    reply: { readonly kind: 'ok'; readonly ver: number } | { readonly kind: 'absent' };
  };
  /** Adds an entry to the audit log, and drops the oldest beyond AUDIT_MAX. */
  appendAudit: {
    args: { readonly entry: Order };
    reply: { readonly id: number };
  };
  /** Reads entries in order, at most `limit`: those after `after`, or without it the last ones. */
  readAudit: {
    args: { readonly after?: number | undefined; readonly limit: number };
    reply: { readonly entries: readonly AuditEntry[] };
  };

  readRoom: {
    args: { readonly room: string };
    reply: { readonly kind: 'missing' } | { readonly kind: 'record'; readonly record: RoomRecord };
  };
  /** Makes `incarnation` the owner if the record is still what was `seen` (undefined: still missing).
   *  epoch = max(stored + 1, Redis TIME in ms, floor + 1); the tag is appended with head + 1; any expiry is removed.
   *  `numbering`: `continue` keeps the stored head (or takes `head` where given, if that is higher); `restart` clears tags and
   *  starts again at 1, with nothing of a log. A log that would not end at the head is dropped, here as in release and transfer:
   *  what is logged reaches up to the head without a gap, or there is nothing. */
  claim: {
    args: {
      readonly room: string;
      readonly seen: SeenRecord | undefined;
      readonly node: string;
      readonly incarnation: string;
      readonly nonce: string;
      readonly floor: number;
      readonly numbering:
        | { readonly kind: 'continue'; readonly head?: number | undefined }
        | { readonly kind: 'restart' };
      /** What an owner puts back of a durable room's log in the same step: `entries` are contiguous and end at `numbering.head`,
       *  which must be given. Those above the stored log's end are added under their own tags, which the record then lists; where
       *  the stored log does not reach up to them, it is dropped and they are all that is kept. Marks are merged: the later frame,
       *  the higher id. `afresh` says that what is stored is not what they continue: head, log and marks are then those given alone,
       *  and of the tags those that an entry bears. */
      readonly restore?: {
        readonly afresh: boolean;
        readonly entries: readonly LogEntry[];
        readonly senders: Readonly<Record<string, SenderMark>>;
      };
      /** What is read of the log in the same step: as in openLog. */
      readonly open?: { readonly last: number; readonly bytesMax: number } | undefined;
      readonly runId: string;
    };
    reply:
      | { readonly kind: 'owned'; readonly record: RoomRecord; readonly opening?: LogOpening | undefined }
      | { readonly kind: 'changed'; readonly record: RoomRecord | undefined }
      | OtherRun;
  };
  /** Gives an empty room up: clears the owner, keeps epoch, nonce and tags, stores head, sets one expiry on all its keys, those of
   *  its log as well. */
  release: {
    args: {
      readonly room: string;
      readonly triple: Triple;
      readonly head: number;
      readonly expireMs: number;
      readonly isLogged: boolean;
    };
    reply:
      | { readonly kind: 'released' }
      | { readonly kind: 'changed'; readonly record: RoomRecord | undefined }
      | { readonly kind: 'rolled-back'; readonly head: number };
  };
  /** The owner names its successor: next epoch (as in claim), the target's nonce, head, `tag:head+1`. Of a room that is logged
   *  (`isLogged`) `head` is what the owner committed last, as in append, and `rolled-back` says that the record or the log is elsewhere,
   *  and that nothing was written; of another the record's head may lag behind, and is raised. */
  transfer: {
    args: {
      readonly room: string;
      readonly triple: Triple;
      readonly to: { readonly node: string; readonly incarnation: string; readonly nonce: string };
      readonly head: number;
      readonly isLogged: boolean;
    };
    reply:
      | { readonly kind: 'moved'; readonly record: RoomRecord }
      | { readonly kind: 'changed'; readonly record: RoomRecord | undefined }
      | { readonly kind: 'rolled-back'; readonly head: number };
  };

  /** Appends a batch to a durable room's log: numbered head+1, head+2 … without a gap, each sender's repetitions told apart, marks and
   *  head stored, all in one step. `batch` counts the owner's batches under this triple: the same one sent again changes nothing and
   *  is answered as it was. `head` is what the owner committed last.
   *  Dedupe, per item: an id not above the mark's is a `duplicate` (its seq looked up in the log, as the session of that name);
   *  without an id, so is a frame of the mark's seat that is not above its cseq, or of a lower seat (seq 0); `isResumed` with an id
   *  above 1 and no mark is `unknown`, and leaves a mark. `keep`: older entries are trimmed, by count about and by age now and then.
   *  `forget`: senders that cannot come back, dropped after the items. Beyond `sendersMax` those that spoke longest ago are forgotten,
   *  backends' keys before any others, and counted in `evicted`. Either leaves the mark `FORGOTTEN`, which is none of them and stays.
   *  `fenced`: the record does not hold this triple. `rolled-back`: the stored head is not `head`, or the log does not end there;
   *  `head` is where the stored one, or the log, does. `late`: a later batch of this triple was appended already. */
  append: {
    args: {
      readonly room: string;
      readonly triple: Triple;
      readonly batch: number;
      readonly head: number;
      readonly items: readonly AppendItem[];
      readonly keep: { readonly entries: number; readonly ms: number };
      readonly forget: readonly string[];
      readonly sendersMax: number;
      /** JSON text of the program's state after this batch. */
      readonly snapshot?: string | undefined;
    };
    reply:
      | {
          readonly kind: 'appended';
          readonly head: number;
          /** Unix ms by Redis' clock, of every entry of the batch. */
          readonly at: number;
          readonly outcomes: readonly AppendOutcome[];
          readonly evicted: number;
        }
      | { readonly kind: 'fenced'; readonly record: RoomRecord | undefined }
      | { readonly kind: 'rolled-back'; readonly head: number }
      | { readonly kind: 'late' };
  };
  /** Reads entries in order, those after a seq: at most `limit`, and no more bytes of data than `bytesMax` but at least one.
   *  `first`: seq of the oldest entry kept; head + 1 where there is none. */
  readLog: {
    args: { readonly room: string; readonly after: number; readonly limit: number; readonly bytesMax: number };
    reply:
      | { readonly kind: 'missing' }
      | {
          readonly kind: 'log';
          readonly record: RoomRecord;
          readonly first: number;
          readonly entries: readonly LogEntry[];
        };
  };
  /** What a new owner needs of a room it has just claimed: the last `last` entries, no more bytes of data than `bytesMax` but at
   *  least one, every sender's mark, the program's state. `first` as in readLog; 1 where there is no such room. */
  openLog: {
    args: { readonly room: string; readonly last: number; readonly bytesMax: number };
    reply: LogOpening;
  };

  /** Writes a room's presence behind its owner's memory, unless the stored head names a higher epoch (`stale`).
   *  `replace` drops every member not in `set`. The whole key expires after `expireMs` unless written again. */
  writePresence: {
    args: {
      readonly room: string;
      readonly epoch: number;
      readonly incarnation: string;
      readonly node: string;
      /** Unix ms by the owner's clock: as of when this is true. */
      readonly asOf: number;
      readonly set: Readonly<Record<string, PresenceMember>>;
      readonly remove: readonly string[];
      readonly replace: boolean;
      readonly expireMs: number;
    };
    reply: { readonly kind: 'written' } | { readonly kind: 'stale'; readonly epoch: number };
  };
  /** Reads members sorted by session id, `limit` of them with an id greater than `after`. An absent key is an empty presence
   *  (`head` undefined). `count` is of the whole room. */
  readPresence: {
    args: { readonly room: string; readonly after?: string | undefined; readonly limit: number };
    reply: {
      readonly head:
        | { readonly epoch: number; readonly incarnation: string; readonly node: string; readonly asOf: number }
        | undefined;
      readonly count: number;
      readonly members: readonly { readonly session: string; readonly member: PresenceMember }[];
    };
  };
  /** Writes a user's sessions. A set or remove of a session takes effect only if the stored entry's epoch is not higher.
   *  `stale` counts those that did not. The whole key expires after `expireMs` unless written again. */
  writeUser: {
    args: {
      readonly user: string;
      readonly set: Readonly<Record<string, UserSession>>;
      readonly remove: readonly { readonly session: string; readonly epoch: number }[];
      readonly expireMs: number;
    };
    reply: { readonly kind: 'written'; readonly stale: number };
  };
  readUser: {
    args: { readonly user: string };
    reply: { readonly sessions: readonly { readonly session: string; readonly at: UserSession }[] };
  };

  /** Takes over what webhooks have to tell of a room, unless a higher epoch has written (`stale`): from here on no lower one writes.
   *  `told`: of whom the last event is a join. `events`: what not every receiver has, in order. Both expire after `expireMs` unless
   *  written again. */
  openOutbox: {
    args: { readonly room: string; readonly epoch: number; readonly expireMs: number };
    reply:
      | {
          readonly kind: 'open';
          readonly told: readonly { readonly session: string; readonly user: string }[];
          readonly events: readonly { readonly id: OutboxId; readonly json: string }[];
        }
      | { readonly kind: 'stale'; readonly epoch: number };
  };
  /** Adds events, each together with the change of who is there that it tells, unless a higher epoch has written (`stale`). An event
   *  whose id is not above the last one's was added before, and is not again. Beyond `eventsMax` the oldest are `dropped`. */
  writeOutbox: {
    args: {
      readonly room: string;
      readonly epoch: number;
      readonly expireMs: number;
      readonly eventsMax: number;
      readonly events: readonly OutboxEvent[];
    };
    reply: { readonly kind: 'written'; readonly dropped: number } | { readonly kind: 'stale'; readonly epoch: number };
  };
  /** Lets go of events up to this one, which every receiver has. Once nothing is left to tell and nobody is there, all of it expires
   *  after `expireMs`. */
  trimOutbox: {
    args: { readonly room: string; readonly upTo: OutboxId; readonly expireMs: number };
    reply: { readonly kind: 'trimmed'; readonly left: number };
  };
  /** Notes that an incarnation tells of these rooms from now on, whoever did before, and lets go of those of which it need not tell any
   *  more; one that another tells of by now stays that one's. */
  writeTellers: {
    args: { readonly incarnation: string; readonly add: readonly string[]; readonly drop: readonly string[] };
    reply: { readonly kind: 'written' };
  };
  /** Which incarnation was noted last for each room, sorted by room. */
  readTellers: {
    args: Readonly<Record<never, never>>;
    reply: { readonly tellers: readonly { readonly room: string; readonly incarnation: string }[] };
  };
}

export type Operation = keyof DirectoryOperations;
export type Args<K extends Operation> = DirectoryOperations[K]['args'];
export type Reply<K extends Operation> = DirectoryOperations[K]['reply'];

export interface Directory {
  /** Carries out one operation. A retry is the caller's decision: nothing is ever re-sent or queued while Redis is away.
   *  @throws DirectoryError */
  call<K extends Operation>(operation: K, args: Args<K>): Promise<Reply<K>>;
  /** Puts a run id in force: from now on operations reach only that run of Redis. Undefined: the next one found counts. */
  useRun(runId: string | undefined): void;
}
