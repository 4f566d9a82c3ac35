/** What the HTTP API asks of its router. Owns: the seam between HTTP and the cluster, and what a node answers to each question.
 *  Does not know: HTTP, links.
 *  @see DESIGN §8 */
import type { Beat, Directory, NodeRecord, RouterRecord } from '../shared/directory/directory.ts';
import type { Pin } from '../shared/directory/orders.ts';

/** A node as this router sees it. */
export interface NodeView {
  readonly record: NodeRecord;
  /** Its last heartbeat; undefined where this incarnation has made none. */
  readonly beat: Beat | undefined;
  /** How long its counter has stood still, by this router's own clock. */
  readonly heartbeatAgeMs: number | undefined;
  /** Whether this router's link to it is up. */
  readonly linked: boolean;
}

export interface OwnerAnswer {
  readonly node: string;
  readonly incarnation: string;
  readonly epoch: number;
  readonly result: unknown;
}

/** A change of owner that this router saw. */
export interface RoomMove {
  /** Unix ms. */
  readonly at: number;
  readonly from?: string | undefined;
  readonly to: string;
  readonly epoch: number;
  readonly why?: string | undefined;
}

export interface ApiPorts {
  readonly directory: Directory;
  /** False only while the router starts or stops. */
  ready(): boolean;
  /** Asks one node.
   *  @throws BellhopError what the node said, link_lost, timeout */
  callNode(node: string, op: NodeOperation, args: unknown, timeoutMs: number): Promise<unknown>;
  /** Asks the living owner of a room, wherever it is; the room is added to the arguments.
   *  @param how  `open`: a room that nobody owns is claimed first
   *  @throws BellhopError not_found where nobody owns it, settling where its owner is dead and not replaced yet, or what the
   *          owner said */
  callOwner(
    room: string,
    op: NodeOperation,
    args: Readonly<Record<string, unknown>>,
    how: { readonly open: boolean },
  ): Promise<OwnerAnswer>;
  nodes(): readonly NodeView[];
  routers(): readonly RouterRecord[];
  /** Nodes in the order in which placement prefers them for a room. */
  placementOrder(room: string): readonly { readonly node: string; readonly weight: number }[];
  /** Where an operator wants the room to be. */
  pin(room: string): Pin | undefined;
  recentMoves(room: string): readonly RoomMove[];
  /** Where this router would send the next client of the room without asking anybody. */
  cachedRoute(room: string): { readonly node: string; readonly incarnation: string } | undefined;
}

/** Questions to a node. Each names its room in `room`, but for `rooms` and those about the node as a whole. */
export type NodeOperation =
  /** {prefix?, cursor?, limit} → RoomsAnswer, sorted by room; `cursor` is the last room of the page before. */
  | 'rooms'
  /** {room} → RoomSummary and RoomPlace, or null. */
  | 'room'
  /** {room, cursor?, limit} → PresenceAnswer, sorted by session; `cursor` is the last session of the page before. */
  | 'presence'
  /** {room, data, from, key?} → {seq, epoch}. */
  | 'publish'
  /** {room, session, code?, reason?} → {closed}. */
  | 'kick'
  /** {room, sessions} → {sessions}: those that are really here. */
  | 'confirm'
  /** {room, session, from, data} → {delivered}. */
  | 'direct'
  /** {room} → {closed}. */
  | 'close-room'
  /** {room, after, limit} → {messages, head}. */
  | 'messages'
  /** {room, node} → {moving}. */
  | 'move'
  /** {deadlineMs?, roomsPerSecond?, dryRun?, leave?, by} → DrainAnswer. */
  | 'drain'
  /** {} → DrainAnswer of the running or last one, or null. */
  | 'drain-status'
  /** {by} → DrainAnswer, or null where the node does not drain. */
  | 'undrain'
  /** {} → MovesAnswer. */
  | 'moves'
  /** {limit} → HotAnswer. */
  | 'hot'
  /** {} → {endpoints}: how webhooks fare at this node. */
  | 'webhooks';

export interface RoomSummary {
  readonly room: string;
  readonly epoch: number;
  readonly head: number;
  readonly sessions: number;
  /** Unix ms since when this owner holds it. */
  readonly since: number;
  readonly program: string;
}

export interface RoomsAnswer {
  readonly rooms: readonly RoomSummary[];
  readonly next?: string;
}

export interface PresenceAnswer {
  readonly epoch: number;
  readonly count: number;
  readonly version: number;
  readonly members: readonly {
    readonly session: string;
    readonly user: string;
    readonly since: number;
    readonly meta?: unknown;
  }[];
  readonly next?: string;
}

/** Where a room is going, as its owner says. */
export interface RoomPlace {
  /** It is being handed over. */
  readonly moving?: { readonly to: string; readonly step: string; readonly sinceMs: number };
  /** Placement or a pin wants it elsewhere; `why` it is still here. */
  readonly belongs?: { readonly to: string; readonly why?: string };
}

export interface DrainAnswer {
  readonly node: string;
  readonly incarnation: string;
  readonly state: 'planned' | 'running' | 'paused' | 'done' | 'late' | 'cancelled';
  readonly why?: string;
  readonly startedAt: number;
  readonly deadlineAt: number;
  readonly endedAt?: number;
  readonly roomsPerSecond: number;
  readonly rooms: number;
  readonly moved: number;
  readonly left: number;
  readonly failed: number;
  readonly pauseP99Ms: number | null;
  readonly estimateMs: number;
  readonly targets: Readonly<Record<string, number>>;
  readonly by: string;
}

export interface MovesAnswer {
  readonly state: 'idle' | 'running' | 'paused';
  readonly why?: string;
  readonly held: number;
  readonly belongElsewhere: number;
  readonly moving: number;
  readonly moved: number;
  readonly failed: number;
  readonly pauseP99Ms: number | null;
}

export interface HotAnswer {
  readonly rooms: readonly {
    readonly room: string;
    readonly messagesPerSecond: number;
    readonly bytesPerSecond: number;
    readonly members: number;
  }[];
  readonly messagesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly eventLoopDelayMs: number;
}
