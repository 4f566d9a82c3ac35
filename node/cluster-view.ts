/** The cluster as this node reads it: nodes, routers, pins. Owns: the last read, when the next one is due, how long it took. Does not
 *  know: what follows from a change.
 *  Invariants: one read is under way at a time; what was read in another history never passes for what is known in the one in force. */
import type { Instant } from '../shared/clock.ts';
import {
  type Args,
  type Cluster,
  DirectoryError,
  type NodeRecord,
  type Reply,
  type RouterRecord,
} from '../shared/directory/directory.ts';
import type { Pin } from '../shared/directory/orders.ts';
import { jittered, type RandomSource } from '../shared/random.ts';
import type { Lease } from './lease.ts';
import type { OwnRecord } from './own-record.ts';

const VIEW_EVERY_MS = 1_000;
/** Where a read failed that would have shown a change. */
const VIEW_AGAIN_MS = 100;
/** How many sessions routers hold changes without a new version of the membership: every so many reads are whole ones. */
const WHOLE_VIEW_EVERY = 5;

export interface ClusterViewPorts {
  readonly random: RandomSource;
  readonly now: () => Instant;
  readonly read: (args: Args<'readCluster'>, done: (reply: Reply<'readCluster'> | DirectoryError) => void) => void;
  readonly lease: Pick<Lease, 'state' | 'ver' | 'sawCluster'>;
  readonly ownRecord: Pick<OwnRecord, 'round' | 'saw'>;
  /** Between two reads where others wait for what this node sees; undefined where nobody does. */
  readonly hurriedMs: () => number | undefined;
  /** The cluster was read. @param isNews  its version is another than before */
  readonly saw: (view: ClusterView, beats: Cluster['beats'], isNews: boolean, now: Instant) => void;
}

export class ClusterView {
  readonly #ports: ClusterViewPorts;
  #nodes: readonly NodeRecord[] = [];
  #routers: readonly RouterRecord[] = [];
  #pins: ReadonlyMap<string, Pin> = new Map();
  #known: { gen: string; ver: number } | undefined;
  #reads = 0;
  #dueMs = 0;
  #sentMs = 0;
  #tookMs = 0;
  #isBusy = false;

  constructor(ports: ClusterViewPorts) {
    this.#ports = ports;
  }

  /** As of the last read that found a change. */
  get nodes(): readonly NodeRecord[] {
    return this.#nodes;
  }

  /** A few seconds old at most. */
  get routers(): readonly RouterRecord[] {
    return this.#routers;
  }

  get pins(): ReadonlyMap<string, Pin> {
    return this.#pins;
  }

  /** Whether it was read in the history in force. */
  get isRead(): boolean {
    return this.#known !== undefined;
  }

  /** How long the last read took, milliseconds. */
  get tookMs(): number {
    return this.#tookMs;
  }

  /** The next read is due at once. */
  hurry(now: Instant): void {
    this.#dueMs = now.monoMs;
  }

  /** Another history is in force. Until it names the routers of that, they wait for as long as an island lasts before they take it
   *  for dead. */
  historyChanged(now: Instant): void {
    this.#known = undefined;
    this.hurry(now);
  }

  /** Reads the cluster if that is due. */
  tick(now: Instant): void {
    const { lease, ownRecord, random, hurriedMs } = this.#ports;
    // A heartbeat has told of a change that was not read yet.
    const isBehind = this.#known !== undefined && this.#known.ver < lease.ver;
    const dueMs = isBehind ? Math.min(this.#dueMs, this.#sentMs + VIEW_AGAIN_MS) : this.#dueMs;
    if (this.#isBusy || now.monoMs < dueMs || lease.state.kind !== 'living') return;
    this.#sentMs = now.monoMs;
    this.#isBusy = true;
    this.#dueMs = now.monoMs + jittered(random, hurriedMs() ?? VIEW_EVERY_MS);
    const { round } = ownRecord;
    const known = this.#known;
    const isWhole = this.#reads++ % WHOLE_VIEW_EVERY === 0;
    this.#ports.read({ known: isWhole ? undefined : known }, (reply) => {
      this.#isBusy = false;
      const at = this.#ports.now();
      this.#tookMs = at.monoMs - now.monoMs;
      // A version of another history would later pass for one that is known.
      if (reply instanceof DirectoryError || !lease.sawCluster(reply)) return;
      if (reply.routers !== undefined) this.#routers = reply.routers;
      // A whole read brings all of it also where nothing has changed.
      const isNews = reply.nodes !== undefined && (reply.gen !== known?.gen || reply.ver !== known?.ver);
      if (reply.nodes !== undefined && isNews) {
        this.#nodes = reply.nodes;
        this.#pins = new Map((reply.pins ?? []).map((pin) => [pin.room, pin]));
        ownRecord.saw(reply.nodes, round);
      }
      this.#ports.saw(this, reply.beats, isNews, at);
      if (reply.gen !== undefined) this.#known = { gen: reply.gen, ver: reply.ver };
    });
  }
}
