/** What backends are told of this node's rooms. Owns: which rooms are told of, what is written to each one's outbox and when, and what of
 *  it is under way to receivers. Does not know: HTTP, why a room opens or ends.
 *
 *      member comes or goes ─▶ events in memory ─▶ outbox in Redis ─▶ couriers ─▶ receivers ─▶ outbox trimmed
 *                               (told with what Redis holds: one script)
 *
 *  An event goes to receivers only once it is in the outbox, together with the change that it tells. So whoever owns the room next finds
 *  both what was not delivered and whom receivers believe to be there, and tells the difference to who really is.
 *  Invariants: of a room one write is under way at a time; nothing of a room is delivered that its outbox does not hold or did not hold;
 *  what waits for Redis is bounded, and where the bound is passed the room is compared anew.
 *  @see docs/decisions.md */
import type { Instant } from '../../shared/clock.ts';
import { type Args, DirectoryError, type Reply } from '../../shared/directory/directory.ts';
import type { OutboxEvent, OutboxId } from '../../shared/directory/outbox.ts';
import type { CallDirectory } from '../ports.ts';
import type { ProjectedRoom } from '../projection.ts';
import type { RoomSession } from '../roster.ts';
import type { Courier, EndpointState } from './courier.ts';
import type { OutgoingEvent, WebhookEventType } from './event.ts';
import { RoomEvents, type Transition } from './room-events.ts';
import { Tellers } from './tellers.ts';

export interface WebhooksOptions {
  readonly couriers: readonly Courier[];
  readonly types: ReadonlySet<WebhookEventType>;
  /** Whether anybody is told of this room. */
  readonly concerns: (room: string) => boolean;
  readonly call: CallDirectory;
  readonly now: () => Instant;
  /** Events of one room that its outbox holds; the oldest go. */
  readonly outboxEventsMax: number;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

interface ToldRoom {
  readonly name: string;
  /** As it is owned now, or was until it was closed. */
  room: ProjectedRoom;
  /** The last id given to an event of this room here. */
  last: OutboxId;
  /** Undefined until the outbox was opened; meanwhile transitions wait in `early`. */
  events: RoomEvents | undefined;
  /** Who was there when it was opened here. */
  present: ReadonlyMap<string, string>;
  early: Transition[];
  unwritten: OutboxEvent[];
  /** In the outbox and not everywhere delivered. */
  underWay: number;
  /** The last event that couriers were given. */
  handed: OutboxId;
  /** Redis may have lost what it held: the outbox is opened anew, and who is there is put back. */
  isDoubted: boolean;
  /** Whether Redis knows that this node tells of it. */
  isNoted: boolean;
  isBusy: boolean;
  notBeforeMs: number;
  /** When its outbox is opened again, though nothing has happened, monotonic ms. */
  reopenAtMs: number;
  /** Closed for good: it is let go of once what there was to tell is written. */
  isClosing: boolean;
  /** Another's. */
  isGone: boolean;
}

const FLUSH_EVERY_MS = 50;
const WRITES_IN_FLIGHT_MAX = 16;
const TRIMS_IN_FLIGHT_MAX = 16;
const BATCH_MAX = 200;
const AGAIN_MS = 200;
/** Of one room, while Redis does not take them. */
const WAITING_MAX = 5_000;
/** A room that nobody opens is forgotten after this long: with it go what was not delivered and who was there. */
const EXPIRE_MS = 7 * 24 * 3_600_000;
/** One of which nothing is left to tell. */
const EMPTY_EXPIRE_MS = 3_600_000;
/** A room in which nobody comes or goes is opened anew this often, so that what Redis knows of it does not expire. */
const REOPEN_MS = 24 * 3_600_000;
const LOOK_EVERY_MS = 60_000;

export class Webhooks {
  readonly #options: WebhooksOptions;
  readonly #rooms = new Map<string, ToldRoom>();
  /** Rooms with something to open or to write. */
  readonly #dirty = new Set<ToldRoom>();
  readonly #trims = new Map<string, OutboxId>();
  readonly #tellers: Tellers;
  #writes = 0;
  #trimming = 0;
  #nextFlushMs = 0;
  #nextLookMs = 0;

  constructor(options: WebhooksOptions) {
    this.#options = options;
    this.#tellers = new Tellers({ call: options.call, isTold: (room) => this.#rooms.has(room) });
  }

  /** Of every endpoint. What was given up before it was any endpoint's counts for each. */
  state(): EndpointState[] {
    return this.#options.couriers.map(({ state }) => state);
  }

  /** Whether nothing of this room waits: only then it may be given up. */
  isSettled(name: string): boolean {
    const told = this.#rooms.get(name);
    return told === undefined || (told.events !== undefined && told.unwritten.length === 0 && told.underWay === 0);
  }

  /** The room is served here from now on, or goes on under another triple. */
  opened(room: ProjectedRoom): void {
    if (!this.#options.concerns(room.room)) return;
    const before = this.#rooms.get(room.room);
    if (before !== undefined) {
      before.isClosing = false;
      before.room = room;
      before.isNoted = false;
      before.isDoubted = before.events !== undefined;
      this.#compareAnew(before);
      return;
    }
    const told: ToldRoom = {
      ...{ name: room.room, room, events: undefined, present: presentIn(room), early: [], unwritten: [], underWay: 0 },
      ...{ handed: { epoch: 0, number: 0 }, last: { epoch: 0, number: 0 }, isDoubted: false },
      ...{ isNoted: false, isBusy: false, notBeforeMs: 0, reopenAtMs: Number.POSITIVE_INFINITY },
      ...{ isClosing: false, isGone: false },
    };
    this.#rooms.set(room.room, told);
    this.#dirty.add(told);
  }

  changed({ room }: ProjectedRoom, { session, user, present }: RoomSession): void {
    const told = this.#rooms.get(room);
    if (told === undefined) return;
    const transition = { session, user, present, at: this.#options.now().wallMs };
    if (told.events === undefined) told.early.push(transition);
    else told.unwritten.push(...told.events.take(transition, told.room.triple.epoch));
    if (told.early.length + told.unwritten.length > WAITING_MAX) this.#compareAnew(told);
    if (told.unwritten.length > 0) this.#dirty.add(told);
  }

  /** The room is closed for good: nobody is there any more. */
  closed(name: string): void {
    const told = this.#rooms.get(name);
    if (told === undefined) return;
    told.isClosing = true;
    told.present = new Map();
    told.early = [];
    told.unwritten.push(...(told.events?.vacate(told.room.triple.epoch, this.#options.now().wallMs) ?? []));
    this.#dirty.add(told);
  }

  /** The room is another's now, who finds in Redis what is left to tell. */
  forget(name: string): void {
    const told = this.#rooms.get(name);
    if (told === undefined || told.isClosing) return;
    this.#dirty.delete(told);
    if (told.events?.members === 0 && this.isSettled(name)) this.#letGo(told);
    told.isGone = true;
    this.#rooms.delete(name);
  }

  tick(now: Instant): void {
    for (const courier of this.#options.couriers) courier.tick();
    if (now.monoMs < this.#nextFlushMs) return;
    this.#nextFlushMs = now.monoMs + FLUSH_EVERY_MS;
    if (now.monoMs >= this.#nextLookMs) this.#reopen(now.monoMs);
    this.#flush(now.monoMs);
    this.#trim();
    this.#tellers.tick(now.monoMs);
  }

  /** Rooms that have been as they are for long: Redis is asked what it knows of them, which prolongs that and puts right what it lost. */
  #reopen(nowMs: number): void {
    this.#nextLookMs = nowMs + LOOK_EVERY_MS;
    for (const told of this.#rooms.values()) {
      if (nowMs < told.reopenAtMs) continue;
      told.reopenAtMs = Number.POSITIVE_INFINITY;
      told.isNoted = false;
      told.isDoubted = true;
      this.#dirty.add(told);
    }
  }

  #giveUp(events: number): void {
    if (events > 0) for (const courier of this.#options.couriers) courier.miss(events);
  }

  /** What was not written is given up, and what Redis holds is compared with who is there. */
  #compareAnew(told: ToldRoom): void {
    const isOverfull = told.early.length + told.unwritten.length > WAITING_MAX;
    if (isOverfull) {
      this.#giveUp(told.unwritten.filter(({ json }) => json !== undefined).length);
      this.#options.log('too much waits to be told of a room', { room: told.name });
      told.unwritten = [];
      told.last = told.events?.last ?? told.last;
    }
    if (isOverfull || told.events === undefined) {
      told.events = undefined;
      told.early = [];
      told.present = presentIn(told.room);
    } else {
      const { epoch } = told.room.triple;
      told.unwritten.push(...told.events.compare(presentIn(told.room), epoch, this.#options.now().wallMs));
    }
    this.#dirty.add(told);
  }

  #flush(nowMs: number): void {
    for (const told of this.#dirty) {
      if (this.#writes >= WRITES_IN_FLIGHT_MAX) return;
      if (told.isBusy || nowMs < told.notBeforeMs) continue;
      if (told.events === undefined || told.isDoubted) this.#open(told);
      else if (told.unwritten.length > 0) this.#write(told, told.unwritten.slice(0, BATCH_MAX));
      else this.#end(told);
    }
  }

  #end(told: ToldRoom): void {
    this.#dirty.delete(told);
    if (told.isClosing) this.#letGo(told);
  }

  /** Nobody is there, and all of it is written: as long as it is not everywhere delivered too, somebody must find it. */
  #letGo(told: ToldRoom): void {
    this.#rooms.delete(told.name);
    if (told.underWay === 0) this.#tellers.drop(told.name, told.room.triple.incarnation);
  }

  /** Before anything is told of a room: whoever looks for what a dead node left behind must find it. */
  #note(told: ToldRoom): void {
    const { incarnation } = told.room.triple;
    this.#ask(told, 'writeTellers', { incarnation, add: [told.name], drop: [] }, () => {
      told.isNoted = true;
    });
  }

  #open(told: ToldRoom): void {
    if (!told.isNoted) return this.#note(told);
    const { epoch } = told.room.triple;
    this.#ask(told, 'openOutbox', { room: told.name, epoch, expireMs: EXPIRE_MS }, (reply) => {
      if (reply.kind === 'stale') return this.#stale(told);
      for (const { id, json } of reply.events) this.#hand(told, id, json);
      told.isDoubted = false;
      told.reopenAtMs = this.#options.now().monoMs + REOPEN_MS;
      if (told.events !== undefined) {
        told.unwritten.unshift(...told.events.putBack(reply.told, told.unwritten));
        return;
      }
      const events = new RoomEvents(told.name, this.#options.types, reply.told, told.last);
      const { wallMs } = this.#options.now();
      told.events = events;
      told.unwritten.push(...events.compare(told.present, told.room.triple.epoch, wallMs));
      for (const transition of told.early) told.unwritten.push(...events.take(transition, told.room.triple.epoch));
      told.early = [];
      told.present = new Map();
    });
  }

  #write(told: ToldRoom, events: readonly OutboxEvent[]): void {
    const { outboxEventsMax: eventsMax } = this.#options;
    const { epoch } = told.room.triple;
    const args = { room: told.name, epoch, expireMs: EXPIRE_MS, eventsMax, events };
    this.#ask(told, 'writeOutbox', args, (reply) => {
      if (reply.kind === 'stale') return this.#stale(told);
      // Couriers still have them, but whoever owns the room next would not know of them.
      this.#giveUp(reply.dropped);
      // It may have been overfull meanwhile: then it is opened anew, which finds what was written here.
      if (told.unwritten[0] !== events[0]) return;
      told.unwritten.splice(0, events.length);
      for (const { id, json } of events) if (json !== undefined) this.#hand(told, id, json);
    });
  }

  /** Another owner has written under a higher epoch. */
  #stale(told: ToldRoom): void {
    told.isClosing = false;
    this.forget(told.name);
  }

  #ask<K extends 'openOutbox' | 'writeOutbox' | 'writeTellers'>(
    told: ToldRoom,
    operation: K,
    args: Args<K>,
    done: (reply: Reply<K>) => void,
  ): void {
    told.isBusy = true;
    this.#writes += 1;
    this.#options.call(operation, args, (reply) => {
      told.isBusy = false;
      this.#writes -= 1;
      if (told.isGone) return;
      if (reply instanceof DirectoryError) told.notBeforeMs = this.#options.now().monoMs + AGAIN_MS;
      else done(reply);
    });
  }

  /** Gives an event that the outbox holds to every courier. */
  #hand(told: ToldRoom, id: OutboxId, json: string): void {
    if (!isAfter(id, told.handed)) return;
    told.handed = id;
    const { couriers, now } = this.#options;
    let left = couriers.length;
    told.underWay += 1;
    const event: OutgoingEvent = {
      ...{ room: told.name, id, json, bytes: Buffer.byteLength(json), sinceMs: now().monoMs },
      isVoid: () => told.isGone,
      settled: () => {
        left -= 1;
        if (left > 0) return;
        told.underWay -= 1;
        if (told.underWay === 0 && told.isClosing && !this.#rooms.has(told.name)) this.#letGo(told);
        this.#trims.set(told.name, id);
      },
    };
    for (const courier of couriers) courier.take(event);
  }

  #trim(): void {
    for (const [room, upTo] of this.#trims) {
      if (this.#trimming >= TRIMS_IN_FLIGHT_MAX) return;
      this.#trims.delete(room);
      this.#trimming += 1;
      // Where it fails, the next one does as much; where there is none, the next owner tells once more.
      this.#options.call('trimOutbox', { room, upTo, expireMs: EMPTY_EXPIRE_MS }, () => {
        this.#trimming -= 1;
      });
    }
  }
}

function isAfter(id: OutboxId, other: OutboxId): boolean {
  return id.epoch === other.epoch ? id.number > other.number : id.epoch > other.epoch;
}

function presentIn(room: ProjectedRoom): ReadonlyMap<string, string> {
  const present = new Map<string, string>();
  for (const { session, user, present: isPresent } of room.sessions()) if (isPresent) present.set(session, user);
  return present;
}
