/** A node process: the production core between a simulated directory and simulated links. Owns: what node.ts and link-edge.ts own
 *  in production. Does not know: faults.
 *  Invariant: nothing gated reaches a wire without `core.gateOpen` asked in that very step. */
import { NodeCore } from '../../node/core.ts';
import type { CallDirectory, NodeEnd, NodePorts } from '../../node/ports.ts';
import { chat } from '../../node/programs/chat.ts';
import type { Instant } from '../../shared/clock.ts';
import { type NodeRecord, tagOf } from '../../shared/directory/directory.ts';
import type { LinkMessage } from '../../shared/link/messages.ts';
import type { RoomState } from './coverage.ts';
import { NodeBugs } from './node-bugs.ts';
import { SimDirectory } from './sim-directory.ts';
import { dial, type LinkSide, type RedisAnswer, type SideEvents, type Speaks, type Tagged } from './sim-link.ts';
import { SimProcess } from './sim-process.ts';
import type { World } from './world.ts';

const TICK_MS = 20;

export class SimNode {
  readonly id: string;
  readonly incarnation: string;
  readonly process: SimProcess;
  readonly core: NodeCore;
  readonly directory: SimDirectory;
  readonly #world: World;
  readonly #links = new Map<number, LinkSide>();
  readonly #numbers = new Map<LinkSide, number>();
  /** Room handle → what a message under it speaks for. */
  readonly #handles = new Map<number, Speaks>();
  #next = 0;
  readonly #bugs: NodeBugs;
  /** Rooms whose log is being read for somebody who comes back. */
  readonly #replays = new Map<string, number>();
  /** Since when it is draining, monotonic ms. */
  #drainedMs: number | undefined;
  #turnDue = false;
  #ended: NodeEnd | undefined;

  constructor(world: World, id: string, bootstrap: string | undefined) {
    this.#world = world;
    this.id = id;
    this.incarnation = world.random.hex(16);
    this.process = new SimProcess(id, world);
    this.directory = new SimDirectory(this.process, world);
    const { process, directory } = this;
    this.#bugs = new NodeBugs(world, this, (operation, args, done) => this.#call(operation, args, done));
    const ports: NodePorts = {
      call: (operation, args, done) => this.#bugs.call(operation, args, done),
      useRun: (runId) => directory.useRun(runId),
      send: (link, message) =>
        this.#bugs.send(message, () => this.#links.get(link)?.send(this.#tagged(message)) ?? false),
      dropQueued: (link, predicate) => this.#links.get(link)?.dropQueued(predicate) ?? [],
      afterHandedOver: (links, done) => this.#afterHandedOver(links, done),
      dial: (node, incarnation) => this.#dial(node, incarnation),
      ping: (link) => this.#links.get(link)?.ping(),
      end: (how) => this.#end(how),
      log: (event, fields) => {
        world.trace.say(id, event, fields);
        if (event === 'leaving with rooms that could not be handed over') world.leftBehind++;
      },
      count: (metric, by = 1) => world.count(metric, by),
      observe: () => undefined,
    };
    const timings = world.nodeTimings();
    this.core = new NodeCore(
      {
        record: this.#record(),
        timings,
        limits: world.limits,
        roomIdleMs: 300,
        drainDeadlineMs: 8_000,
        moves: { roomsPerSecond: world.options.isStill === true ? 0 : 20, cooldownMs: 3_000, stepMs: 300 },
        placement: world.placement,
        programFor: () => ({ name: 'chat', make: chat }),
        isDurable: (room) => world.isDurable(room),
        logRules: world.logRules,
        logBytesMax: 1_048_576,
        resumeToken: () => 'token',
        bootstrap,
        random: this.#bugs.random(world.random),
        now: () => process.now(),
      },
      ports,
    );
    this.#bugs.born();
    world.trace.say(id, 'starts', { incarnation: this.incarnation.slice(0, 6) });
    this.#tick();
  }

  get isAlive(): boolean {
    return !this.process.isDead;
  }

  get ended(): NodeEnd | undefined {
    return this.#ended;
  }

  get links(): readonly LinkSide[] {
    return [...this.#links.values()];
  }

  gateOpen(): boolean {
    return this.core.gateOpen(this.process.now());
  }

  /** Where the lease stands, in the words of the coverage table. */
  leaseState(): string {
    const { kind } = this.core.lease.state;
    if (kind !== 'living' || this.core.lease.leaseOpen(this.process.now())) return kind;
    return this.gateOpen() ? 'islanded' : 'suspended';
  }

  readonly #call: CallDirectory = (operation, args, done) => {
    if (!('room' in args)) return this.directory.call(operation, args, done);
    const { room } = args;
    if (operation === 'claim') this.#judgeClaim(room);
    if (operation !== 'readLog') return this.directory.call(operation, args, done);
    this.#replays.set(room, (this.#replays.get(room) ?? 0) + 1);
    this.directory.call(operation, args, (result) => {
      this.#replays.set(room, (this.#replays.get(room) ?? 1) - 1);
      done(result);
    });
  };

  /** A node that is about to leave looks for no rooms. */
  #judgeClaim(room: string): void {
    const { state } = this.core.rooms.get(room)?.ownership ?? {};
    if (this.#drainedMs === undefined || state?.kind !== 'seeking' || state.sinceMs <= this.#drainedMs) return;
    this.#world.trace.violate('7', `${this.id} is draining, and claims ${room}`);
  }

  drain(roomsPerSecond?: number): void {
    const now = this.process.now();
    this.#drainedMs ??= now.monoMs;
    const order = { deadlineMs: 8_000, roomsPerSecond, leaves: false, by: 'operator' };
    this.core.drain(now, roomsPerSecond === undefined ? undefined : order);
  }

  /** Undoes a drain by order, unless the node was told to end meanwhile. */
  undrain(): void {
    if (this.#ended !== undefined || this.process.isDead || !this.core.mover.draining || this.core.mover.leaves) return;
    this.#drainedMs = undefined;
    this.core.undrain('operator', this.process.now());
  }

  /** Where a room stands, in the words of the coverage table: its ownership, and what else is under way there. */
  roomStates(room: string): RoomState[] {
    const hosted = this.core.rooms.get(room);
    if (hosted === undefined) return ['none'];
    const states: RoomState[] = [hosted.ownership.state.kind];
    if (!hosted.isDurable || hosted.ownership.held === undefined) return states;
    if (hosted.settling) states.push('settling');
    else if ((this.#replays.get(room) ?? 0) > 0) states.push('replaying');
    if (hosted.room?.isSettled === false) states.push('logging');
    if (hosted.quiet) states.push('quiet');
    return states;
  }

  #record(): NodeRecord {
    const fenceMs = this.#world.publishedFenceMs();
    const { deadMs } = this.#world.timings;
    const host = {
      host: 'host',
      pid: 1,
      pidStart: '',
      bootId: '',
      pidNamespace: '',
      startedAt: this.process.now().wallMs,
    };
    const offers = [{ pattern: '*', program: 'chat' }];
    const { id: node, incarnation } = this;
    const timings = { fenceMs, deadMs };
    return {
      node,
      incarnation,
      state: 'active',
      link: `${node}:1`,
      weight: 1,
      programs: offers,
      version: '0',
      timings,
      ...host,
    };
  }

  #tick(): void {
    if (this.#ended !== undefined) return;
    const now = this.process.now();
    this.core.tick(now);
    this.#bugs.tick(now);
    this.process.timer(TICK_MS + this.#world.random.unit() * 5, () => this.#tick());
  }

  // Links

  /** Another process dials. */
  accept(role: 'router' | 'node', id: string, incarnation: string): SideEvents | undefined {
    return this.#events((number) => this.core.linkUp(number, { role, id, incarnation }), undefined, incarnation);
  }

  #events(up: (number: number) => void, known: number | undefined, peer: string): SideEvents {
    let number = known;
    return {
      up: (side) => {
        number ??= ++this.#next;
        this.#links.set(number, side);
        this.#numbers.set(side, number);
        up(number);
      },
      message: (_side, { message }) => this.#message(number ?? 0, message),
      down: () => {
        if (number === undefined) return;
        this.#links.delete(number);
        this.core.linkDown(number, this.process.now());
      },
      gate: () => this.gateOpen(),
      dropped: (_side, message) => this.core.dropped(number ?? 0, message),
      handedOver: (_side, tagged) => this.#handedOver(tagged),
      pong: (_side, askedAt, redis) => {
        this.core.pong(number ?? 0, askedAt, redis, this.process.now());
        if (this.#world.options.bug === 'island-one-router') this.#takeForAll(peer, askedAt, redis);
      },
      idle: () => this.core.linkDrained(number ?? 0),
    };
  }

  /** The planted bug: what one router says counts for each of them. */
  #takeForAll(said: string, askedAt: Instant, redis: RedisAnswer): void {
    const { routers } = this.#world;
    if (!routers.some((router) => router.incarnation === said)) return;
    for (const { incarnation } of routers) this.core.lease.routerSaid(incarnation, askedAt, redis, this.process.now());
  }

  #message(number: number, message: LinkMessage): void {
    this.core.message(number, message, this.process.now());
    if (this.#turnDue) return;
    this.#turnDue = true;
    this.process.timer(0, () => {
      this.#turnDue = false;
      this.core.turnEnd();
    });
  }

  #dial(node: string, incarnation: string): number {
    const number = ++this.#next;
    const target = this.#world.node(node);
    if (target === undefined) {
      this.process.timer(0, () => this.core.linkDown(number, this.process.now()));
      return number;
    }
    const accept = () =>
      target.incarnation === incarnation ? target.accept('node', this.id, this.incarnation) : undefined;
    const peer = { role: 'node' as const, id: node, incarnation };
    const side = dial(
      this.#world,
      this.process,
      this.#events(() => this.core.linkUp(number, peer), number, incarnation),
      { process: target.process, accept },
      () => undefined,
    );
    this.#links.set(number, side);
    return number;
  }

  #afterHandedOver(numbers: readonly number[], done: () => void): void {
    const sides = numbers.flatMap((number) => this.#links.get(number) ?? []);
    let left = sides.length;
    if (left === 0) this.process.timer(0, done);
    for (const side of sides) {
      side.flush();
      side.afterHandedOver(() => {
        if (--left === 0) this.process.timer(0, done);
      });
    }
  }

  /** Notes for which rooms a message speaks, and under which tags, as of now: when it is made. */
  #tagged(message: LinkMessage): Tagged {
    switch (message.type) {
      case 'bind': {
        const speaks = { room: message.room, tag: tagOf(message) };
        this.#handles.set(message.handle, speaks);
        return { message, speaks: [speaks] };
      }
      case 'opened':
      case 'cast':
      case 'gone': {
        const speaks = this.#handles.get(message.room);
        return { message, speaks: speaks === undefined ? [] : [speaks] };
      }
      case 'direct':
      case 'close-client':
        return { message, speaks: this.#speaksFor(message.session) };
      case 'acks':
        return { message, speaks: message.entries.flatMap(({ session }) => this.#speaksFor(session)) };
      default:
        return { message, speaks: [] };
    }
  }

  #speaksFor(session: number): Speaks[] {
    const room = this.#world.roomOf(session);
    const triple = room === undefined ? undefined : this.core.rooms.get(room)?.room?.triple;
    return room === undefined || triple === undefined ? [] : [{ room, tag: tagOf(triple) }];
  }

  #handedOver({ message, speaks }: Tagged): void {
    for (const one of speaks) this.#world.oracle.emitted(this.id, this.incarnation, message.type, one);
  }

  // Ends

  /** The process exits by itself. */
  #end(how: NodeEnd): void {
    this.#ended = how;
    this.#world.trace.say(this.id, `ends: ${how.kind}`, how.kind === 'refused' ? { message: how.message } : undefined);
    this.process.timer(0, () => {
      for (const side of this.#links.values()) {
        side.flush();
        side.killed();
      }
      this.process.die();
      this.#world.nodeEnded(this, how);
    });
  }

  /** SIGKILL, or the loss of the host, which says no goodbyes. */
  kill(how: 'process' | 'host'): void {
    this.process.die();
    for (const side of this.#links.values()) {
      if (how === 'process') side.killed();
      else side.vanish();
    }
    this.directory.reset();
  }
}
