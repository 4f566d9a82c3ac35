/** What this router has seen happen in the cluster, the last of it. Owns: the numbers of events, which of two reports tell of the same
 *  thing, and how many are kept. Does not know: how anything is noticed (live/cluster-diff.ts, core.ts), who reads.
 *
 *  Rooms change owners by the thousand when a node is lost, so they have a ring of their own: the nodes' events outlive them.
 *  Invariants: ids grow by one; the rings and what is remembered of subjects are bounded. */

/** `room.claimed`: a room has an owner of which this router knew none before. */
export const EVENT_KINDS = [
  'node.joined',
  'node.draining',
  'node.left',
  'node.lost',
  'room.claimed',
  'room.moved',
  'redis.away',
  'redis.back',
  'redis.history',
  'router.joined',
  'router.left',
] as const;

export type EventKind = (typeof EVENT_KINDS)[number];

export interface EventReport {
  /** Unix ms. */
  readonly at: number;
  readonly kind: EventKind;
  readonly node?: string | undefined;
  readonly incarnation?: string | undefined;
  readonly room?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly epoch?: number | undefined;
  readonly router?: string | undefined;
  readonly why?: string | undefined;
}

export interface ClusterEvent extends EventReport {
  readonly id: number;
}

const OTHERS_MAX = 1_000;
const ROOMS_MAX = 2_000;
const SUBJECTS_MAX = 20_000;

export class EventRing {
  readonly #rooms: ClusterEvent[] = [];
  readonly #others: ClusterEvent[] = [];
  /** The last report about each node, router and room, least recent first. */
  readonly #last = new Map<string, EventReport>();
  #id = 0;

  /** Numbers and keeps a report.
   *  @returns undefined where it tells nothing new: several workers of one router see the same */
  add(report: EventReport): ClusterEvent | undefined {
    const subject = subjectOf(report);
    const before = this.#last.get(subject);
    if (before !== undefined && !isNews(report, before)) return undefined;
    this.#last.delete(subject);
    this.#last.set(subject, report);
    if (this.#last.size > SUBJECTS_MAX) this.#last.delete(this.#last.keys().next().value ?? subject);
    const event = { id: this.#id + 1, ...report };
    this.take(event);
    return event;
  }

  /** Keeps an event that was numbered elsewhere. */
  take(event: ClusterEvent): void {
    if (event.id <= this.#id) return;
    this.#id = event.id;
    const [ring, max] = event.room === undefined ? [this.#others, OTHERS_MAX] : [this.#rooms, ROOMS_MAX];
    ring.push(event);
    if (ring.length > max) ring.shift();
  }

  /** Events above an id, oldest first, at most `limit`. `next`: the id to go on from. */
  after(id: number, limit: number): { readonly events: readonly ClusterEvent[]; readonly next: number } {
    const events = this.#merged()
      .filter((event) => event.id > id)
      .slice(0, limit);
    return { events, next: events.at(-1)?.id ?? Math.max(id, this.#id) };
  }

  /** The last ones, oldest first. */
  latest(limit: number): readonly ClusterEvent[] {
    return this.#merged().slice(-limit);
  }

  #merged(): ClusterEvent[] {
    return [...this.#others, ...this.#rooms].sort((a, b) => a.id - b.id);
  }
}

function subjectOf({ kind, node, room, router }: EventReport): string {
  if (room !== undefined) return `room ${room}`;
  if (kind === 'redis.history') return 'history';
  if (kind === 'redis.away' || kind === 'redis.back') return 'redis';
  return node === undefined ? `router ${router ?? ''}` : `node ${node}`;
}

function isNews(report: EventReport, before: EventReport): boolean {
  if (report.room !== undefined) return (report.epoch ?? 0) > (before.epoch ?? 0);
  if (report.kind === 'redis.history') return report.why !== before.why;
  if (report.incarnation !== before.incarnation) return true;
  // A life that has ended does not begin again; whoever says so has seen it late.
  return report.kind !== before.kind && before.kind !== 'node.left' && before.kind !== 'node.lost';
}
