/** Rooms that died with their owner and that nobody has opened since: their keys are given the expiry that a release would have given them.
 *  Owns: when Redis is looked through for them, how fast, and by whom. Does not know: rooms that are held here.
 *  The node that placement prefers for it looks through all rooms' records, a page at a time. Two that take themselves for it do the
 *  same twice, no more.
 *  Invariant: a room is given an expiry only under the triple of an incarnation that was found certified, in the history in force, after
 *  that triple was read. A certificate is final, so nobody holds the room under that triple any more; and whoever claims it, before or
 *  after, removes the expiry or is another triple. */
import type { Instant } from '../shared/clock.ts';
import {
  type Args,
  DirectoryError,
  type NodeRecord,
  type Reply,
  type RoomRecord,
} from '../shared/directory/directory.ts';
import type { Placement } from '../shared/placement.ts';
import type { Lease } from './lease.ts';
import type { CallDirectory } from './ports.ts';

export interface AbandonedOptions {
  readonly node: string;
  readonly call: CallDirectory;
  readonly now: () => Instant;
  readonly placement: Pick<Placement, 'first'>;
  readonly lease: Pick<Lease, 'runId' | 'gen'>;
  /** As last read; undefined before the first read. */
  readonly nodes: () => readonly NodeRecord[] | undefined;
  readonly expireMs: number;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** After the start, milliseconds: those who wait for rooms come first. */
const FIRST_LOOK_MS = 600_000;
const LOOK_EVERY_MS = 3_600_000;
const PAGE_EVERY_MS = 1_000;
/** Keys looked at for a page: about a millisecond of Redis' time. */
const PAGE_KEYS = 500;
/** After Redis did not answer. */
const AGAIN_MS = 10_000;
/** Not the name of a room, so that it is nobody's neighbour. */
const LOOKS = '/abandoned';

export class Abandoned {
  readonly #options: AbandonedOptions;
  #nextMs: number | undefined;
  #isBusy = false;
  /** Rooms of the page that is being looked at. */
  #rooms: string[] = [];
  /** Of the next page: absent for the first. */
  #cursor: string | undefined;
  #isLooking = false;
  #expired = 0;

  constructor(options: AbandonedOptions) {
    this.#options = options;
  }

  tick(now: Instant): void {
    this.#nextMs ??= now.monoMs + FIRST_LOOK_MS;
    if (this.#isBusy || now.monoMs < this.#nextMs) return;
    if (!this.#isMine()) return this.#endIn(LOOK_EVERY_MS);
    if (this.#rooms.length > 0) return this.#nextRoom();
    this.#isLooking = true;
    this.#ask('scanRooms', { cursor: this.#cursor, limit: PAGE_KEYS }, ({ rooms, cursor }) => {
      this.#rooms = [...rooms];
      this.#cursor = cursor;
      this.#isLooking = cursor !== undefined;
      this.#nextRoom();
    });
  }

  #isMine(): boolean {
    const active = this.#options.nodes()?.filter(({ state }) => state === 'active') ?? [];
    return this.#options.placement.first(LOOKS, active) === this.#options.node;
  }

  /** One after another: a page asks for no more at a time than a room that is being opened. */
  #nextRoom(): void {
    const room = this.#rooms.at(-1);
    if (room !== undefined) return this.#read(room);
    if (this.#isLooking) this.#nextIn(PAGE_EVERY_MS);
    else this.#endIn(LOOK_EVERY_MS);
  }

  #done(): void {
    this.#rooms.pop();
    this.#nextRoom();
  }

  #read(room: string): void {
    this.#ask('readRoom', { room }, (reply) => {
      const owner = reply.kind === 'record' ? reply.record.owner : undefined;
      const isLiving = ({ incarnation, state }: NodeRecord) =>
        incarnation === owner?.incarnation && (state === 'active' || state === 'draining');
      if (reply.kind === 'missing' || owner === undefined || this.#options.nodes()?.some(isLiving) !== false)
        return this.#done();
      this.#askStanding(room, reply.record, owner);
    });
  }

  #askStanding(room: string, record: RoomRecord, owner: NonNullable<RoomRecord['owner']>): void {
    this.#ask('standing', owner, ({ standing, runId, gen }) => {
      const { lease } = this.#options;
      // Of another history: the lease finds out for itself. An incarnation that this one has never registered may yet come back to it.
      if (standing !== 'certified' || gen === undefined || runId !== lease.runId || gen !== lease.gen)
        return this.#done();
      const triple = { incarnation: owner.incarnation, epoch: record.epoch, nonce: record.nonce };
      this.#ask('expireRoom', { room, triple, expireMs: this.#options.expireMs, runId }, ({ kind }) => {
        if (kind === 'expires') this.#expired++;
        this.#done();
      });
    });
  }

  /** Asks, and tries the room or the page again later where there was no answer. */
  #ask<K extends 'scanRooms' | 'readRoom' | 'standing' | 'expireRoom'>(
    operation: K,
    args: Args<K>,
    done: (reply: Reply<K>) => void,
  ): void {
    this.#isBusy = true;
    this.#options.call(operation, args, (reply) => {
      this.#isBusy = false;
      if (!(reply instanceof DirectoryError)) return done(reply);
      if (reply.code !== 'bad-reply') return this.#nextIn(AGAIN_MS);
      // It would not be another in a moment. A room whose keys are none keeps no other from being looked at.
      if (operation !== 'scanRooms') return this.#done();
      this.#options.log('rooms of dead nodes not looked for', { reason: reply.message });
      this.#endIn(LOOK_EVERY_MS);
    });
  }

  #nextIn(ms: number): void {
    this.#nextMs = this.#options.now().monoMs + ms;
  }

  /** The next look begins anew. */
  #endIn(ms: number): void {
    if (this.#expired > 0) this.#options.log('rooms of dead nodes expire', { rooms: this.#expired });
    this.#expired = 0;
    this.#rooms = [];
    this.#cursor = undefined;
    this.#isLooking = false;
    this.#nextIn(ms);
  }
}
