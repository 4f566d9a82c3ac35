/** Every planned move of a room: the owner compares its rooms with placement and hands over those that belong elsewhere, at a rate.
 *  A drain is weight 0 for this node, a node that was added is a new candidate, a pin names the place. Owns: which rooms are to go, in
 *  which order, how fast, and why none goes now. Does not know: how one room moves (handover.ts), or what is said in it.
 *  Invariants: outside of a drain a room is compared once for each change of the cluster's version, goes only where it belongs also once
 *  newcomers have all their weight, and stays for the cooldown where it came by a handover, unless it goes home after a drain
 *  (drain-times.ts); while a takeover, another drain or trouble with Redis is under way nothing is begun.
 *  @see docs/moves.md */
import type { Instant } from '../shared/clock.ts';
import type { Beat, NodeRecord } from '../shared/directory/directory.ts';
import type { Pin } from '../shared/directory/orders.ts';
import type { Placement } from '../shared/placement.ts';
import { lists } from '../shared/programs.ts';
import { Drain, type DrainOrder, type DrainPlan, type DrainStatus } from './drain.ts';
import { DrainTimes } from './drain-times.ts';
import type { HandoverEnd, Target } from './handover.ts';
import { byHeat } from './heat.ts';
import type { Hosted } from './hosted.ts';
import { Pauses } from './pauses.ts';

const AT_ONCE_MAX = 16;
/** Comparisons of a room with a candidate in one tick. */
const COMPARED_MAX = 20_000;
/** Tokens that may gather: what a late tick missed is made up for, a pause is not. */
const BURST_MS = 250;
/** A room whose handover was called off so often waits for the next change; in a drain it is tried on. */
const ATTEMPTS_MAX = 3;
/** After a node died, others take its rooms over. */
const TAKEOVER_MS = 3_000;
/** Longest that waiting OPENs prolong that. */
const TAKEOVER_MAX_MS = 10_000;
const DRAIN_LOOK_MS = 200;
/** A drain none of whose rooms has gone for so long holds up nobody else: it may be one that no other node can take from. */
const OTHER_DRAIN_MS = 60_000;

export interface MoveRules {
  /** Rooms that rebalancing hands over in a second; 0: none. */
  readonly roomsPerSecond: number;
  /** A room that came by a handover is not rebalanced for so long. */
  readonly cooldownMs: number;
}

/** The cluster as last read. */
export interface MoverView {
  readonly nodes: readonly NodeRecord[];
  readonly beats: Readonly<Record<string, Beat>>;
  readonly pins: ReadonlyMap<string, Pin>;
}

export interface MoverPorts {
  readonly self: Pick<NodeRecord, 'node' | 'incarnation' | 'attends'>;
  readonly rules: MoveRules;
  readonly placement: Placement;
  readonly hosted: () => Iterable<Hosted>;
  readonly get: (room: string) => Hosted | undefined;
  readonly underWay: () => number;
  readonly isMoving: (room: string) => boolean;
  readonly handOver: (room: string, to: Target, now: Instant) => void;
  /** What is wrong with Redis, as far as this node sees. */
  readonly redisTrouble: (now: Instant) => string | undefined;
  /** OPENs that wait for a room to be found or claimed here. */
  readonly waiting: () => number;
  /** Whether all others read that this node takes no rooms. */
  readonly isToldDraining: () => boolean;
  /** Rooms that another node may be handing over to this one right now. */
  readonly promised: (now: Instant) => number;
  readonly leave: (roomsLeft: readonly string[], untilMs: number, now: Instant) => void;
}

/** What is told of a node's moves outside of a drain. */
export interface MovesStatus {
  readonly state: 'idle' | 'running' | 'paused';
  readonly why?: string;
  readonly held: number;
  readonly belongElsewhere: number;
  readonly moving: number;
  readonly moved: number;
  readonly failed: number;
  readonly pauseP99Ms: number | null;
}

/** After the deadline a leaving node still tries this long to say that it has left. */
const LEAVE_MS = 5_000;

export class Mover {
  readonly #ports: MoverPorts;
  #view: MoverView | undefined;
  #drain: Drain | undefined;
  /** Rooms that are compared now: those not looked at yet, and those found to belong elsewhere. */
  #scan: { readonly names: readonly string[]; at: number; readonly found: Hosted[] } | undefined;
  /** Rooms to go, the next one last. */
  #queue: string[] = [];
  readonly #later = new Map<string, number>();
  readonly #attempts = new Map<string, number>();
  #tokens = 0;
  #filledMs = 0;
  #lookMs = 0;
  #takeover: { readonly node: string; readonly sinceMs: number } | undefined;
  /** Nodes that are drained: how few rooms each was seen with, and since when. */
  readonly #others = new Map<string, { readonly rooms: number; readonly sinceMs: number }>();
  #why: string | undefined;
  #left = false;
  readonly #pauses = new Pauses();
  readonly #drainTimes = new DrainTimes();
  #moved = 0;
  #failed = 0;

  constructor(ports: MoverPorts) {
    this.#ports = ports;
  }

  // --- orders --------------------------------------------------------------------------------------------------------------------

  /** Whether this node takes no rooms since it is drained, or was. */
  get draining(): boolean {
    return this.#drain !== undefined && this.#drain.state !== 'cancelled';
  }

  get drain(): Drain | undefined {
    return this.#drain;
  }

  /** Whether the node ends once its rooms are gone. */
  get leaves(): boolean {
    return this.draining && this.#drain?.order.leaves === true;
  }

  /** Whether it ends then at the latest. */
  leavesBy(atMs: number): boolean {
    return this.#left || (this.leaves && (this.#drain?.deadlineMs ?? atMs) <= atMs);
  }

  /** What a drain would do. */
  plan(): DrainPlan {
    const targets: Record<string, number> = {};
    let rooms = 0;
    for (const hosted of this.#ports.hosted()) {
      if (!isHere(hosted)) continue;
      rooms++;
      const to = this.#targetOf(hosted, true);
      if (to !== undefined) targets[to.node] = (targets[to.node] ?? 0) + 1;
    }
    return { rooms, targets };
  }

  planned(order: DrainOrder, now: Instant): DrainStatus {
    return Drain.planned(order, this.plan(), this.#ports.self, now);
  }

  begin(order: DrainOrder, now: Instant): Drain {
    this.#drain = new Drain(order, this.plan(), this.#ports.self, now);
    this.#compareAll();
    return this.#drain;
  }

  /** Takes rooms again. Those that have gone come back as placement says, by and by. */
  undo(by: string, now: Instant): void {
    this.#drain?.cancel(by, now);
    this.#compareAll();
  }

  // --- what is known ---------------------------------------------------------------------------------------------------------------

  /** @param isChanged  whether the cluster's version is another than before: rooms are compared anew */
  saw(view: MoverView, isChanged: boolean, now: Instant): void {
    const before = this.#view;
    this.#view = view;
    this.#drainTimes.saw(view.nodes, now.monoMs);
    for (const one of before?.nodes ?? []) {
      if (one.state !== 'active' && one.state !== 'draining') continue;
      const then = view.nodes.find(({ node }) => node === one.node);
      const isDead = then?.state === 'dead' || (then !== undefined && then.incarnation !== one.incarnation);
      if (isDead && one.state === 'active') this.#takeover = { node: one.node, sinceMs: now.monoMs };
    }
    this.#seeDrains(view, now);
    if (isChanged) this.#compareAll();
  }

  #seeDrains({ nodes, beats }: MoverView, now: Instant): void {
    const drained = new Set<string>();
    for (const { node, incarnation, state } of nodes) {
      const beat = beats[node];
      if (state !== 'draining' || beat?.incarnation !== incarnation) continue;
      drained.add(incarnation);
      const { rooms } = beat.load;
      if (rooms < (this.#others.get(incarnation)?.rooms ?? Number.POSITIVE_INFINITY))
        this.#others.set(incarnation, { rooms, sinceMs: now.monoMs });
    }
    for (const incarnation of this.#others.keys()) if (!drained.has(incarnation)) this.#others.delete(incarnation);
  }

  /** Where placement, or a pin, wants the room; undefined where it may stay. */
  belongs(hosted: Hosted): Target | undefined {
    const to = this.#targetOf(hosted, this.draining);
    return to?.node === this.#ports.self.node ? undefined : to;
  }

  /** Why a room that belongs elsewhere is still here. */
  whyHere(hosted: Hosted, now: Instant): string | undefined {
    if (this.#why !== undefined) return `moves are paused: ${this.#why}`;
    const failed = this.#attempts.get(hosted.name) ?? 0;
    if (failed > 0) return `${failed} attempts to hand it over were called off`;
    const to = this.belongs(hosted);
    if (to !== undefined && this.#later.has(hosted.name) && this.#coolsUntil(hosted, to) > now.monoMs)
      return 'it moved less than a minute ago';
    if (this.#queue.includes(hosted.name) || this.#scan !== undefined) return 'its turn to move has not come yet';
    return undefined;
  }

  // --- time ------------------------------------------------------------------------------------------------------------------------

  tick(now: Instant): void {
    if (this.#left) return;
    this.#why = this.#pausedBecause(now);
    const drain = this.draining ? this.#drain : undefined;
    if (drain !== undefined) this.#tickDrain(drain, now);
    if (this.#left) return;
    this.#compare();
    const rate = drain?.roomsPerSecond(now) ?? this.#rebalanceRate();
    if (this.#why !== undefined || rate === 0 || (drain !== undefined && !this.#ports.isToldDraining())) {
      this.#filledMs = now.monoMs;
      this.#tokens = 0;
      return;
    }
    const burst = Math.max(1, (rate * BURST_MS) / 1_000);
    this.#tokens = Math.min(burst, this.#tokens + ((now.monoMs - this.#filledMs) * rate) / 1_000);
    this.#filledMs = now.monoMs;
    this.#wake(now);
    while (this.#tokens >= 1 && this.#ports.underWay() < AT_ONCE_MAX) {
      const name = this.#queue.pop();
      if (name === undefined) return;
      this.#move(name, drain !== undefined, now);
    }
  }

  /** A handover of this node has ended, whoever began it. */
  ended(room: string, end: HandoverEnd): void {
    const drain = this.draining ? this.#drain : undefined;
    if (end.kind === 'moved') {
      this.#moved++;
      this.#pauses.add(end.pausedMs);
      drain?.moved(end.pausedMs);
      this.#attempts.delete(room);
      return;
    }
    this.#failed++;
    drain?.failed();
    // Nobody waits for it to be tried again.
    if (drain === undefined && this.#rebalanceRate() === 0) return;
    const attempts = (this.#attempts.get(room) ?? 0) + 1;
    this.#attempts.set(room, attempts);
    if (drain === undefined && attempts < ATTEMPTS_MAX) this.#later.set(room, 0);
  }

  /** Of a drain: undefined where none was ordered in this life of the node. */
  drainStatus(now: Instant): DrainStatus | undefined {
    return this.#drain?.status(now);
  }

  status(held: number): MovesStatus {
    const belongElsewhere = this.#queue.length + this.#later.size + (this.#scan?.found.length ?? 0);
    const moving = this.#ports.underWay();
    const isIdle = belongElsewhere + moving === 0 && !this.#isStuck();
    return {
      state: isIdle ? 'idle' : this.#why === undefined ? 'running' : 'paused',
      ...(isIdle || this.#why === undefined ? {} : { why: this.#why }),
      held,
      belongElsewhere,
      moving,
      moved: this.#moved,
      failed: this.#failed,
      pauseP99Ms: this.#pauses.p99Ms,
    };
  }

  /** Why nothing may be begun now. */
  get why(): string | undefined {
    return this.#why;
  }

  // --- how -------------------------------------------------------------------------------------------------------------------------

  #isStuck(): boolean {
    return this.#scan !== undefined || (this.draining && this.#drain?.isUnderWay === true);
  }

  #rebalanceRate(): number {
    // Where clients' sockets cannot follow, their rooms move only if they must.
    return this.#ports.self.attends === undefined ? this.#ports.rules.roomsPerSecond : 0;
  }

  #pausedBecause(now: Instant): string | undefined {
    const trouble = this.#ports.redisTrouble(now);
    if (trouble !== undefined) return trouble;
    // A node that is about to be ended has no time to be considerate.
    const isHurried = this.leaves && (this.#drain?.deadlineMs ?? 0) - now.monoMs < 2 * TAKEOVER_MAX_MS;
    if (this.#takeover !== undefined && !isHurried) {
      const { node, sinceMs } = this.#takeover;
      const pastMs = now.monoMs - sinceMs;
      const isOver = pastMs >= TAKEOVER_MAX_MS || (pastMs >= TAKEOVER_MS && this.#ports.waiting() === 0);
      if (!isOver) return `node ${node} has died, and its rooms are being taken over`;
      this.#takeover = undefined;
    }
    const other = this.#otherDrain(now);
    return other === undefined ? undefined : `node ${other} is being drained`;
  }

  /** Another drain that goes first. Of two at once the one of the lower name does; a node that leaves waits for none, since whoever
   *  told it to end will not wait either. One that gets nowhere is waited for no longer than a minute. */
  #otherDrain(now: Instant): string | undefined {
    if (this.leaves) return undefined;
    const { node: self } = this.#ports.self;
    const isFirst = (node: string) => !this.draining || node < self;
    return this.#view?.nodes.find(({ node, incarnation, state, attends }) => {
      if (state !== 'draining' || node === self || attends !== undefined || !isFirst(node)) return false;
      const seen = this.#others.get(incarnation);
      const has = this.#view?.beats[node]?.load.rooms ?? 0;
      return seen !== undefined && has > 0 && now.monoMs - seen.sinceMs < OTHER_DRAIN_MS;
    })?.node;
  }

  #tickDrain(drain: Drain, now: Instant): void {
    if (!drain.isUnderWay) return;
    const isLate = drain.isLate(now);
    if (!this.#ports.isToldDraining() && !(isLate && drain.order.leaves))
      return drain.stands(this.#rooms().length, this.#why, now);
    const rooms = this.#rooms();
    const alone = this.#view !== undefined && !this.#view.nodes.some((one) => this.#isOther(one));
    const why = this.#why ?? (alone && rooms.length > 0 ? 'no other active node could take its rooms' : undefined);
    drain.stands(rooms.length, why, now);
    const isEmpty = rooms.length === 0 && this.#ports.promised(now) === 0;
    if (isEmpty) drain.done(now);
    if (drain.order.leaves && (isEmpty || isLate || alone)) {
      this.#left = true;
      return this.#ports.leave(rooms, drain.deadlineMs + LEAVE_MS, now);
    }
    // Rooms that were opened since, and those whose handover was called off.
    if (this.#scan === undefined && this.#queue.length === 0 && now.monoMs >= this.#lookMs) {
      this.#lookMs = now.monoMs + DRAIN_LOOK_MS;
      this.#compareAll();
    }
  }

  #rooms(): string[] {
    const rooms: string[] = [];
    for (const hosted of this.#ports.hosted()) if (isHere(hosted)) rooms.push(hosted.name);
    return rooms;
  }

  #isOther({ incarnation, state, weight }: NodeRecord): boolean {
    return state === 'active' && weight > 0 && incarnation !== this.#ports.self.incarnation;
  }

  #targetOf(hosted: Hosted, without: boolean): Target | undefined {
    const { self, placement } = this.#ports;
    const able = (this.#view?.nodes ?? []).filter(
      (one) =>
        one.state === 'active' &&
        !(without && one.incarnation === self.incarnation) &&
        lists(one, hosted.name, hosted.program),
    );
    const pinned = this.#view?.pins.get(hosted.name)?.node;
    const isPinned = able.some(({ node }) => node === pinned);
    const chosen = isPinned ? pinned : placement.first(hosted.name, able);
    const to = able.find(({ node }) => node === chosen);
    // A newcomer is about to want it: it stays for that, or it would move twice.
    if (!without && !isPinned && chosen !== this.#inTheEnd(hosted.name, able)) return undefined;
    return to && { node: to.node, incarnation: to.incarnation, address: to.link };
  }

  /** Where the room belongs once newcomers have all their weight. */
  #inTheEnd(room: string, able: readonly NodeRecord[]): string | undefined {
    const goals = able.map(({ node, weight, weightGoal }) => ({ node, weight: weightGoal ?? weight }));
    return this.#ports.placement.first(room, goals);
  }

  /** Something has changed: every room is compared anew. */
  #compareAll(): void {
    this.#attempts.clear();
    this.#later.clear();
    this.#queue = [];
    this.#scan = undefined;
    if (!this.draining && this.#rebalanceRate() === 0) return;
    const names: string[] = [];
    for (const { name } of this.#ports.hosted()) names.push(name);
    this.#scan = { names, at: 0, found: [] };
    this.#compare();
  }

  #compare(): void {
    const scan = this.#scan;
    if (scan === undefined) return;
    const rooms = Math.max(1, Math.floor(COMPARED_MAX / Math.max(1, this.#view?.nodes.length ?? 1)));
    const end = Math.min(scan.names.length, scan.at + rooms);
    for (; scan.at < end; scan.at++) {
      const hosted = this.#ports.get(scan.names[scan.at] ?? '');
      if (hosted?.ownership.held !== undefined && this.belongs(hosted) !== undefined) scan.found.push(hosted);
    }
    if (scan.at < scan.names.length) return;
    this.#scan = undefined;
    this.#queue = scan.found
      .sort(byHeat)
      .map(({ name }) => name)
      .reverse();
  }

  /** Rooms whose time to wait is over have their turn again. */
  #wake(now: Instant): void {
    if (this.#queue.length > 0) return;
    for (const [room, atMs] of this.#later) {
      if (now.monoMs < atMs) continue;
      this.#later.delete(room);
      this.#queue.push(room);
    }
  }

  /** A room that was here only while its own node was drained goes home at once: it is one move there and one back for each drain, which
   *  somebody ordered. All else that moved rests, so that no room is passed on and on. */
  #coolsUntil({ arrivedMs }: Hosted, to: Target): number {
    if (arrivedMs === undefined || this.#drainTimes.covers(to.node, arrivedMs)) return 0;
    return arrivedMs + this.#ports.rules.cooldownMs;
  }

  #move(name: string, isDrain: boolean, now: Instant): void {
    const hosted = this.#ports.get(name);
    if (hosted?.ownership.held === undefined || this.#ports.isMoving(name)) return;
    const to = this.belongs(hosted);
    if (to === undefined) return;
    const isPinned = this.#view?.pins.get(name)?.node === to.node;
    const readyMs = Math.max(hosted.retryHandoverAtMs, isDrain || isPinned ? 0 : this.#coolsUntil(hosted, to));
    if (hosted.settling) this.#later.set(name, now.monoMs + DRAIN_LOOK_MS);
    else if (readyMs > now.monoMs) this.#later.set(name, readyMs);
    else {
      this.#tokens--;
      this.#ports.handOver(name, to, now);
    }
  }
}

/** Whether there is something of the room here that would be lost with the node. */
function isHere({ room, waiters, ownership }: Hosted): boolean {
  return room !== undefined || waiters.length > 0 || ownership.state.kind !== 'none';
}
