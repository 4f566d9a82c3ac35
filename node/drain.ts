/** A drain as an object: ordered, planned, under way, then done, late or undone. Owns: its figures, its deadline and its state. Does not
 *  know: how a room moves, or which rooms there are (mover.ts).
 *  Invariants: it ends in exactly one of done and cancelled; past its deadline it says what is left and goes on, unless the node is to
 *  leave, which then says what it leaves behind. */
import type { Instant } from '../shared/clock.ts';
import { Pace } from './pace.ts';
import { Pauses } from './pauses.ts';

export interface DrainOrder {
  /** From when it is ordered. */
  readonly deadlineMs: number;
  /** Undefined: as many as the deadline asks for. */
  readonly roomsPerSecond: number | undefined;
  /** Whether the node leaves once it is done, or late. */
  readonly leaves: boolean;
  /** Who ordered it. */
  readonly by: string;
}

export interface DrainPlan {
  readonly rooms: number;
  /** Node → how many of them it would take. */
  readonly targets: Readonly<Record<string, number>>;
}

export type DrainState = 'planned' | 'running' | 'paused' | 'done' | 'late' | 'cancelled';

/** What is told of a drain. */
export interface DrainStatus extends DrainPlan {
  readonly node: string;
  readonly incarnation: string;
  readonly state: DrainState;
  /** Why it is paused, late or cancelled. */
  readonly why?: string;
  /** Unix ms. */
  readonly startedAt: number;
  readonly deadlineAt: number;
  readonly endedAt?: number;
  readonly roomsPerSecond: number;
  readonly moved: number;
  readonly left: number;
  /** Handovers that were called off; their rooms are tried again. */
  readonly failed: number;
  readonly pauseP99Ms: number | null;
  readonly estimateMs: number;
  readonly by: string;
}

/** Rooms a second where neither the order nor the deadline asks for more. */
export const DRAIN_ROOMS_PER_SECOND = 100;
/** A drain without a rate aims to be done within this part of its time. */
const PART_OF_TIME = 0.6;

export class Drain {
  readonly order: DrainOrder;
  readonly #plan: DrainPlan;
  readonly #self: { readonly node: string; readonly incarnation: string };
  readonly #startedAt: Instant;
  readonly #pauses = new Pauses();
  readonly #pace = new Pace();
  #endedAt: Instant | undefined;
  #state: DrainState = 'running';
  #why: string | undefined;
  #moved = 0;
  #failed = 0;
  #left: number;

  constructor(
    order: DrainOrder,
    plan: DrainPlan,
    self: { readonly node: string; readonly incarnation: string },
    now: Instant,
  ) {
    this.order = order;
    this.#plan = plan;
    this.#self = { node: self.node, incarnation: self.incarnation };
    this.#startedAt = now;
    this.#left = plan.rooms;
  }

  get state(): DrainState {
    return this.#state;
  }

  /** Whether rooms are still to go. */
  get isUnderWay(): boolean {
    return this.#state === 'running' || this.#state === 'paused' || this.#state === 'late';
  }

  get deadlineMs(): number {
    return this.#startedAt.monoMs + this.order.deadlineMs;
  }

  isLate(now: Instant): boolean {
    return now.monoMs >= this.deadlineMs;
  }

  /** Whether the same is ordered again. */
  isSame({ deadlineMs, roomsPerSecond, leaves }: DrainOrder): boolean {
    const { order } = this;
    return order.leaves === leaves && order.deadlineMs === deadlineMs && order.roomsPerSecond === roomsPerSecond;
  }

  roomsPerSecond(now: Instant): number {
    const { roomsPerSecond } = this.order;
    if (roomsPerSecond !== undefined) return roomsPerSecond;
    const seconds = ((this.deadlineMs - now.monoMs) / 1_000) * PART_OF_TIME;
    return Math.max(DRAIN_ROOMS_PER_SECOND, this.#left / Math.max(0.1, seconds));
  }

  moved(pausedMs: number): void {
    this.#moved++;
    this.#left = Math.max(0, this.#left - 1);
    this.#pauses.add(pausedMs);
  }

  failed(): void {
    this.#failed++;
  }

  /** Where it stands now. @param why  why no room moves at this moment */
  stands(left: number, why: string | undefined, now: Instant): void {
    if (!this.isUnderWay) return;
    this.#left = left;
    this.#why = why;
    this.#pace.stands(this.#moved, why === undefined, now.monoMs);
    if (this.isLate(now)) {
      this.#state = 'late';
      this.#why = `its deadline has passed${why === undefined ? '' : `: ${why}`}`;
    } else {
      this.#state = why === undefined ? 'running' : 'paused';
    }
  }

  done(now: Instant): void {
    if (!this.isUnderWay) return;
    this.#why = this.isLate(now) ? 'after its deadline' : undefined;
    this.#state = 'done';
    this.#left = 0;
    this.#endedAt = now;
  }

  cancel(by: string, now: Instant): void {
    this.#state = 'cancelled';
    this.#why = `undone by ${by}`;
    this.#endedAt ??= now;
  }

  status(now: Instant): DrainStatus {
    const { deadlineMs, by } = this.order;
    const rate = this.roomsPerSecond(now);
    return {
      ...this.#self,
      state: this.#state,
      ...(this.#why === undefined ? {} : { why: this.#why }),
      startedAt: this.#startedAt.wallMs,
      deadlineAt: this.#startedAt.wallMs + deadlineMs,
      ...(this.#endedAt === undefined ? {} : { endedAt: this.#endedAt.wallMs }),
      roomsPerSecond: Math.round(rate * 10) / 10,
      rooms: this.#plan.rooms,
      moved: this.#moved,
      left: this.#left,
      failed: this.#failed,
      pauseP99Ms: this.#pauses.p99Ms,
      // By what it really does, once that is known: what is asked for may be more than targets take.
      estimateMs: this.isUnderWay ? Math.ceil((this.#left / Math.min(rate, this.#pace.perSecond ?? rate)) * 1_000) : 0,
      targets: this.#plan.targets,
      by,
    };
  }

  /** What would be, without anything being begun. */
  static planned(
    order: DrainOrder,
    plan: DrainPlan,
    self: { readonly node: string; readonly incarnation: string },
    now: Instant,
  ): DrainStatus {
    return { ...new Drain(order, plan, self, now).status(now), state: 'planned' };
  }
}
