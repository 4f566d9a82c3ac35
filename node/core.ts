/** A node without its sockets: lease, rooms, handovers and projections put together. Owns: which rooms are hosted here and in which
 *  state. Does not know: TCP, Redis, processes; the simulator runs this very class.
 *  Invariants: a room emits only while it is held and the gate is open; every OPEN is answered.
 *  @see DESIGN §4 */
import type { Instant } from '../shared/clock.ts';
import {
  type Args,
  DirectoryError,
  type NodeRecord,
  type Operation,
  type Reply,
  type Triple,
} from '../shared/directory/directory.ts';
import { type ClientFrame, isGated, type LinkMessage, type Open, type RefusedReason } from '../shared/link/messages.ts';
import type { Placement } from '../shared/placement.ts';
import { jittered, type RandomSource } from '../shared/random.ts';
import type { Timings } from '../shared/timing.ts';
import { Drain } from './drain.ts';
import { type HandoverEnd, Handovers, type Target } from './handover.ts';
import type { Hosted, OwnerHint, Waiter } from './hosted.ts';
import { Lease, type LeaseEvent } from './lease.ts';
import { assembleOpen, type LinkPeer, type NodeLink, newLink, takeAcks } from './links.ts';
import { type OwnershipEvent, RoomOwnership } from './ownership.ts';
import type { NodePorts } from './ports.ts';
import type { ProgramFactory } from './program.ts';
import { Projections } from './projection.ts';
import { Room } from './room.ts';
import type { RoomLimits, RoomOutput } from './room-output.ts';
import type { RoomSession } from './roster.ts';

export interface NodeCoreOptions {
  readonly record: NodeRecord;
  readonly timings: Timings;
  readonly limits: RoomLimits;
  readonly roomIdleMs: number;
  readonly drainDeadlineMs: number;
  readonly placement: Placement;
  /** The program a room's name calls for; undefined when this node does not run it. */
  readonly programFor: (room: string) => { readonly name: string; readonly make: ProgramFactory } | undefined;
  readonly resumeToken: (room: string, session: RoomSession, now: Instant) => string;
  readonly bootstrap: string | undefined;
  readonly random: RandomSource;
  readonly now: () => Instant;
}

const WAITERS_MAX = 20_000;
const RELEASED_KEYS_EXPIRE_MS = 24 * 3_600_000;
const EXPECTED_MEMBERS_MAX = 10_000;
const VIEW_EVERY_MS = 1_000;
const SCAN_EVERY_MS = 1_000;
const HANDOVER_RETRY_MS = 500;
/** Handovers that ended lately: how a late message for a room is pointed on. */
const MOVED_MEMORY_MAX = 10_000;

export class NodeCore {
  readonly #options: NodeCoreOptions;
  readonly #ports: NodePorts;
  readonly lease: Lease;
  readonly handovers: Handovers;
  readonly projections: Projections;
  readonly #hosted = new Map<string, Hosted>();
  readonly #links = new Map<number, NodeLink>();
  /** Links this node dialled, by target incarnation. */
  readonly #dialled = new Map<string, number>();
  readonly #movedTo = new Map<string, OwnerHint>();
  #handles = 0;
  #waiting = 0;
  #view: readonly NodeRecord[] = [];
  #viewKnown: { gen: string; ver: number } | undefined;
  #viewAtMs = 0;
  #viewBusy = false;
  #scanAtMs = 0;
  #drain: Drain | undefined;
  #ended = false;

  constructor(options: NodeCoreOptions, ports: NodePorts) {
    this.#options = options;
    this.#ports = ports;
    const { random, now, record, timings, bootstrap } = options;
    const call = ports.call;
    this.lease = new Lease({
      record,
      timings,
      random,
      bootstrap,
      call,
      now,
      useRun: (runId) => ports.useRun(runId),
      load: () => this.load(),
      on: (event, at) => this.#onLease(event, at),
    });
    this.handovers = new Handovers({
      random,
      call,
      now,
      send: (link, message) => this.#send(link, message),
      linkTo: (target) => this.#linkTo(target),
      afterHandedOver: (room, done) => ports.afterHandedOver(this.#hosted.get(room)?.room?.links ?? [], done),
      carry: (room) => this.#hosted.get(room)?.room?.carry(),
      stopOutput: (room) => this.#hosted.get(room)?.ownership.beginTransfer(),
      ended: (room, end, at) => this.#handedOver(room, end, at),
      refuse: (room) => this.#refuseHandover(room),
      named: (room, triple, at) => this.#named(room, triple, at),
    });
    this.projections = new Projections({
      node: record.node,
      incarnation: record.incarnation,
      random,
      call,
      now,
      held: (room) => this.heldRoom(room),
    });
  }

  get draining(): boolean {
    return this.#drain !== undefined;
  }

  get view(): readonly NodeRecord[] {
    return this.#view;
  }

  load(): { rooms: number; sessions: number } {
    let rooms = 0;
    for (const hosted of this.#hosted.values()) if (hosted.ownership.held !== undefined) rooms++;
    let sessions = 0;
    for (const link of this.#links.values()) sessions += link.seats.size;
    return { rooms, sessions };
  }

  hosted(): IterableIterator<Hosted> {
    return this.#hosted.values();
  }

  /** The room, if this node may speak for it. */
  heldRoom(name: string): Room | undefined {
    const hosted = this.#hosted.get(name);
    return hosted?.ownership.held === undefined || hosted.settling ? undefined : hosted.room;
  }

  hostedRoom(name: string): Hosted | undefined {
    return this.#hosted.get(name);
  }

  gateOpen(now: Instant): boolean {
    return this.lease.gateOpen(now);
  }

  // --- time ----------------------------------------------------------------------------------------------------------------------

  /** Advances whatever is due; to be called every few tens of milliseconds. */
  tick(now: Instant): void {
    if (this.#ended) return;
    this.lease.tick(now);
    if (this.#ended) return;
    const scan = now.monoMs >= this.#scanAtMs;
    if (scan) this.#scanAtMs = now.monoMs + SCAN_EVERY_MS;
    const open = this.gateOpen(now);
    for (const hosted of this.#hosted.values()) {
      hosted.ownership.tick(now);
      if (open && hosted.ownership.held !== undefined && !hosted.settling) hosted.room?.tick(now);
      if (scan) this.#releaseIdle(hosted, now);
    }
    if (open) for (const link of this.#links.values()) if (link.owesRebind && !link.full) this.#askRebind(link);
    this.handovers.tick(now);
    this.projections.tick(now);
    this.#refreshView(now);
    this.#drain?.tick(now);
    this.#flushAcks();
  }

  #refreshView(now: Instant): void {
    if (this.#viewBusy || now.monoMs < this.#viewAtMs || this.lease.state.kind !== 'living') return;
    this.#viewBusy = true;
    const every = this.draining ? this.#options.timings.pollMs : VIEW_EVERY_MS;
    this.#viewAtMs = now.monoMs + jittered(this.#options.random, every);
    this.#call('readCluster', { known: this.#viewKnown }, (reply) => {
      this.#viewBusy = false;
      if (reply instanceof DirectoryError) return;
      if (reply.nodes !== undefined) this.#view = reply.nodes;
      if (reply.gen !== undefined) this.#viewKnown = { gen: reply.gen, ver: reply.ver };
    });
  }

  #releaseIdle(hosted: Hosted, now: Instant): void {
    const { room, ownership } = hosted;
    if (room === undefined || ownership.held === undefined || hosted.settling) return;
    if (room.sessionCount > 0 || hosted.waiters.length > 0) {
      hosted.idleSinceMs = undefined;
      return;
    }
    hosted.idleSinceMs ??= now.monoMs;
    if (now.monoMs - hosted.idleSinceMs < this.#options.roomIdleMs || this.handovers.has(hosted.name)) return;
    // Nobody is bound to the room, so nothing of it is queued: its output has ended and has left.
    const { head } = room;
    this.#endRoom(hosted);
    ownership.release(head, RELEASED_KEYS_EXPIRE_MS, now);
  }

  // --- links ---------------------------------------------------------------------------------------------------------------------

  linkUp(number: number, peer: LinkPeer): void {
    const link = this.#links.get(number) ?? newLink(number, peer);
    link.peer = peer;
    this.#links.set(number, link);
    this.handovers.linkUp(number);
  }

  linkDown(number: number, now: Instant): void {
    const link = this.#links.get(number);
    if (link === undefined) return;
    this.#links.delete(number);
    for (const [incarnation, dialled] of this.#dialled) if (dialled === number) this.#dialled.delete(incarnation);
    this.handovers.linkDown(number, now);
    for (const hosted of this.#hosted.values()) hosted.room?.linkLost(number, now);
  }

  /** The link's queue has room again. */
  linkDrained(number: number): void {
    const link = this.#links.get(number);
    if (link !== undefined) link.full = false;
  }

  /** The gate refused a message as it was about to be handed to the kernel. */
  dropped(number: number): void {
    this.#ports.count('dropped_gated');
    const link = this.#links.get(number);
    if (link !== undefined) link.owesRebind = true;
  }

  /** Takes one message of a link. `turnEnd` follows once those that came with it are told. */
  message(number: number, message: LinkMessage, now: Instant): void {
    const link = this.#links.get(number);
    if (link !== undefined && !this.#ended) this.#message(link, message, now);
  }

  /** Acks what the messages of this turn brought, one message a link. */
  turnEnd(): void {
    this.#flushAcks();
  }

  #message(link: NodeLink, message: LinkMessage, now: Instant): void {
    switch (message.type) {
      case 'client-frame':
        return this.#frame(link, message, now);
      case 'open': {
        const whole = assembleOpen(link, message);
        if (whole !== undefined) this.#open(link, whole, now);
        return;
      }
      case 'close-session':
        return this.#closeSession(link, message.session, message.how, now);
      case 'state':
        return this.handovers.state(link.number, message, now);
      case 'ready':
        return this.handovers.ready(link.number, message, now);
      case 'done':
        return this.handovers.done(link.number, message, now);
      case 'goaway':
        if (message.reason === 'certified' && link.peer?.role === 'router') this.lease.certified(now);
        return;
      default:
        // Everything else is the link's own business (edge) or not for a node.
        return;
    }
  }

  #send(number: number, message: LinkMessage): boolean {
    const link = this.#links.get(number);
    if (link === undefined) return false;
    if (isGated(message) && (link.full || link.owesRebind)) {
      link.owesRebind = true;
      return false;
    }
    if (this.#ports.send(number, message)) return true;
    link.full = true;
    link.owesRebind = true;
    return false;
  }

  #flushAcks(): void {
    for (const link of this.#links.values()) {
      const acks = takeAcks(link);
      if (acks !== undefined) this.#send(link.number, acks);
    }
  }

  /** Has the routers at this link show their cursors again, for every room bound there. */
  #askRebind(link: NodeLink): void {
    link.owesRebind = false;
    for (const hosted of this.#hosted.values()) {
      if (hosted.room?.handleOn(link.number) !== undefined && hosted.ownership.held !== undefined) {
        this.#sendMoved(hosted.room, link.number, hosted.room.epoch, this.#me());
      }
    }
  }

  #me(): { node: string; incarnation: string } {
    return { node: this.#options.record.node, incarnation: this.#options.record.incarnation };
  }

  #sendMoved(room: Room, link: number, epoch: number, to: { node: string; incarnation: string } | undefined): void {
    const handle = room.handleOn(link);
    if (handle !== undefined) this.#send(link, { type: 'moved', room: handle, epoch, to });
  }

  #linkTo(target: Target): { link: number; up: boolean } {
    const known = this.#dialled.get(target.incarnation);
    if (known !== undefined) return { link: known, up: this.#links.get(known)?.peer !== undefined };
    const number = this.#ports.dial(target.node, target.incarnation, target.address);
    this.#dialled.set(target.incarnation, number);
    if (!this.#links.has(number)) this.#links.set(number, newLink(number, undefined));
    return { link: number, up: false };
  }

  // --- sessions ------------------------------------------------------------------------------------------------------------------

  #open(link: NodeLink, open: Open, now: Instant): void {
    const refuse = (reason: RefusedReason, hint?: OwnerHint) => {
      for (const { handle } of open.sessions) {
        this.#send(link.number, { type: 'refused', session: handle, reason, ...(hint === undefined ? {} : { hint }) });
      }
    };
    const router = link.peer?.id ?? '';
    this.whenHeld(open.room, open.floor, now, (outcome, hint) => {
      if (outcome !== 'held') return refuse(outcome, hint);
      const room = this.heldRoom(open.room);
      if (room === undefined || !this.#links.has(link.number)) return refuse('wait');
      // Nothing queued for this link is waiting to be dropped any more: a bind starts anew.
      if (open.sessions.some((one) => one.kind === 'rebind')) this.#settleRebind(link);
      room.open(link.number, router, open, this.#options.now());
    });
  }

  /** A rebind that arrives while the link still owes others one: those are asked first, so that their frames are not held up. */
  #settleRebind(link: NodeLink): void {
    if (link.owesRebind && !link.full) this.#askRebind(link);
  }

  /** Calls back once the room is held here, or cannot be now. */
  whenHeld(name: string, floor: number, now: Instant, waiter: Waiter): void {
    if (this.lease.state.kind !== 'living' || !this.gateOpen(now)) return waiter('wait');
    const hosted = this.#hosted.get(name) ?? this.#host(name, now);
    if (hosted === undefined) return waiter('not-owner');
    const held = this.heldRoom(name);
    if (held !== undefined && floor <= held.epoch) return waiter('held');
    if (this.draining && hosted.room === undefined && !hosted.settling) {
      if (hosted.waiters.length === 0) this.#hosted.delete(name);
      return waiter('draining', this.#movedTo.get(name));
    }
    if (this.#waiting >= WAITERS_MAX) return waiter('wait');
    this.#waiting++;
    hosted.waiters.push(waiter);
    hosted.ownership.seek(floor, now);
  }

  #host(name: string, now: Instant): Hosted | undefined {
    const program = this.#options.programFor(name);
    if (program === undefined) return undefined;
    const { node, incarnation } = this.#options.record;
    const ownership = new RoomOwnership({
      room: name,
      node,
      incarnation,
      lease: this.lease,
      random: this.#options.random,
      call: this.#ports.call,
      now: this.#options.now,
      count: (metric) => this.#ports.count(metric),
      observeClaim: (ms) => this.#ports.observe('claim_ms', ms),
      head: () => this.#hosted.get(name)?.room?.head ?? 0,
      hasStateFor: (nonce) => this.handovers.hasStateFor(name, nonce),
      on: (event, at) => this.#onOwnership(name, event, at),
    });
    const hosted: Hosted = {
      name,
      program: program.name,
      make: program.make,
      ownership,
      room: undefined,
      settling: false,
      waiters: [],
      idleSinceMs: undefined,
      openedAt: now.wallMs,
      retryHandoverAtMs: 0,
    };
    this.#hosted.set(name, hosted);
    return hosted;
  }

  #tell(hosted: Hosted, outcome: RefusedReason | 'held', hint?: OwnerHint): void {
    const { waiters } = hosted;
    hosted.waiters = [];
    this.#waiting -= waiters.length;
    for (const waiter of waiters) waiter(outcome, hint);
  }

  #frame(link: NodeLink, frame: ClientFrame, now: Instant): void {
    const seat = link.seats.get(frame.session);
    if (seat === undefined) {
      // For a room this node no longer holds: never an ack.
      this.#send(link.number, { type: 'refused', session: frame.session, reason: 'not-owner' });
      return;
    }
    // What is not taken is not acked: the router keeps it and sends it again once it has shown its cursor. A room that is not held
    // for the moment ends in MOVED whatever becomes of it; a shut gate has to be remembered.
    if (!this.gateOpen(now)) link.owesRebind = true;
    else this.heldRoom(seat.room)?.frame(seat.session, frame, now);
  }

  #closeSession(link: NodeLink, handle: number, how: 'left' | 'broken' | 'detached', now: Instant): void {
    const seat = link.seats.get(handle);
    if (seat === undefined) return;
    const room = this.#hosted.get(seat.room)?.room;
    if (room !== undefined) room.closeSession(seat.session, how, now);
    link.seats.delete(handle);
  }

  #outputFor(name: string): RoomOutput {
    return {
      send: (link, message) => this.#send(link, message),
      newHandle: () => ++this.#handles,
      ack: (link, session, cseq) => this.#links.get(link)?.acks.set(session, cseq),
      seated: (session) => {
        const { place } = session;
        if (place !== undefined) this.#links.get(place.link)?.seats.set(place.handle, { room: name, session });
      },
      unseated: (link, handle) => this.#links.get(link)?.seats.delete(handle),
      changed: (session) => {
        const room = this.#hosted.get(name)?.room;
        if (room !== undefined) this.projections.changed(room, session);
      },
      failed: (error) => this.#programFailed(name, error),
      resumeToken: (session) => this.#options.resumeToken(name, session, this.#options.now()),
      count: (metric, by) => this.#ports.count(metric, by),
    };
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
    const { head } = room;
    const { links } = room;
    room.closeAll(code, reason);
    hosted.room = undefined;
    this.projections.forget(hosted.name);
    this.handovers.abandon(hosted.name);
    this.#ports.afterHandedOver(links, () => ownership.release(head, RELEASED_KEYS_EXPIRE_MS, this.#options.now()));
  }

  /** Lets the room's memory go, without a word to anybody. */
  #endRoom(hosted: Hosted): void {
    hosted.room?.end();
    hosted.room = undefined;
    hosted.settling = false;
    this.projections.forget(hosted.name);
  }

  // --- ownership -----------------------------------------------------------------------------------------------------------------

  #call<K extends Operation>(operation: K, args: Args<K>, done: (result: Reply<K> | DirectoryError) => void): void {
    this.#ports.call(operation, args, (result) => {
      if (result instanceof DirectoryError && result.runId !== undefined)
        this.lease.metRun(result.runId, this.#options.now());
      if (!this.#ended) done(result);
    });
  }

  #onLease(event: LeaseEvent, now: Instant): void {
    switch (event.kind) {
      case 'registered':
        return this.#ports.log('registered', { gen: this.lease.gen });
      case 'suspended':
        this.#ports.count('suspensions');
        return this.#ports.log('suspended', {});
      case 'resumed':
        return this.#ports.log('gate open', {});
      case 'history':
        this.#ports.count('history_changes');
        this.#ports.log('another history of Redis', {
          unbroken: event.unbroken,
          runId: this.lease.runId,
          gen: this.lease.gen,
        });
        this.#viewKnown = undefined;
        this.handovers.historyChanged();
        for (const hosted of [...this.#hosted.values()]) {
          this.handovers.abandon(hosted.name);
          hosted.ownership.historyChanged(event.unbroken, now);
        }
        return;
      case 'certified':
        return this.#end({ kind: 'certified' });
      case 'refused':
        return this.#end({ kind: 'refused', message: event.message });
      default:
        event satisfies never;
    }
  }

  #onOwnership(name: string, event: OwnershipEvent, now: Instant): void {
    const hosted = this.#hosted.get(name);
    if (hosted === undefined || this.#ended) return;
    switch (event.kind) {
      case 'opened':
        return this.#opened(hosted, event, now);
      case 'elsewhere':
        this.#drop(hosted, undefined);
        return this.#tell(hosted, 'not-owner', {
          node: event.node,
          incarnation: event.incarnation,
          epoch: event.epoch,
        });
      case 'wait':
        if (hosted.room === undefined) this.#hosted.delete(name);
        return this.#tell(hosted, event.away ? 'unavailable' : 'wait');
      case 'lost': {
        const { owner } = event.record ?? {};
        const hint =
          owner === undefined || event.record === undefined ? undefined : { ...owner, epoch: event.record.epoch };
        this.handovers.abandon(name);
        this.#drop(hosted, hint);
        return this.#tell(hosted, 'not-owner', hint);
      }
      default:
        event satisfies never;
    }
  }

  #opened(hosted: Hosted, event: Extract<OwnershipEvent, { kind: 'opened' }>, now: Instant): void {
    const { record, triple, kept, takenOver } = event;
    this.#ports.log('room opened', { room: hosted.name, epoch: triple.epoch, kept, takenOver });
    if (kept && hosted.room !== undefined) {
      hosted.room.begin(triple, now);
      // A new tag: every session shows its cursor again.
      for (const link of hosted.room.links) this.#sendMoved(hosted.room, link, triple.epoch, this.#me());
      return this.#ready(hosted, hosted.room, now);
    }
    if (hosted.room !== undefined) {
      for (const link of hosted.room.links) this.#sendMoved(hosted.room, link, triple.epoch, this.#me());
      this.#endRoom(hosted);
    }
    const state = kept ? this.handovers.takeState(hosted.name, triple.nonce) : undefined;
    const room = this.#makeRoom(hosted, triple, now, state);
    if (room === undefined) return;
    if (state === undefined) room.startAt(record.head, record.tags.slice(0, -1));
    room.begin(triple, now);
    if (!takenOver) return this.#ready(hosted, room, now);
    hosted.settling = true;
    this.#call('readPresence', { room: hosted.name, limit: EXPECTED_MEMBERS_MAX }, (reply) => {
      if (hosted.room !== room || !hosted.settling) return;
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

  #makeRoom(
    hosted: Hosted,
    triple: Triple,
    now: Instant,
    state: ReturnType<Room['carry']> | undefined,
  ): Room | undefined {
    const { limits } = this.#options;
    try {
      hosted.room = new Room(hosted.name, triple, hosted.make, limits, this.#outputFor(hosted.name), now, state);
      return hosted.room;
    } catch (error) {
      this.#programFailed(hosted.name, error);
      hosted.ownership.release(0, RELEASED_KEYS_EXPIRE_MS, now);
      return undefined;
    }
  }

  /** The room serves from here on. */
  #ready(hosted: Hosted, room: Room, now: Instant): void {
    hosted.settling = false;
    hosted.idleSinceMs = undefined;
    if (!room.started) {
      hosted.openedAt = now.wallMs;
      room.openProgram(now);
    }
    if (hosted.room !== room) return;
    this.projections.assert(room, now.monoMs);
    this.#tell(hosted, 'held');
  }

  /** Lets a room go: routers that were bound to it are pointed on. */
  #drop(hosted: Hosted, to: OwnerHint | undefined): void {
    const { room } = hosted;
    this.#hosted.delete(hosted.name);
    if (room === undefined) return;
    for (const link of room.links) this.#sendMoved(room, link, to?.epoch ?? room.epoch, to);
    this.#endRoom(hosted);
  }

  // --- handover ------------------------------------------------------------------------------------------------------------------

  #refuseHandover(room: string): string | undefined {
    const now = this.#options.now();
    if (this.draining) return 'the target is draining';
    if (this.lease.state.kind !== 'living' || !this.gateOpen(now)) return 'the target is suspended';
    if (this.#options.programFor(room) === undefined) return 'the target does not run this program';
    const kind = this.#hosted.get(room)?.ownership.state.kind ?? 'none';
    return kind === 'none' || kind === 'seeking' ? undefined : `the target has the room as ${kind}`;
  }

  /** The owner says that the record names this node now. */
  #named(name: string, named: { readonly epoch: number; readonly nonce: string }, now: Instant): void {
    const hosted = this.#hosted.get(name) ?? this.#host(name, now);
    if (hosted === undefined || hosted.ownership.held !== undefined) return;
    const triple: Triple = { incarnation: this.#options.record.incarnation, ...named };
    const state = this.handovers.takeState(name, named.nonce);
    if (state === undefined) return;
    hosted.ownership.named(triple);
    const room = this.#makeRoom(hosted, triple, now, state);
    if (room === undefined) return;
    room.begin(triple, now);
    this.#ports.log('room opened', { room: name, epoch: triple.epoch, kept: true, handedOver: true });
    this.#ready(hosted, room, now);
  }

  #handedOver(name: string, end: HandoverEnd, now: Instant): void {
    const hosted = this.#hosted.get(name);
    if (hosted === undefined) return;
    switch (end.kind) {
      case 'moved': {
        this.#ports.count('handovers');
        this.#ports.observe('handover_pause_ms', end.pausedMs);
        const hint = { node: end.target.node, incarnation: end.target.incarnation, epoch: end.record.epoch };
        this.#remember(name, hint);
        hosted.ownership.forget();
        this.#flushAcks();
        this.#drop(hosted, hint);
        return this.#tell(hosted, 'not-owner', hint);
      }
      case 'cancelled':
        this.#ports.count('handovers_failed');
        this.#ports.log('handover called off', { room: name, why: end.why });
        hosted.retryHandoverAtMs = now.monoMs + HANDOVER_RETRY_MS;
        this.#goOn(hosted);
        return;
      case 'changed':
        hosted.ownership.forget();
        this.#drop(hosted, undefined);
        return this.#tell(hosted, 'not-owner');
      case 'unknown':
        return hosted.ownership.claimAgain(now);
      default:
        end satisfies never;
    }
  }

  /** A handover that was called off: frames that were not taken meanwhile are asked for again. */
  #goOn(hosted: Hosted): void {
    if (hosted.ownership.state.kind !== 'transferring') return;
    hosted.ownership.resumeAfterTransfer();
    const { room } = hosted;
    if (room === undefined) return;
    for (const link of room.links) this.#sendMoved(room, link, room.epoch, this.#me());
    this.#tell(hosted, 'held');
  }

  #remember(name: string, hint: OwnerHint): void {
    this.#movedTo.set(name, hint);
    if (this.#movedTo.size > MOVED_MEMORY_MAX) {
      for (const oldest of this.#movedTo.keys()) {
        this.#movedTo.delete(oldest);
        break;
      }
    }
  }

  /** Hands one room to a named node. @returns a sentence when that cannot be tried */
  moveRoom(name: string, node: string, now: Instant): string | undefined {
    const hosted = this.#hosted.get(name);
    if (hosted === undefined || hosted.ownership.held === undefined) return 'this node does not hold the room';
    const to = this.#view.find((one) => one.node === node && one.state === 'active');
    if (to === undefined) return `there is no active node ${node}`;
    if (to.incarnation === this.#options.record.incarnation) return undefined;
    this.handovers.start(name, { node: to.node, incarnation: to.incarnation, address: to.link }, now);
    return undefined;
  }

  // --- drain ---------------------------------------------------------------------------------------------------------------------

  /** Takes no new rooms, hands over those it has, then leaves. Repeating it changes nothing. */
  drain(now: Instant): void {
    if (this.#drain !== undefined || this.#ended) return;
    const { record, placement, drainDeadlineMs } = this.#options;
    this.#viewAtMs = now.monoMs;
    this.#ports.log('draining', { rooms: this.load().rooms });
    this.#drain = new Drain(
      {
        incarnation: record.incarnation,
        placement,
        view: () => (this.#viewKnown === undefined ? undefined : this.#view),
        hosted: () => this.#hosted.values(),
        underWay: () => this.handovers.underWay,
        isMoving: (room) => this.handovers.has(room),
        handOver: (room, to, at) => this.handovers.start(room, to, at),
        tell: (done) => this.#tellDraining(done),
        leave: (roomsLeft, untilMs, at) => {
          if (roomsLeft > 0) this.#ports.log('leaving with rooms that could not be handed over', { rooms: roomsLeft });
          this.#leave(at, untilMs);
        },
      },
      now.monoMs + drainDeadlineMs,
    );
  }

  #tellDraining(done: (told: boolean) => void): boolean {
    const { runId } = this.lease;
    const { node, incarnation } = this.#options.record;
    if (runId === undefined || this.lease.state.kind !== 'living') return false;
    this.#call('setState', { node, incarnation, state: 'draining', runId }, (reply) => {
      done(!(reply instanceof DirectoryError) && reply.kind === 'ok');
    });
    return true;
  }

  #leave(now: Instant, untilMs: number): void {
    const { runId } = this.lease;
    const { node, incarnation } = this.#options.record;
    for (const hosted of [...this.#hosted.values()]) this.#drop(hosted, undefined);
    if (runId === undefined || now.monoMs >= untilMs) return this.#end({ kind: 'left' });
    this.#call('leave', { node, incarnation, runId }, (reply) => {
      const at = this.#options.now();
      if (reply instanceof DirectoryError && at.monoMs < untilMs) {
        this.#leave(at, reply.code === 'unavailable' ? at.monoMs : untilMs);
      } else {
        this.#end({ kind: 'left' });
      }
    });
  }

  #end(how: Parameters<NodePorts['end']>[0]): void {
    if (this.#ended) return;
    this.#ended = true;
    this.lease.stop();
    this.#hosted.clear();
    this.#ports.end(how);
  }
}
