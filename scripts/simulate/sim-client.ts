/** A client as a well-made one behaves: joins, publishes with ids, resumes where the close code says so, at whichever router, and
 *  sends again what has no outcome: in a durable room always, under the same ids; in a relay room only until it is told a reset. Owns: one user's place. Does not know: which node serves it.
 *  Invariant: what it is shown goes through its DeliveryOracle. */
import { ERRORS, type ErrorCode, verdictOf } from '../../shared/errors.ts';
import type { ResetMessage, ServerMessage } from '../../shared/protocol.ts';
import { DeliveryOracle } from './delivery-oracle.ts';
import type { Speaks } from './sim-link.ts';
import type { SimRouter } from './sim-router.ts';
import type { World } from './world.ts';

const RETRY_WINDOW_MS = 500;
const UNACKED_MAX = 20;

interface Session {
  readonly id: string;
  readonly room: string;
  readonly isDurable: boolean;
  readonly since: number;
  readonly deliveries: DeliveryOracle;
  /** Of the last welcome; 0 before the first. */
  seat: number;
  nextId: number;
  /** Where it stood when it came back, until it is shown a message. */
  stoodAt: number | undefined;
  /** Publishes without an outcome: id → when it was made. */
  readonly pending: Map<number, number>;
}

export class SimClient {
  readonly user: string;
  readonly #world: World;
  #session: Session | undefined;
  #socket: { readonly router: SimRouter; readonly handle: number; isWelcome: boolean } | undefined;
  #stays = false;
  #prefers: string | undefined;
  #attempt = 0;

  constructor(world: World, user: string) {
    this.#world = world;
    this.user = user;
    this.#joinSoon();
    if (world.options.isScripted !== true) this.#publishSoon();
  }

  /** Goes to this room, at this router as long as it lives, and stays there. */
  enter(room: string, router?: SimRouter): void {
    this.#prefers = router?.id;
    this.stay();
    this.#joinAt(room);
  }

  /** Publishes without an outcome. */
  get pending(): number {
    return this.#session?.pending.size ?? 0;
  }

  /** The session that is open: welcomed, and its socket there. */
  get open(): { readonly room: string; readonly session: string; readonly deliveries: DeliveryOracle } | undefined {
    const session = this.#session;
    if (session === undefined || this.#socket?.isWelcome !== true) return undefined;
    return { room: session.room, session: session.id, deliveries: session.deliveries };
  }

  /** Where it is, or would be if it could. */
  get room(): string | undefined {
    return this.#session?.room;
  }

  get router(): SimRouter | undefined {
    return this.#socket?.router;
  }

  /** When the oldest publish without an outcome was made. */
  get oldestPendingMs(): number | undefined {
    const oldest = this.#session?.pending.values().next();
    return oldest?.done === false ? oldest.value : undefined;
  }

  /** No coming and going any more: it stays where it is, or comes back there. */
  stay(): void {
    this.#stays = true;
  }

  // What it does

  #joinSoon(): void {
    const { queue, random, options } = this.#world;
    if (options.isScripted === true) return;
    queue.after(20 + random.unit() * 900, () => {
      if (this.#session === undefined) this.#join();
    });
  }

  #join(): void {
    const { random, rooms } = this.#world;
    // One room is busier than the others: there is something to miss there.
    this.#joinAt(random.unit() < 0.35 ? (rooms[0] ?? '') : random.pick(rooms));
  }

  #joinAt(room: string): void {
    const { queue, random } = this.#world;
    const id = `${this.user}-${++this.#attempt}`;
    const isDurable = this.#world.isDurable(room);
    const deliveries = new DeliveryOracle(
      this.#world.trace,
      this.#world.oracle,
      this.#world.sayings,
      `${this.user}`,
      room,
      isDurable ? this.#world.logs : undefined,
    );
    const since = Math.floor(this.#world.redis.wallMs);
    this.#session = {
      id,
      room,
      isDurable,
      since,
      deliveries,
      seat: 0,
      nextId: 1,
      stoodAt: undefined,
      pending: new Map(),
    };
    this.#connect();
    queue.after(1_000 + random.unit() * 12_000, () => {
      if (!this.#stays && this.#session?.id === id) this.leave();
    });
  }

  #publishSoon(): void {
    const { queue, random } = this.#world;
    queue.after(40 + random.unit() * 500, () => {
      // Now and then several in one go, so that they share a batch.
      for (let left = random.unit() < 0.15 ? 2 + random.below(6) : 1; left > 0; left--) this.publish();
      this.#publishSoon();
    });
  }

  /** @returns the id of the publish, or undefined where none can be made now */
  publish(): number | undefined {
    const session = this.#session;
    const socket = this.#socket;
    if (session === undefined || socket?.isWelcome !== true || session.pending.size >= UNACKED_MAX) return undefined;
    const id = session.nextId++;
    session.pending.set(id, this.#world.queue.nowMs);
    this.#say({ type: 'publish', id, data: id });
    if (this.#world.random.unit() < 0.1) this.#say({ type: 'signal', data: id });
    return id;
  }

  #say(message: unknown): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    socket.router.frame(socket.handle, Buffer.from(JSON.stringify(message), 'utf8'));
  }

  /** Comes now rather than later, or goes. @returns whether it did either */
  comeOrGo(): boolean {
    if (this.#stays) return false;
    if (this.#session === undefined) this.#join();
    else this.leave();
    return true;
  }

  /** Does not read for so long. @returns how to have it read again; undefined where it has no socket */
  stopReading(): (() => void) | undefined {
    const socket = this.#socket;
    if (socket?.isWelcome !== true) return undefined;
    this.#world.trace.say(this.user, 'stops reading');
    socket.router.stopReading(socket.handle);
    return () => socket.router.readOn(socket.handle);
  }

  leave(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#session = undefined;
    socket?.router.socketGone(socket.handle, 'left');
    this.#joinSoon();
  }

  /** The socket breaks. @returns whether there was one */
  breakSocket(): boolean {
    const socket = this.#socket;
    if (socket === undefined) return false;
    this.#world.trace.say(this.user, 'loses its socket');
    this.#socket = undefined;
    socket.router.socketGone(socket.handle, 'broken');
    this.#connectIn(20 + this.#world.random.unit() * 1_500);
    return true;
  }

  #connectIn(ms: number): void {
    const session = this.#session;
    this.#world.queue.after(ms, () => {
      if (this.#session === session && this.#socket === undefined) this.#connect();
    });
  }

  #connect(): void {
    const session = this.#session;
    const routers = this.#world.routers.filter((one) => one.isAlive && one.watch.registered);
    if (session === undefined) return;
    if (routers.length === 0) return this.#connectIn(200);
    const router = routers.find((one) => one.id === this.#prefers) ?? this.#world.random.pick(routers);
    const { id, room, since, seat } = session;
    const { cursor } = session.deliveries;
    const kind = seat === 0 ? 'join' : 'resume';
    const base = { room, user: this.user, session: id, seat: seat + 1, since, kind } as const;
    // As the client library says it; one of another make, every other session here, does not.
    const sent = kind === 'resume' && since % 2 === 0 ? session.nextId - 1 : undefined;
    const handle = router.connect(this, { ...base, cursor: kind === 'join' ? undefined : cursor, sent, history: 0 });
    this.#socket = { router, handle, isWelcome: false };
  }

  // What it is shown

  /** In a relay room: more was said than its owner remembers, before this client's router could bind again. That is no loss of a move. */
  #wasOutrun({ isDurable, stoodAt, deliveries }: Session, { reason, seq }: ResetMessage): boolean {
    if (isDurable || reason !== 'trimmed') return false;
    return seq - (stoodAt ?? deliveries.cursor?.seq ?? seq) > this.#world.limits.recentMax;
  }

  shown(handle: number, text: string, speaks: Speaks | undefined): void {
    const session = this.#session;
    const socket = this.#socket;
    if (session === undefined || socket === undefined || socket.handle !== handle) return;
    session.deliveries.under(speaks);
    const message = JSON.parse(text) as ServerMessage;
    switch (message.type) {
      case 'welcome':
        session.stoodAt = session.deliveries.cursor?.seq;
        session.deliveries.welcome(message.seq, message.tag, message.resumed);
        session.seat = message.seat;
        socket.isWelcome = true;
        if (!message.resumed && !session.isDurable) session.pending.clear();
        return this.#sayAgain(session);
      case 'message':
        session.stoodAt = undefined;
        session.deliveries.message({ ...message, ...(message.id === undefined ? {} : { id: message.id }) } as never);
        if (message.session === session.id && message.id !== undefined) session.pending.delete(message.id);
        return;
      case 'ack':
        session.deliveries.acked(session.id, message.id, message.seq);
        session.pending.delete(message.id);
        return;
      case 'reset':
        if (!this.#wasOutrun(session, message)) this.#world.resets++;
        session.stoodAt = undefined;
        session.deliveries.reset(message.seq, message.tag);
        // What became of them is not shown from here on: the log of a durable room knows it, of a relay room nobody does.
        if (session.isDurable) this.#sayAgain(session);
        else session.pending.clear();
        return;
      case 'error':
        if (message.id === undefined) this.#world.trace.violate('protocol', `${this.user} gets error ${message.code}`);
        else this.#failed(session, message.id, message.code);
        return;
      default:
        return;
    }
  }

  #sayAgain(session: Session): void {
    for (const id of session.pending.keys()) this.#say({ type: 'publish', id, data: id });
  }

  #failed(session: Session, id: number, code: ErrorCode): void {
    session.pending.delete(id);
    // A code that says that it may be sent again says that it did not take effect.
    if (ERRORS[code].retryable) session.deliveries.refused(session.id, id);
  }

  closed(handle: number, code: number, retryAfterMs: number | undefined): void {
    if (this.#socket?.handle !== handle) return;
    this.#socket = undefined;
    this.#world.trace.say(this.user, `is closed with ${code}`);
    this.#world.closes++;
    if (verdictOf(code) === 'stop') {
      this.#session = undefined;
      return this.#joinSoon();
    }
    this.#connectIn(retryAfterMs ?? 20 + this.#world.random.unit() * RETRY_WINDOW_MS);
  }
}
