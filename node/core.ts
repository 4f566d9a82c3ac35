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
  type RouterRecord,
} from '../shared/directory/directory.ts';
import type { ClientFrame, LinkMessage, Open, RefusedReason } from '../shared/link/messages.ts';
import { lists, programOf } from '../shared/programs.ts';
import { Abandoned } from './abandoned.ts';
import { Standby } from './attendant/standby.ts';
import { ClusterView } from './cluster-view.ts';
import type { DrainOrder } from './drain.ts';
import { HandedOver } from './handed-over.ts';
import { Handovers } from './handover.ts';
import { HeatMeter } from './heat.ts';
import type { OwnerHint } from './hosted.ts';
import { Lease, type LeaseEvent } from './lease.ts';
import { Leaving } from './leaving.ts';
import { assembleOpen, inTurn, type LinkPeer, LinkTable, type NodeLink } from './links.ts';
import { Mover } from './mover.ts';
import type { NodeCoreOptions } from './options.ts';
import { OwnRecord } from './own-record.ts';
import type { BeginTrace, NodePorts } from './ports.ts';
import { Projections } from './projection.ts';
import type { Room } from './room.ts';
import { RELEASED_KEYS_EXPIRE_MS, RoomHost } from './room-host.ts';
import { Orphans } from './webhooks/orphans.ts';
import { Webhooks } from './webhooks/webhooks.ts';

/** Read of a log for a client that comes back: more messages than are replayed, so that what came meanwhile is among them. */
const REPLAY_READ_MAX = 1_100;
const REPLAY_BYTES_MAX = 8 * 1_048_576;
/** Rooms that a leaving node names when it leaves them behind. */
const LEFT_NAMED_MAX = 20;

export class NodeCore {
  readonly #options: NodeCoreOptions;
  readonly #ports: NodePorts;
  readonly lease: Lease;
  readonly handovers: Handovers;
  readonly projections: Projections;
  readonly rooms: RoomHost;
  readonly standby: Standby;
  readonly ownRecord: OwnRecord;
  readonly mover: Mover;
  readonly #heat = new HeatMeter();
  readonly webhooks: Webhooks | undefined;
  readonly #orphans: Orphans | undefined;
  readonly #abandoned: Abandoned;
  readonly #links: LinkTable;
  readonly #handedOver: HandedOver;
  readonly #view: ClusterView;
  #leaving: Leaving | undefined;
  #ended = false;
  #drainTraced: ReturnType<BeginTrace> | undefined;

  constructor(options: NodeCoreOptions, ports: NodePorts) {
    this.#options = options;
    this.#ports = ports;
    this.#links = new LinkTable(ports, (room, link, handle) => this.rooms.get(room)?.room?.bindLost(link, handle));
    const { random, now, record, timings, bootstrap } = options;
    const call: NodePorts['call'] = (operation, args, done) => this.#call(operation, args, done);
    this.ownRecord = new OwnRecord({
      record,
      stepMs: options.moves.stepMs,
      runId: () => (this.lease.state.kind === 'living' ? this.lease.runId : undefined),
      call,
    });
    this.lease = new Lease({
      record,
      registerAs: () => this.ownRecord.asRegistered(),
      observed: (cluster) => this.ownRecord.observed(cluster),
      timings,
      random,
      bootstrap,
      call: ports.call,
      now,
      useRun: (runId) => ports.useRun(runId),
      load: () => this.load(),
      ask: (incarnations) => this.#askRouters(incarnations),
      on: (event, at) => this.#onLease(event, at),
    });
    this.#view = new ClusterView({
      ...{ random, now, lease: this.lease, ownRecord: this.ownRecord },
      read: (args, done) => call('readCluster', args, done),
      hurriedMs: () => (this.draining ? timings.pollMs : undefined),
      saw: ({ nodes, pins }, beats, isNews, at) => this.mover.saw({ nodes, beats, pins }, isNews, at),
    });
    this.rooms = new RoomHost({
      options,
      ports,
      lease: this.lease,
      links: this.#links,
      handovers: () => this.handovers,
      projections: () => this.projections,
      webhooks: () => this.webhooks,
      draining: () => this.draining,
      view: () => this.#view.nodes,
      movedTo: (room) => this.#handedOver.movedTo(room),
    });
    this.#handedOver = new HandedOver({
      ...{ rooms: this.rooms, lease: this.lease, flushAcks: () => this.#links.flushAcks() },
      count: (metric, by) => ports.count(metric, by),
      observe: (metric, ms) => ports.observe(metric, ms),
      log: (event, fields) => ports.log(event, fields),
    });
    this.handovers = new Handovers({
      random,
      call,
      now,
      send: (link, message) => this.#links.send(link, message),
      linkTo: (target) => this.#links.to(target),
      afterHandedOver: (room, done) => {
        // Acks are output too: none may leave once the target can be the owner.
        this.#links.flushAcks();
        ports.afterHandedOver(this.rooms.get(room)?.room?.spokenLinks ?? [], done);
      },
      isLogged: (room) => this.rooms.get(room)?.isDurable === true,
      carry: (room, after) => this.#carry(room, after),
      head: (room) => this.rooms.get(room)?.room?.head,
      quiet: (room, done) => this.rooms.quiet(room, done),
      stopOutput: (room) => this.rooms.get(room)?.ownership.beginTransfer(),
      ended: (room, end, at) => {
        this.mover.ended(room, end);
        this.#handedOver.ended(room, end, at);
      },
      refuse: (room) => this.rooms.refuseHandover(room),
      named: (room, triple, pausedMs, at) => this.rooms.named(room, triple, pausedMs, at),
      trace: ports.trace,
    });
    this.projections = new Projections({
      node: record.node,
      incarnation: record.incarnation,
      random,
      // Their connection is another than that of heartbeat and claims, which alone say which history is in force.
      call: ports.call,
      now,
      held: (room) => this.rooms.held(room),
    });
    this.webhooks =
      options.webhooks &&
      new Webhooks({ ...options.webhooks, call: ports.call, now, log: (event, fields) => ports.log(event, fields) });
    this.#orphans = options.webhooks && this.#makeOrphans();
    this.#abandoned = new Abandoned({
      ...{ node: record.node, call, now, placement: options.placement, lease: this.lease },
      nodes: () => (this.#view.isRead ? this.#view.nodes : undefined),
      expireMs: RELEASED_KEYS_EXPIRE_MS,
      log: (event, fields) => ports.log(event, fields),
    });
    this.standby = new Standby({
      rooms: () => this.rooms.all(),
      giveUp: (hosted) => this.rooms.closeRoom(hosted, 1012, 'the room moves'),
    });
    this.mover = new Mover({
      self: record,
      rules: options.moves,
      placement: options.placement,
      hosted: () => this.rooms.all(),
      get: (room) => this.rooms.get(room),
      underWay: () => this.handovers.underWay,
      isMoving: (room) => this.handovers.has(room),
      handOver: (room, to, at) => this.handovers.start(room, to, at),
      redisTrouble: (at) => this.#redisTrouble(at),
      waiting: () => this.rooms.waiting,
      isToldDraining: () => this.ownRecord.isToldDraining,
      promised: (at) => this.handovers.promised(at),
      leave: (left, untilMs) => this.#leave(left, untilMs),
    });
  }

  #makeOrphans(): Orphans {
    const { random, now, record, placement } = this.#options;
    const isLiving = ({ state }: NodeRecord) => state === 'active' || state === 'draining';
    return new Orphans({
      ...{ random, now, call: this.#ports.call },
      living: () =>
        this.#view.isRead
          ? new Set(this.#view.nodes.filter(isLiving).map(({ incarnation }) => incarnation))
          : undefined,
      isMine: (room) => {
        const program = programOf(this.#view.nodes, room);
        const able = this.#view.nodes.filter(
          (one) => one.state === 'active' && program !== undefined && lists(one, room, program),
        );
        return placement.first(room, able) === record.node;
      },
      open: (room, done) =>
        this.rooms.whenHeld({ room, floor: 0 }, now(), (outcome) =>
          done(outcome === 'held' || outcome === 'not-owner'),
        ),
    });
  }

  /** Whether it takes no rooms: it is about to leave, or the server that it attends is ill. */
  get draining(): boolean {
    return this.mover.draining || this.standby.isResting;
  }

  /** Whether its rooms live in another server, of which Bellhop knows only who is connected. */
  get attends(): boolean {
    return this.#options.record.attends !== undefined;
  }

  /** What goes to a room's next owner. Where clients' sockets cannot follow, their sessions do not either. */
  #carry(name: string, after: number): ReturnType<Room['carry']> | undefined {
    const state = this.rooms.get(name)?.room?.carry(after);
    return state !== undefined && this.attends ? { ...state, sessions: [] } : state;
  }

  get node(): string {
    return this.#options.record.node;
  }

  get view(): readonly NodeRecord[] {
    return this.#view.nodes;
  }

  /** Routers as last read, a few seconds ago at most. */
  get routers(): readonly RouterRecord[] {
    return this.#view.routers;
  }

  load(): { rooms: number; sessions: number } {
    let rooms = 0;
    for (const hosted of this.rooms.all()) if (hosted.ownership.held !== undefined) rooms++;
    return { rooms, sessions: this.#links.seats };
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
    const open = this.gateOpen(now);
    // First: what rooms tell single sessions now would be dropped at a link that owes a rebind, and is told once.
    if (open) for (const link of this.#links.owing()) this.#askRebind(link);
    this.rooms.tick(now, open);
    this.handovers.tick(now);
    this.projections.tick(now);
    this.webhooks?.tick(now);
    if (open) this.#orphans?.tick(now);
    if (open) this.#abandoned.tick(now);
    this.#view.tick(now);
    this.mover.tick(now);
    if (this.mover.drain?.isUnderWay !== true) this.#endDrainTrace(this.mover.drain?.state ?? 'done');
    if (this.#ended) return;
    this.#leaving?.tick(now);
    if (this.#ended) return;
    this.standby.tick();
    const mayStep = this.mover.why === undefined && !this.draining;
    this.ownRecord.tick(this.draining ? 'draining' : 'active', mayStep, now);
    this.#heat.tick(this.rooms.all(), now.monoMs);
    this.rooms.flush();
    this.#links.flushAcks();
  }

  // --- links ---------------------------------------------------------------------------------------------------------------------

  linkUp(number: number, peer: LinkPeer): void {
    this.#links.up(number, peer);
    this.handovers.linkUp(number);
  }

  linkDown(number: number, now: Instant): void {
    if (!this.#links.down(number)) return;
    this.#leaving?.linkDown(number, now);
    this.handovers.linkDown(number, now);
    for (const hosted of this.rooms.all()) hosted.room?.linkLost(number, now);
  }

  /** The router at this link answered: did its last poll of Redis fail? */
  pong(number: number, askedAt: Instant, redis: 'unknown' | 'answered' | 'failed', now: Instant): void {
    const peer = this.#links.get(number)?.peer;
    this.#leaving?.answered(number, askedAt, now);
    if (peer?.role === 'router' && !this.#ended) this.lease.routerSaid(peer.incarnation, askedAt, redis, now);
  }

  #askRouters(incarnations: Iterable<string>): void {
    const asked = new Set(incarnations);
    for (const link of this.#links.ofRouters()) if (asked.has(link.peer.incarnation)) this.#ports.ping(link.number);
  }

  /** The link's queue has room again. */
  linkDrained(number: number): void {
    this.#links.drained(number);
  }

  /** Much is queued on this link, or little again. */
  linkPressed(number: number, isPressed: boolean): void {
    this.#links.pressed(number, isPressed);
  }

  /** The gate refused a message as it was about to be handed to the kernel. */
  dropped(number: number, message: LinkMessage): void {
    this.#links.dropped(number, message);
  }

  /** Takes one message of a link. `turnEnd` follows once those that came with it are told. */
  message(number: number, message: LinkMessage, now: Instant): void {
    const link = this.#links.get(number);
    if (link !== undefined && !this.#ended) this.#message(link, message, now);
  }

  /** Sends to logs what the messages of this turn brought, and acks what can be acked, one message a link. */
  turnEnd(): void {
    this.rooms.flush();
    this.#links.flushAcks();
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

  /** Has the routers at this link show their cursors again, for every room bound there. */
  #askRebind(link: NodeLink): void {
    link.owesRebind = false;
    // Whoever is told to ask again has no seat: it may be gone before it could be told that it had one.
    for (const { session } of link.unanswered) this.#closeSession(link, session, 'detached', this.#options.now());
    this.#links.answer(link);
    for (const hosted of this.rooms.all()) {
      if (hosted.room?.handleOn(link.number) !== undefined && hosted.ownership.held !== undefined) {
        this.rooms.sendMoved(hosted.room, link.number, hosted.room.epoch, this.rooms.me());
      }
    }
  }

  // --- sessions ------------------------------------------------------------------------------------------------------------------

  #open(link: NodeLink, open: Open, now: Instant): void {
    const refuse = (reason: RefusedReason, hint?: OwnerHint) => {
      for (const { handle } of open.sessions) {
        this.#links.send(link.number, {
          type: 'refused',
          session: handle,
          reason,
          serial: open.serial ?? 0,
          ...(hint === undefined ? {} : { hint }),
        });
      }
    };
    this.rooms.whenHeld(open, now, (outcome, hint) => {
      if (outcome !== 'held') return refuse(outcome, hint);
      const isTaken = inTurn(link, open.room, (done) => this.#answer(link, open, refuse, done));
      if (!isTaken) refuse('wait');
    });
  }

  /** Seats the sessions of an OPEN for a room that is held. @returns whether that is done; otherwise `done` is called once it is */
  #answer(link: NodeLink, open: Open, refuse: (reason: RefusedReason) => void, done: () => void): boolean {
    const router = link.peer?.id ?? '';
    const room = this.rooms.held(open.room);
    const isThere = () => this.#links.get(link.number) === link && !link.full && this.rooms.held(open.room) === room;
    if (room === undefined || !isThere()) {
      refuse('wait');
      return true;
    }
    // Otherwise what is said here would be dropped with the rest that the link is owed.
    if (link.owesRebind) this.#askRebind(link);
    const after = room.history.olderThan(open);
    if (after === undefined) {
      room.open(link.number, router, open, this.#options.now());
      return true;
    }
    // What this cursor missed has left the memory: it is in the log, if anywhere.
    const args = { room: open.room, after, limit: REPLAY_READ_MAX, bytesMax: REPLAY_BYTES_MAX };
    this.#call('readLog', args, (reply) => {
      if (!isThere()) refuse('wait');
      else if (reply instanceof DirectoryError) refuse('unavailable');
      else room.open(link.number, router, open, this.#options.now(), reply.kind === 'log' ? reply.entries : []);
      done();
    });
    return false;
  }

  #frame(link: NodeLink, frame: ClientFrame, now: Instant): void {
    const seat = link.seats.get(frame.session);
    if (seat === undefined) {
      // For a room this node no longer holds: never an ack.
      const text = 'the session has no seat here';
      this.#links.send(link.number, { type: 'refused', session: frame.session, reason: 'not-owner', text });
      return;
    }
    // What is not taken is not acked: the router keeps it and sends it again once it has shown its cursor. A room that is not held
    // for the moment ends in MOVED whatever becomes of it; a shut gate has to be remembered.
    const open = this.gateOpen(now);
    const room = open ? this.rooms.held(seat.room) : undefined;
    if (!open) link.owesRebind = true;
    const hosted = this.rooms.get(seat.room);
    if (room === undefined || hosted?.quiet === true) seat.behind = true;
    else if (!seat.behind) {
      hosted?.pause?.took(frame.resent && hosted.isDurable);
      room.frame(seat.session, frame, now);
    }
  }

  #closeSession(link: NodeLink, handle: number, how: 'left' | 'broken' | 'detached', now: Instant): void {
    const seat = link.seats.get(handle);
    if (seat === undefined) return;
    const { room, ownership } = this.rooms.get(seat.room) ?? {};
    // While the room may not speak, nobody is told that one has left: the leave is due once it is held again.
    const quiet = how === 'left' && ownership?.held === undefined ? 'broken' : how;
    room?.closeSession(seat.session, quiet, now);
    link.seats.delete(handle);
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
        this.ownRecord.registered(now);
        return this.#ports.log('registered', { gen: this.lease.gen });
      case 'suspended':
        this.#ports.count('suspensions');
        return this.#ports.log('suspended', {});
      case 'resumed':
        return this.#ports.log('gate open', {});
      case 'islanded':
        this.#ports.count('islandings');
        return this.#ports.log('islanded', {});
      case 'history':
        this.#ports.count('history_changes');
        this.#ports.log('another history of Redis', {
          unbroken: event.unbroken,
          runId: this.lease.runId,
          gen: this.lease.gen,
        });
        this.#view.historyChanged(now);
        this.#links.takeBack();
        this.handovers.historyChanged();
        for (const hosted of [...this.rooms.all()]) {
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

  // --- handover ------------------------------------------------------------------------------------------------------------------

  /** Hands one room to a named node. @returns a sentence when that cannot be tried */
  moveRoom(name: string, node: string, now: Instant): string | undefined {
    const hosted = this.rooms.get(name);
    if (hosted === undefined || hosted.ownership.held === undefined) return 'this node does not hold the room';
    const to = this.#view.nodes.find((one) => one.node === node && one.state === 'active');
    if (to === undefined) return `there is no active node ${node}`;
    if (to.incarnation === this.#options.record.incarnation) return undefined;
    if (!this.lease.leaseOpen(now)) return 'Redis does not answer this node';
    this.handovers.start(name, { node: to.node, incarnation: to.incarnation, address: to.link }, now);
    return undefined;
  }

  // --- drain ---------------------------------------------------------------------------------------------------------------------

  /** Takes no new rooms and hands over those it has; where the order says so the node leaves then. Without an order it is the one that a
   *  node gets which is told to end; repeating that changes nothing. One that may take longer gives way to it. */
  drain(now: Instant, order?: DrainOrder): void {
    if (this.#ended || (order === undefined && this.mover.leavesBy(now.monoMs + this.#options.drainDeadlineMs))) return;
    const last = { deadlineMs: this.#options.drainDeadlineMs, roomsPerSecond: undefined, leaves: true, by: 'sigterm' };
    this.#view.hurry(now);
    const { by, leaves } = order ?? last;
    this.#ports.log('draining', { rooms: this.load().rooms, by, leaves });
    this.mover.begin(order ?? last, now);
    this.#drainTraced ??= this.#ports.trace?.('drain', { 'bellhop.rooms': this.load().rooms });
    const { node } = this.#options.record;
    // An order has come by a router, which has written it down.
    if (order === undefined) this.#call('appendAudit', { entry: { by, action: 'drain', node } }, () => undefined);
  }

  /** Ends a drain: rooms are taken again, and those that have gone come back as placement says. */
  undrain(by: string, now: Instant): void {
    this.#ports.log('drain undone', { by });
    this.mover.undo(by, now);
  }

  #dropRooms(): void {
    for (const hosted of [...this.rooms.all()]) this.rooms.drop(hosted, undefined);
  }

  /** Also of one that is undone, or done where the node stays. */
  #endDrainTrace(outcome: string, isFault = false): void {
    this.#drainTraced?.(outcome, isFault);
    this.#drainTraced = undefined;
  }

  /** What is wrong with Redis, so that no move is begun. */
  #redisTrouble(now: Instant): string | undefined {
    if (!this.lease.leaseOpen(now) || this.lease.failing) return 'Redis does not answer this node';
    const slowMs = this.#options.timings.commandTimeoutMs / 2;
    // One that is to end cannot wait for better times.
    return this.#view.tookMs > slowMs && !this.mover.leaves
      ? `Redis took ${Math.round(this.#view.tookMs)} ms to answer`
      : undefined;
  }

  #leave(left: readonly string[], untilMs: number): void {
    this.#endDrainTrace(left.length > 0 ? `${left.length} rooms left` : 'done', left.length > 0);
    if (left.length > 0) {
      const named = left.slice(0, LEFT_NAMED_MAX);
      this.#ports.log('leaving with rooms that could not be handed over', { rooms: left.length, named });
    }
    const { now, record: self } = this.#options;
    const { afterHandedOver, ping } = this.#ports;
    this.#leaving = new Leaving(
      {
        ...{ self, now },
        afterHandedOver: (links, done) => afterHandedOver(links, done),
        ping: (link) => ping(link),
        runId: () => this.lease.runId,
        routers: () => this.#links.ofRouters().map((link) => link.number),
        dropRooms: () => this.#dropRooms(),
        leave: (args, done) => this.#call('leave', args, done),
        isEnded: () => this.#ended,
        end: () => this.#end({ kind: 'left' }),
      },
      untilMs,
    );
  }

  #end(how: Parameters<NodePorts['end']>[0]): void {
    if (this.#ended) return;
    this.#ended = true;
    this.lease.stop();
    this.rooms.end();
    this.#ports.end(how);
  }
}
