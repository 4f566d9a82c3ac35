/** The cluster as this router last read it: which nodes live, how loaded they are, which other routers there are. Owns: that view and
 *  what has changed between two reads. Does not know: why a node is dead, or who says so.
 *  @see DESIGN §4 Routers */
import type { Beat, Cluster, NodeRecord, RouterRecord } from '../shared/directory/directory.ts';
import type { Pin } from '../shared/directory/orders.ts';
import { Placed } from './placed.ts';

export interface MembershipChange {
  /** Incarnations that this history has certified since the last read. */
  readonly certified: readonly NodeRecord[];
  /** Records that are new, or whose state, weight or address changed. */
  readonly changed: readonly NodeRecord[];
  /** Incarnations that an emptied history has not listed for so long that their leases have ended. */
  readonly forgotten: readonly NodeRecord[];
}

/** A record that an emptied history does not list is forgotten after this long: more than `dead`, so that whatever still has it as its
 *  owner cannot speak for its rooms any more. */
const ABSENT_MS = 10_000;
/** Ends that are remembered. */
const ENDED_MAX = 1_000;

export class Membership {
  readonly #nodes = new Map<string, NodeRecord>();
  readonly #absentSince = new Map<string, number>();
  /** Incarnations that were read to be dead or to have left, the latest last. That is final within the history in which it was read: a
   *  primary that was cut off may call all dead who live on at its successor. */
  readonly #ended = new Set<string>();
  #history = '';
  #routers: readonly RouterRecord[] = [];
  #pins: ReadonlyMap<string, Pin> = new Map();
  #beats: Readonly<Record<string, Beat>> = {};
  readonly #placed = new Placed();

  /** Takes a read. What an emptied history no longer lists is not thereby dead: it keeps its place until it is certified or
   *  registers again. */
  update(cluster: Cluster, nowMs: number): MembershipChange {
    const history = `${cluster.runId} ${cluster.gen}`;
    if (history !== this.#history) this.#ended.clear();
    this.#history = history;
    this.#beats = cluster.beats;
    this.#placed.read(cluster.beats);
    if (cluster.routers !== undefined) this.#routers = cluster.routers;
    if (cluster.pins !== undefined) this.#pins = new Map(cluster.pins.map((pin) => [pin.room, pin]));
    if (cluster.nodes === undefined) return { certified: [], changed: [], forgotten: this.#forgetAbsent(nowMs) };
    const listed = new Set(cluster.nodes.map((record) => record.node));
    for (const node of this.#nodes.keys()) {
      if (listed.has(node)) this.#absentSince.delete(node);
      else if (!this.#absentSince.has(node)) this.#absentSince.set(node, nowMs);
    }
    const certified: NodeRecord[] = [];
    const changed: NodeRecord[] = [];
    for (const record of cluster.nodes) {
      const before = this.#nodes.get(record.node);
      if (
        before !== undefined &&
        isLiving(before) &&
        (!isLiving(record) || record.incarnation !== before.incarnation)
      ) {
        certified.push(before);
      }
      if (before === undefined || JSON.stringify(before) !== JSON.stringify(record)) changed.push(record);
      this.#nodes.set(record.node, record);
      if (!isLiving(record)) this.#remember(record.incarnation);
    }
    return { certified, changed, forgotten: this.#forgetAbsent(nowMs) };
  }

  #remember(incarnation: string): void {
    if (this.#ended.has(incarnation)) return;
    this.#ended.add(incarnation);
    if (this.#ended.size <= ENDED_MAX) return;
    for (const oldest of this.#ended) {
      this.#ended.delete(oldest);
      break;
    }
  }

  /** Nodes that are said to live though their end was read in this history: Redis was taken back behind their certificate, which they may not know of. */
  revived(): NodeRecord[] {
    return this.living().filter((record) => this.#ended.has(record.incarnation));
  }

  /** Living nodes that the history in force lists: the ones whose heartbeats can be judged. */
  listed(): NodeRecord[] {
    return this.living().filter((record) => !this.#absentSince.has(record.node));
  }

  #forgetAbsent(nowMs: number): NodeRecord[] {
    const forgotten: NodeRecord[] = [];
    for (const [node, sinceMs] of this.#absentSince) {
      if (nowMs - sinceMs < ABSENT_MS) continue;
      const record = this.#nodes.get(node);
      if (record !== undefined && isLiving(record)) forgotten.push(record);
      this.#absentSince.delete(node);
      this.#nodes.delete(node);
    }
    return forgotten;
  }

  get nodes(): readonly NodeRecord[] {
    return [...this.#nodes.values()];
  }

  get routers(): readonly RouterRecord[] {
    return this.#routers;
  }

  /** Where an operator wants the room to be. */
  pin(room: string): Pin | undefined {
    return this.#pins.get(room);
  }

  node(id: string): NodeRecord | undefined {
    return this.#nodes.get(id);
  }

  beat(id: string): Beat | undefined {
    return this.#beats[id];
  }

  /** This router has sent the ownerless room there. */
  placed(room: string, at: Pick<NodeRecord, 'node' | 'incarnation'>): void {
    this.#placed.add(room, at, this.#beats[at.node]);
  }

  /** Rooms that the node holds, as far as is known: by its last heartbeat, and by what this router has sent it since. */
  roomsAt(node: string): number {
    return (this.#beats[node]?.load.rooms ?? 0) + this.#placed.at(node);
  }

  living(): NodeRecord[] {
    return this.nodes.filter(isLiving);
  }

  /** Whether this very incarnation is registered and not certified, as far as was read. */
  lives(node: string, incarnation: string): boolean {
    const record = this.#nodes.get(node);
    return record !== undefined && record.incarnation === incarnation && isLiving(record);
  }

  /** Whether this incarnation is certified: dead, left, or replaced under its id. */
  isCertified(node: string, incarnation: string): boolean {
    const record = this.#nodes.get(node);
    return record !== undefined && (record.incarnation !== incarnation || !isLiving(record));
  }
}

export function isLiving(record: Pick<NodeRecord, 'state'>): boolean {
  return record.state === 'active' || record.state === 'draining';
}
