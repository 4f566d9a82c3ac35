/** The rooms of a node, from the first OPEN to the last: found or claimed, made, served, given up. Owns: which rooms are hosted here
 *  and in which state, and who waits for them. Does not know: what is said on links, Redis, time's passing beyond `now`.
 *  Invariants: every waiter is told once; a room whose memory is let go has pointed its routers on.
 *  @see DESIGN §4 */
import type { Instant } from '../shared/clock.ts';
import {
  type Args,
  DirectoryError,
  type NodeRecord,
  type Operation,
  type Reply,
  type RoomRecord,
  type Triple,
} from '../shared/directory/directory.ts';
import type { Open, RefusedReason } from '../shared/link/messages.ts';
import { programOf } from '../shared/programs.ts';
import { Ahead } from './ahead.ts';
import type { Handovers } from './handover.ts';
import { pauseOf } from './handover-pause.ts';
import { noHeat } from './heat.ts';
import type { Hosted, OwnerHint, Waiter } from './hosted.ts';
import { type HostedOutputParts, outputOf } from './hosted-output.ts';
import type { Lease } from './lease.ts';
import type { LinkTable } from './links.ts';
import { CAUGHT_UP_MAX, claimedPart, FILL_AFTER_MS, OPENED_BYTES_MAX, snapshotOf } from './log-opening.ts';
import type { NodeCoreOptions } from './options.ts';
import { type OwnershipEvent, RoomOwnership } from './ownership.ts';
import type { NodePorts } from './ports.ts';
import type { Json } from './program.ts';
import { OPENED_AFTER_MS, type Projections } from './projection.ts';
import { recentBudget } from './recent.ts';
import { Room } from './room.ts';
import { DueRooms } from './room-due.ts';
import type { LogBudget } from './room-log.ts';
import { HIDDEN_MEMBERS } from './room-output.ts';
import { Standings } from './standings.ts';
import type { Webhooks } from './webhooks/webhooks.ts';

/** A room without a session is looked at this often until it is released, milliseconds. */
const EMPTY_LOOK_MS = 1_000;
const WAITERS_MAX = 20_000;
export const RELEASED_KEYS_EXPIRE_MS = 24 * 3_600_000;
const EXPECTED_MEMBERS_MAX = 10_000;
/** Backends' keys that all rooms remember. */
const KEYS_MAX = 100_000;
/** Messages that all rooms remember, bytes. */
const RECENT_BYTES_MAX = 512 * 1_048_576;
/** Pause before Redis is asked again for what a room is opened with, milliseconds. */
const ASK_AGAIN_MS = 100;

/** The parts of a node that its rooms work with. */
export interface RoomHostParts {
  readonly options: NodeCoreOptions;
  readonly ports: NodePorts;
  readonly lease: Lease;
  readonly links: LinkTable;
  readonly handovers: () => Handovers;
  readonly projections: () => Projections;
  readonly webhooks: () => Webhooks | undefined;
  readonly draining: () => boolean;
  /** All nodes as last read: what a room runs follows from what all of them list. */
  readonly view: () => readonly NodeRecord[];
  readonly movedTo: (room: string) => OwnerHint | undefined;
}

export class RoomHost {
  readonly #options: NodeCoreOptions;
  readonly #ports: NodePorts;
  readonly #parts: RoomHostParts;
  readonly #hosted = new Map<string, Hosted>();
  readonly #due = new DueRooms();
  /** Durable rooms in which something was said since the last flush. */
  readonly #spoke = new Set<Hosted>();
  readonly #logBudget: LogBudget;
  readonly #output: HostedOutputParts;
  readonly #standings: Standings;
  #handles = 0;
  #waiting = 0;
  #ended = false;

  constructor(parts: RoomHostParts) {
    this.#parts = parts;
    this.#options = parts.options;
    this.#ports = parts.ports;
    this.#logBudget = { bytes: 0, bytesMax: parts.options.logBytesMax };
    this.#standings = new Standings(parts.ports.call);
    this.#output = {
      ...parts,
      isEnded: () => this.#ended,
      roomNow: (name) => this.#hosted.get(name)?.room,
      newHandle: () => ++this.#handles,
      wake: (hosted, atMs) => {
        if (this.#hosted.get(hosted.name) === hosted) this.#due.wake(hosted, atMs);
      },
      failed: (name, error) => this.#programFailed(name, error),
      spoke: (hosted) => this.#spoke.add(hosted),
      keys: { count: 0, countMax: KEYS_MAX },
      recent: recentBudget(parts.options.recentBytesMax ?? RECENT_BYTES_MAX),
      logs: this.#logBudget,
    };
  }

  all(): IterableIterator<Hosted> {
    return this.#hosted.values();
  }

  /** The room, if this node may speak for it. */
  held(name: string): Room | undefined {
    const hosted = this.#hosted.get(name);
    return hosted?.ownership.held === undefined || hosted.settling ? undefined : hosted.room;
  }

  /** OPENs that wait for a room to be found or claimed. */
  get waiting(): number {
    return this.#waiting;
  }

  get(name: string): Hosted | undefined {
    return this.#hosted.get(name);
  }

  /** The node ends: nothing more is said for any room. */
  end(): void {
    this.#ended = true;
    for (const hosted of this.#hosted.values()) this.#due.remove(hosted);
    this.#hosted.clear();
  }

  /** Looks at each room in which something timed is due; the others cost nothing. `open`: the gate's state now. */
  tick(now: Instant, open: boolean): void {
    for (const hosted of this.#due.take(now.monoMs)) {
      // What came before it in this very tick may have given it up.
      if (this.#hosted.get(hosted.name) !== hosted) continue;
      hosted.ownership.tick(now);
      if (hosted.again !== undefined && now.monoMs >= hosted.again.atMs) this.#askAgain(hosted, hosted.again);
      if (open && hosted.ownership.held !== undefined && !hosted.settling) hosted.room?.tick(now);
      this.#releaseIdle(hosted, now);
      this.#lookAgain(hosted, now);
    }
  }

  /** What is due and could not be done now, since the gate is shut or the room is not held, is due again at the next tick. */
  #lookAgain(hosted: Hosted, now: Instant): void {
    const { room } = hosted;
    if (hosted.ownership.state.kind === 'stale') this.#due.wake(hosted, 0);
    if (hosted.again !== undefined) this.#due.wake(hosted, hosted.again.atMs);
    if (room === undefined) return;
    this.#due.wake(hosted, room.dueMs);
    if (room.sessionCount === 0) this.#due.wake(hosted, now.monoMs + EMPTY_LOOK_MS);
  }

  #askAgain(hosted: Hosted, again: NonNullable<Hosted['again']>): void {
    hosted.again = undefined;
    again.ask();
  }

  #releaseIdle(hosted: Hosted, now: Instant): void {
    const { room, ownership } = hosted;
    if (room === undefined || ownership.held === undefined || hosted.settling) return;
    const isTold = this.#parts.webhooks()?.isSettled(hosted.name) ?? true;
    if (room.sessionCount > 0 || hosted.waiters.length > 0 || !room.isSettled || !isTold) {
      hosted.idleSinceMs = undefined;
      return;
    }
    hosted.idleSinceMs ??= now.monoMs;
    if (now.monoMs - hosted.idleSinceMs < this.#options.roomIdleMs || this.#parts.handovers().has(hosted.name)) return;
    if (!this.#parts.lease.leaseOpen(now)) return;
    this.#endRoom(hosted);
    this.#releaseOnceSilent(hosted, room);
  }

  /** Gives up a room that has ended, once what it said has left. Not if it was claimed anew meanwhile: then somebody may be in it. */
  #releaseOnceSilent({ ownership }: Hosted, { head, spokenLinks }: Room): void {
    const { held } = ownership;
    this.#ports.afterHandedOver(spokenLinks, () => {
      if (ownership.held === held) ownership.release(head, RELEASED_KEYS_EXPIRE_MS, this.#options.now());
    });
  }

  me(): { node: string; incarnation: string } {
    return { node: this.#options.record.node, incarnation: this.#options.record.incarnation };
  }

  sendMoved(room: Room, link: number, epoch: number, to: { node: string; incarnation: string } | undefined): void {
    const handle = room.handleOn(link);
    if (handle !== undefined) this.#parts.links.send(link, { type: 'moved', room: handle, epoch, to }, room.room);
  }

  /** Calls back once the room that an OPEN names is held here, or cannot be now. */
  whenHeld(open: Pick<Open, 'room' | 'floor' | 'heldOnly' | 'lost'>, now: Instant, waiter: Waiter): void {
    const { room: name, floor } = open;
    if (this.#parts.lease.state.kind !== 'living' || !this.#parts.lease.gateOpen(now)) return waiter('wait');
    const held = this.held(name);
    if (held !== undefined && floor <= held.epoch) return waiter('held');
    if (open.heldOnly === true) return this.#notHeld(name, waiter);
    const hosted = this.#hosted.get(name) ?? this.#host(name, now);
    if (hosted === undefined) return waiter('not-owner');
    if (this.#parts.draining() && hosted.room === undefined && !hosted.settling) {
      if (hosted.waiters.length === 0) this.#unhost(hosted);
      return waiter('draining', this.#parts.movedTo(name));
    }
    if (this.#waiting >= WAITERS_MAX) return waiter('wait');
    this.#waiting++;
    hosted.waiters.push((outcome, hint) => {
      // While the room was sought, this one named a higher epoch than it was then claimed at.
      const isBelow = outcome === 'held' && floor > (this.held(name)?.epoch ?? floor);
      if (isBelow) this.whenHeld(open, this.#options.now(), waiter);
      else waiter(outcome, hint);
    });
    hosted.ownership.seek(floor, now, open.lost);
  }

  /** For an OPEN that may cause no claim. */
  #notHeld(name: string, waiter: Waiter): void {
    const hint = this.#parts.movedTo(name);
    // A room that waits for its own claim, or to be handed over, may be held again in a moment.
    if (this.#hosted.get(name)?.room !== undefined) waiter('wait');
    else if (hint !== undefined) waiter('not-owner', hint);
    else waiter('unavailable');
  }

  /** What this node would run the room as; undefined where the cluster runs it as something that this node does not list. */
  #programFor(name: string): ReturnType<NodeCoreOptions['programFor']> {
    const own = this.#options.programFor(name);
    const program = programOf([this.#options.record, ...this.#parts.view()], name);
    return own !== undefined && own.name === program ? own : undefined;
  }

  #host(name: string, now: Instant): Hosted | undefined {
    const program = this.#programFor(name);
    if (program === undefined) return undefined;
    const { node, incarnation, attends } = this.#options.record;
    const isDurable = attends === undefined && this.#options.isDurable(name);
    const ownership = new RoomOwnership({
      room: name,
      node,
      incarnation,
      lease: this.#parts.lease,
      random: this.#options.random,
      call: this.#ports.call,
      now: this.#options.now,
      count: (metric) => this.#ports.count(metric),
      observeClaim: (ms) => this.#ports.observe('claim_ms', ms),
      head: () => this.#hosted.get(name)?.room?.head ?? 0,
      isDurable,
      open: claimedPart(this.#options.limits.recentMax),
      restore: (record) => this.#hosted.get(name)?.room?.history.restorable(record),
      standing: (owner, done) => this.#standings.ask(owner, done),
      takingOver: () => this.#askPresence(name),
      hasStateFor: (nonce) => this.#parts.handovers().hasStateFor(name, nonce),
      wake: () => {
        const hosted = this.#hosted.get(name);
        if (hosted !== undefined) this.#due.wake(hosted, 0);
      },
      on: (event, at) => this.#onOwnership(name, event, at),
    });
    const hosted: Hosted = {
      name,
      program: program.name,
      make: program.make,
      ownership,
      isDurable,
      room: undefined,
      settling: false,
      quiet: false,
      presence: undefined,
      pause: undefined,
      again: undefined,
      waiters: [],
      idleSinceMs: undefined,
      openedAt: now.wallMs,
      retryHandoverAtMs: 0,
      arrivedMs: undefined,
      heat: noHeat(),
      dueMs: Number.POSITIVE_INFINITY,
      dueAt: 0,
    };
    this.#hosted.set(name, hosted);
    return hosted;
  }

  #unhost(hosted: Hosted): void {
    this.#hosted.delete(hosted.name);
    this.#due.remove(hosted);
  }

  tell(hosted: Hosted, outcome: RefusedReason | 'held', hint?: OwnerHint): void {
    const { waiters } = hosted;
    hosted.waiters = [];
    this.#waiting -= waiters.length;
    for (const waiter of waiters) waiter(outcome, hint);
  }

  /** Bytes that wait for logs in all rooms together. */
  get logBacklogBytes(): number {
    return this.#logBudget.bytes;
  }

  /** Sends to their logs what was said in rooms since this was last called. */
  flush(): void {
    for (const hosted of this.#spoke) {
      if (this.#hosted.get(hosted.name) === hosted) hosted.room?.flush();
    }
    this.#spoke.clear();
  }

  #programFailed(name: string, error: unknown): void {
    const hosted = this.#hosted.get(name);
    this.#ports.count('program_failures');
    this.#ports.log('program failed', { room: name, error: error instanceof Error ? error.message : String(error) });
    if (hosted !== undefined) this.closeRoom(hosted, 1011, 'the room failed');
  }

  /** Closes a room for its clients and gives it up. */
  closeRoom(hosted: Hosted, code: number, reason: string): void {
    const { room, ownership } = hosted;
    if (room === undefined) return;
    this.#parts.projections().vacate(room);
    this.#parts.webhooks()?.closed(hosted.name);
    // One whose program fails while it is handed over stays here, to its end.
    ownership.resumeAfterTransfer();
    room.closeAll(code, reason);
    hosted.room = undefined;
    this.#parts.handovers().abandon(hosted.name);
    this.#releaseOnceSilent(hosted, room);
  }

  /** Lets the room's memory go, without a word to anybody. */
  #endRoom(hosted: Hosted): void {
    hosted.room?.end();
    hosted.room = undefined;
    hosted.settling = false;
    this.#parts.projections().forget(hosted.name);
    this.#parts.webhooks()?.forget(hosted.name);
  }

  #onOwnership(name: string, event: OwnershipEvent, now: Instant): void {
    const hosted = this.#hosted.get(name);
    if (hosted === undefined || this.#ended) return;
    switch (event.kind) {
      case 'opened':
        return this.#opened(hosted, event, now);
      case 'elsewhere':
        this.drop(hosted, undefined);
        return this.tell(hosted, 'not-owner', {
          node: event.node,
          incarnation: event.incarnation,
          epoch: event.epoch,
        });
      case 'wait':
        if (hosted.room === undefined) this.#unhost(hosted);
        return this.tell(hosted, event.away ? 'unavailable' : 'wait');
      case 'lost': {
        const { owner } = event.record ?? {};
        const hint =
          owner === undefined || event.record === undefined ? undefined : { ...owner, epoch: event.record.epoch };
        this.#ports.log('room lost', { room: name, owner: hint?.node ?? null, epoch: hint?.epoch ?? null });
        this.#parts.handovers().abandon(name);
        this.drop(hosted, hint);
        return this.tell(hosted, 'not-owner', hint);
      }
      default:
        event satisfies never;
    }
  }

  #opened(hosted: Hosted, event: Extract<OwnershipEvent, { kind: 'opened' }>, now: Instant): void {
    const { record, triple, kept, takenOver } = event;
    this.#ports.log('room opened', { room: hosted.name, epoch: triple.epoch, kept, takenOver });
    hosted.quiet = false;
    hosted.settling = false;
    hosted.again = undefined;
    if (kept && hosted.room !== undefined) return this.#openAgain(hosted, hosted.room, record, triple, now);
    if (hosted.room !== undefined) {
      for (const link of hosted.room.links) this.sendMoved(hosted.room, link, triple.epoch, this.me());
      this.#endRoom(hosted);
    }
    const state = kept ? this.#parts.handovers().takeState(hosted.name, triple.nonce) : undefined;
    if (state !== undefined) hosted.arrivedMs = now.monoMs;
    // A record with one tag and no head was made by this very claim.
    const isLogged = hosted.isDurable && state === undefined && (record.head > 0 || record.tags.length > 1);
    if (!isLogged) return this.#openWith(hosted, event, state, undefined, now);
    if (event.opening !== undefined) return this.#openWith(hosted, event, undefined, event.opening, now);
    hosted.settling = true;
    const args = { room: hosted.name, last: this.#options.limits.recentMax, bytesMax: OPENED_BYTES_MAX };
    this.#whileHeld(hosted, triple, 'openLog', args, (opening, at) =>
      this.#openWith(hosted, event, undefined, opening, at),
    );
  }

  /** What is in memory goes on, under another triple. */
  #openAgain(hosted: Hosted, room: Room, record: RoomRecord, triple: Triple, now: Instant): void {
    const { head } = room;
    if (!hosted.isDurable || record.head === head) return this.#beginAgain(hosted, room, triple, now);
    // A batch was logged that nobody here was told of.
    hosted.settling = true;
    const args = { room: hosted.name, after: head, limit: CAUGHT_UP_MAX, bytesMax: OPENED_BYTES_MAX };
    this.#whileHeld(hosted, triple, 'readLog', args, (reply, at) => {
      room.history.catchUp(record.head, reply.kind === 'log' ? reply.entries : []);
      this.#beginAgain(hosted, room, triple, at);
    });
  }

  #beginAgain(hosted: Hosted, room: Room, triple: Triple, now: Instant): void {
    room.begin(triple, now);
    // A new tag: every session shows its cursor again.
    for (const link of room.links) this.sendMoved(room, link, triple.epoch, this.me());
    this.#ready(hosted, room, now);
  }

  #openWith(
    hosted: Hosted,
    { record, triple, takenOver }: Extract<OwnershipEvent, { kind: 'opened' }>,
    state: ReturnType<Room['carry']> | undefined,
    opening: Reply<'openLog'> | undefined,
    now: Instant,
  ): void {
    const room = this.#makeRoom(hosted, triple, now, state, snapshotOf(opening));
    if (room === undefined) return;
    if (opening !== undefined) room.adopt(record, opening, now);
    else if (state === undefined) room.startAt(record.head, record.tags.slice(0, -1));
    room.begin(triple, now);
    // Members of a room whose server is another now cannot have stayed.
    if (!takenOver || this.#options.record.attends !== undefined) return this.#ready(hosted, room, now);
    hosted.settling = true;
    if (hosted.presence === undefined) this.#askPresence(hosted.name);
    hosted.presence?.whenAnswered((reply) => {
      if (hosted.room !== room || !hosted.settling) return;
      hosted.presence = undefined;
      const at = this.#options.now();
      if (!(reply instanceof DirectoryError)) {
        room.expect(
          reply.members.map(({ session, member }) => ({ session, ...member })),
          at,
        );
      }
      this.#ready(hosted, room, at);
    });
  }

  /** Asks who was present, while the room is being claimed. */
  #askPresence(name: string): void {
    const hosted = this.#hosted.get(name);
    if (hosted === undefined || this.#options.record.attends !== undefined) return;
    const presence: NonNullable<Hosted['presence']> = new Ahead();
    hosted.presence = presence;
    this.#ports.call('readPresence', { room: name, limit: EXPECTED_MEMBERS_MAX }, (reply) => presence.answer(reply));
  }

  /** Asks until there is an answer, for as long as the room is owned under this triple. */
  #whileHeld<K extends Operation>(
    hosted: Hosted,
    triple: Triple,
    operation: K,
    args: Args<K>,
    done: (reply: Reply<K>, now: Instant) => void,
  ): void {
    const isHeld = () => !this.#ended && hosted.ownership.held === triple && this.#hosted.get(hosted.name) === hosted;
    const ask = () =>
      this.#ports.call(operation, args, (reply) => {
        if (!isHeld()) return;
        const now = this.#options.now();
        if (!(reply instanceof DirectoryError)) return done(reply, now);
        // Where that changes the history, the room is asked for anew, and this is void.
        if (reply.runId !== undefined) this.#parts.lease.metRun(reply.runId, now);
        if (!isHeld()) return;
        hosted.again = { atMs: now.monoMs + ASK_AGAIN_MS, ask: () => isHeld() && ask() };
        this.#due.wake(hosted, hosted.again.atMs);
      });
    ask();
  }

  #makeRoom(
    hosted: Hosted,
    triple: Triple,
    now: Instant,
    state: ReturnType<Room['carry']> | undefined,
    program?: Json,
  ): Room | undefined {
    const { limits: shown, hidesMembers } = this.#options;
    const limits = hidesMembers?.(hosted.name) === true ? { ...shown, ...HIDDEN_MEMBERS } : shown;
    try {
      const output = outputOf(hosted, this.#output);
      hosted.room = new Room(hosted.name, triple, hosted.make, limits, output, now, state, program);
      return hosted.room;
    } catch (error) {
      this.#programFailed(hosted.name, error);
      this.tell(hosted, 'failed');
      hosted.ownership.release(0, RELEASED_KEYS_EXPIRE_MS, now);
      return undefined;
    }
  }

  /** The room serves from here on. */
  #ready(hosted: Hosted, room: Room, now: Instant): void {
    hosted.settling = false;
    hosted.idleSinceMs = undefined;
    this.#due.wake(hosted, 0);
    if (!room.started) {
      hosted.openedAt = now.wallMs;
      room.openProgram(now);
    }
    if (hosted.room !== room) return;
    this.#parts.projections().assert(room, now.monoMs, OPENED_AFTER_MS);
    this.#parts.webhooks()?.opened(room);
    this.tell(hosted, 'held');
    if (room.history.unread === undefined) return;
    hosted.again = { atMs: now.monoMs + FILL_AFTER_MS, ask: () => this.#fill(hosted, room) };
  }

  /** Reads what the log has and memory has room for. */
  #fill(hosted: Hosted, room: Room): void {
    const [unread, triple] = [room.history.unread, hosted.ownership.held];
    if (unread === undefined || triple === undefined || hosted.room !== room) return;
    const args = { room: hosted.name, ...unread, bytesMax: OPENED_BYTES_MAX };
    this.#whileHeld(hosted, triple, 'readLog', args, (reply) =>
      room.history.fill(reply.kind === 'log' ? reply.entries : []),
    );
  }

  /** Lets a room go: routers that were bound to it are pointed on. */
  drop(hosted: Hosted, to: OwnerHint | undefined): void {
    const { room } = hosted;
    this.#unhost(hosted);
    if (room === undefined) return;
    for (const link of room.links) this.sendMoved(room, link, to?.epoch ?? room.epoch, to);
    this.#endRoom(hosted);
  }

  refuseHandover(room: string): string | undefined {
    const now = this.#options.now();
    if (this.#parts.draining()) return 'the target is draining';
    if (this.#parts.lease.state.kind !== 'living' || !this.#parts.lease.leaseOpen(now))
      return 'the target is suspended';
    if (this.#programFor(room) === undefined) return 'the target does not run this program';
    const kind = this.#hosted.get(room)?.ownership.state.kind ?? 'none';
    return kind === 'none' || kind === 'seeking' ? undefined : `the target has the room as ${kind}`;
  }

  /** The owner says that the record names this node now. */
  named(name: string, named: { readonly epoch: number; readonly nonce: string }, pausedMs: number, now: Instant): void {
    if (!this.#parts.handovers().hasStateFor(name, named.nonce)) return;
    const hosted = this.#hosted.get(name) ?? this.#host(name, now);
    if (hosted === undefined || hosted.ownership.held !== undefined) return;
    const triple: Triple = { incarnation: this.#options.record.incarnation, ...named };
    const state = this.#parts.handovers().takeState(name, named.nonce);
    if (state === undefined) return;
    hosted.ownership.named(triple);
    hosted.arrivedMs = now.monoMs;
    hosted.pause = pauseOf(name, pausedMs, now.monoMs, this.#ports);
    const room = this.#makeRoom(hosted, triple, now, state);
    if (room === undefined) return;
    room.begin(triple, now);
    this.#ports.log('room opened', { room: name, epoch: triple.epoch, kept: true, handedOver: true });
    this.#ready(hosted, room, now);
  }

  /** Has a room that is about to be handed over take nothing more; calls back once what it took is logged. */
  quiet(name: string, done: () => void): void {
    const hosted = this.#hosted.get(name);
    if (hosted?.room === undefined || hosted.ownership.held === undefined) return done();
    hosted.quiet = true;
    hosted.room.flush();
    hosted.room.whenSettled(done);
  }

  /** A handover that was called off: frames that were not taken meanwhile are asked for again. */
  goOn(hosted: Hosted): void {
    if (hosted.ownership.state.kind !== 'transferring' && !hosted.quiet) return;
    hosted.quiet = false;
    hosted.ownership.resumeAfterTransfer();
    const { room } = hosted;
    if (room === undefined) return;
    for (const link of room.links) this.sendMoved(room, link, room.epoch, this.me());
    this.tell(hosted, 'held');
  }
}
