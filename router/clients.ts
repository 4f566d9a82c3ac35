/** The clients of this router. Owns: the table handle → socket, the end of a turn, and when a client is closed for its own sake
 *  (slow, silent, hostile). Does not know: rooms, nodes, what a message means.
 *
 *  Output is collected while the event loop reads links and sockets and is written when it is done reading (setImmediate runs
 *  right after the poll phase): what arrived together leaves together, and nothing waits for a timer.
 *  Invariant: at most one write per client socket per loop turn, its close aside; after `clientClosed`, and after `close` was
 *  called, the core hears no more of a handle. No event is raised from within a call to ClientOutput. */
import type { Clock } from '../shared/clock.ts';
import { closeRow, type ErrorCode } from '../shared/errors.ts';
import type { CastClass } from '../shared/link/messages.ts';
import { decodeClientMessage } from '../shared/protocol-decode.ts';
import * as encode from '../shared/protocol-encode.ts';
import type { RandomSource } from '../shared/random.ts';
import { textFrame } from '../shared/websocket-frame.ts';
import { Backlog } from './backlog.ts';
import { Client, type ClientOwner } from './client-record.ts';
import type { ClientSocket } from './client-socket.ts';
import { ComeBack } from './come-back.ts';
import { Packing } from './compression/packing.ts';
import { FanOut } from './fan-out.ts';
import { KeepAlive } from './keep-alive.ts';
import type { Limits } from './limits.ts';
import type { ClientClose, ClientOutput } from './ports.ts';
import { RateMeter, type RateVerdict } from './rate-meter.ts';
import type { UserAccount } from './user-accounts.ts';
import { directAdapter, readDirectly, type SocketAdapter, slim } from './ws-adapter.ts';

export interface ClientEvents {
  /** One text message of a client, its payload as it came (valid UTF-8). It may share memory with what came around it. */
  clientFrame(handle: number, payload: Buffer): void;
  /** `left`: the client said goodbye. `broken`: it may resume. */
  clientClosed(handle: number, how: 'left' | 'broken'): void;
}

export interface ClientsOptions {
  readonly clock: Clock;
  readonly random: RandomSource;
  /** Messages a second from one client; 0 for no limit. */
  readonly messageRate?: number;
  /** Where clients' users are counted; absent: nowhere. */
  readonly limits?: Limits;
  /** A client with more bytes than this waiting is closed as slow. */
  readonly backlogBytesMax?: number;
  /** Bytes waiting for all clients together; the largest are closed first. */
  readonly backlogTotalBytesMax?: number;
  /** A client that is this far behind is closed as slow. */
  readonly backlogMsMax?: number;
  readonly pingIntervalMs?: number;
  readonly pongTimeoutMs?: number;
  /** Broadcasts that are shorter are not deflated for clients that inflate. */
  readonly compressionBytesMin?: number;
  readonly adapter?: SocketAdapter;
  /** When whoever is closed and not told otherwise is to come back. */
  readonly comeBack?: ComeBack;
}

/** What this router did for its clients since it started. */
export interface ClientStats {
  messagesIn: number;
  bytesIn: number;
  /** Messages handed to a client's socket, each client counted. */
  deliveries: number;
  bytesOut: number;
  writes: number;
  rateLimited: number;
  slowCloses: number;
  silentCloses: number;
}

const TICK_MS = 250;
/** Clients told at once that the router stops; the loop turns between two such batches. */
const STOP_BATCH = 200;
/** After this long a client that does not answer a close frame is cut off. */
const CLOSE_TIMEOUT_MS = 5_000;
/** What is no JSON takes some ten times as long to refuse: six bytes of it would cost as much as a whole message. */
const NO_JSON_CHARGE = 9;
/** A client with more bytes than this waiting gets no pongs. */
const PONG_BACKLOG_MAX = 65_536;
/** A single client comes back within this window, since at once a slow one would be too slow again; more are spread further. */
const RETRY_WINDOW = { minMs: 500, maxMs: 3_000 } as const;

export class Clients implements ClientOutput {
  readonly stats: ClientStats = {
    messagesIn: 0,
    bytesIn: 0,
    deliveries: 0,
    bytesOut: 0,
    writes: 0,
    rateLimited: 0,
    slowCloses: 0,
    silentCloses: 0,
  };
  readonly #clock: Clock;
  readonly #random: RandomSource;
  readonly #events: ClientEvents;
  readonly #adapter: SocketAdapter;
  readonly #messageRate: number;
  readonly #limits: Limits | undefined;
  readonly #isMetered: boolean;
  readonly #comeBack: ComeBack;
  readonly #table = new Map<number, Client>();
  /** Close frame sent, socket still there. */
  readonly #closing = new Set<Client>();
  readonly #packing: Packing;
  readonly #fanOut: FanOut;
  readonly #keepAlive: KeepAlive;
  readonly #backlog: Backlog;
  readonly #owner: ClientOwner;
  /** Found to be too slow while the turn's output is delivered; closed behind it. */
  #slow: Client[] = [];
  #flushDue = false;
  /** When the turn's output is delivered, monotonic ms. */
  #flushedMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopping: { readonly spreadMs: number; readonly done: Promise<void> } | undefined;
  #whenEmpty: (() => void) | undefined;

  constructor(options: ClientsOptions, events: ClientEvents) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#events = events;
    this.#adapter = options.adapter ?? directAdapter;
    this.#messageRate = options.messageRate ?? 0;
    this.#limits = options.limits;
    this.#isMetered = this.#messageRate > 0 || (options.limits?.users.messageRate ?? 0) > 0;
    this.#comeBack = options.comeBack ?? new ComeBack(options.clock, options.random, { perSecond: 0 });
    this.#backlog = new Backlog({
      bytesMax: options.backlogBytesMax ?? 1_048_576,
      totalBytesMax: options.backlogTotalBytesMax ?? 256 * 1_048_576,
      lagMsMax: options.backlogMsMax ?? 10_000,
      backlogBytesOf: (client) => this.#adapter.backlogBytes(client.ws),
    });
    this.#packing = new Packing(options.compressionBytesMin ?? 0);
    this.#fanOut = new FanOut(
      {
        isPressured: (client) => this.#backlog.isPressured(client),
        deliver: (client, bytes, messages) => this.#deliver(client, bytes, messages),
      },
      this.#packing,
    );
    this.#keepAlive = new KeepAlive({
      pingIntervalMs: options.pingIntervalMs ?? 25_000,
      pongTimeoutMs: options.pongTimeoutMs ?? 10_000,
      tickMs: TICK_MS,
    });
    this.#owner = {
      frame: (client, payload, isBinary) => this.#onFrame(client, payload, isBinary),
      ping: (client, data) => this.#onPing(client, data),
      pong: (client) => {
        client.awaitingPong = false;
      },
      fault: (client) => this.#lose(client, 'broken'),
      gone: (client, code) => this.#onGone(client, code),
    };
  }

  /** Clients that the core knows of. */
  get sessions(): number {
    return this.#table.size;
  }

  /** Sockets, those that are closing included. */
  get sockets(): number {
    return this.#table.size + this.#closing.size;
  }

  get dropped(): number {
    return this.#fanOut.dropped;
  }

  get groups(): number {
    return this.#fanOut.groups;
  }

  /** What was deflated for clients that inflate. */
  get packed(): Packing['stats'] {
    return this.#packing.stats;
  }

  /** Much waits in all sockets together: no more should come before some of it has gone. */
  get isOverfull(): boolean {
    return this.#backlog.isOverfull;
  }

  get backlogBytes(): number {
    return this.#backlog.totalBytes;
  }

  /** Starts the one timer behind pings and slow clients. */
  start(): void {
    this.#timer ??= setInterval(() => this.tick(), TICK_MS).unref();
  }

  /** Takes over a socket under a new handle and begins to read from it. If it is closed already, or the router stops, the core
   *  hears `clientClosed` in a later turn.
   *  @param account  its user's, which is given back when the client goes */
  add(handle: number, ws: ClientSocket, account?: UserAccount): void {
    const client = new Client(this.#owner, handle, ws, account);
    this.#table.set(handle, client);
    this.#keepAlive.add(client);
    ws.client = client;
    slim(ws);
    readDirectly(ws);
    if (ws.readyState !== ws.OPEN) {
      setImmediate(() => this.#onGone(client, 1006));
      return;
    }
    ws.resume();
    const stopping = this.#stopping;
    if (stopping !== undefined) setImmediate(() => this.#sendAway(client, stopping.spreadMs));
  }

  join(group: number, handle: number): void {
    const client = this.#table.get(handle);
    if (client !== undefined) this.#fanOut.join(group, client);
  }

  leave(group: number, handle: number): void {
    const client = this.#table.get(handle);
    if (client !== undefined) this.#fanOut.leave(group, client);
  }

  cast(group: number, frame: Buffer, excluded: number, frameClass: CastClass): void {
    const excludedClient = excluded === 0 ? undefined : this.#table.get(excluded);
    this.#fanOut.cast(group, frame, frameClass === 'ephemeral', excludedClient);
    this.#scheduleFlush();
  }

  direct(handle: number, frame: Buffer, ephemeral: boolean): void {
    const client = this.#table.get(handle);
    if (client === undefined) return;
    this.#fanOut.direct(client, frame, ephemeral);
    this.#scheduleFlush();
  }

  close(handle: number, how: ClientClose): void {
    const client = this.#table.get(handle);
    if (client !== undefined) this.#close(client, how);
  }

  setReading(handle: number, reading: boolean): void {
    const client = this.#table.get(handle);
    if (client === undefined || client.reading === reading) return;
    client.reading = reading;
    if (reading) {
      // A pong may lie unread in the socket: the client gets a whole round for the next one.
      client.awaitingPong = false;
      client.ws.resume();
    } else {
      client.ws.pause();
    }
  }

  /** Pings whom it is time to ping and closes those that are silent or slow. Called by the timer. */
  tick(): void {
    const nowMs = this.#clock.now().monoMs;
    this.#keepAlive.tick(
      nowMs,
      (client) => client.ws.ping(),
      (client) => {
        this.stats.silentCloses += 1;
        this.#lose(client, 'broken');
        client.ws.terminate();
      },
    );
    this.#letGo(this.#backlog.sweep(nowMs));
  }

  /** Sends every client away, each with its own time to come back, uniformly spread. Later clients are sent away too.
   *  @returns when all sockets are closed: at the latest after the bound on the close handshake */
  stop(spreadMs: number): Promise<void> {
    this.#stopping ??= { spreadMs, done: this.#sendAllAway(spreadMs) };
    return this.#stopping.done;
  }

  /** Cuts every socket off and ends the timer. The core hears nothing. */
  closeAll(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const client of [...this.#table.values(), ...this.#closing]) {
      this.#forget(client);
      client.ws.terminate();
    }
  }

  async #sendAllAway(spreadMs: number): Promise<void> {
    let inBatch = 0;
    for (const client of this.#table.values()) {
      this.#sendAway(client, spreadMs);
      inBatch += 1;
      if (inBatch % STOP_BATCH === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    if (this.sockets === 0) return;
    const timeout = setTimeout(() => this.closeAll(), CLOSE_TIMEOUT_MS);
    await new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
    });
    clearTimeout(timeout);
  }

  #sendAway(client: Client, spreadMs: number): void {
    if (!client.live) return;
    this.#close(client, { code: 1012, reason: 'router stopping', retryAfterMs: this.#random.unit() * spreadMs });
    this.#events.clientClosed(client.handle, 'broken');
  }

  #scheduleFlush(): void {
    if (this.#flushDue) return;
    this.#flushDue = true;
    setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushDue = false;
    this.#flushedMs = this.#clock.now().monoMs;
    this.#fanOut.flush();
    if (this.#slow.length > 0) {
      const slow = this.#slow;
      this.#slow = [];
      for (const client of slow) if (client.live) this.#closeSlow(client);
    }
    // Not left to the timer: much can be written in a quarter of a second.
    this.#letGo(this.#backlog.excess());
  };

  /** Closes clients as slow, and cuts off those that are closing already: what waits for them is let go. */
  #letGo(clients: readonly Client[]): void {
    for (const client of clients) {
      if (client.live) {
        this.#closeSlow(client);
      } else {
        this.#backlog.forget(client);
        client.ws.terminate();
      }
    }
  }

  #deliver(client: Client, bytes: Buffer, messages: number): void {
    const { stats } = this;
    this.#adapter.write(client.ws, bytes);
    stats.writes += 1;
    stats.deliveries += messages;
    stats.bytesOut += bytes.length;
    if (this.#backlog.note(client, bytes.length, this.#flushedMs)) this.#slow.push(client);
  }

  #onFrame(client: Client, payload: Buffer, isBinary: boolean): void {
    if (!client.live) return;
    this.stats.messagesIn += 1;
    this.stats.bytesIn += payload.length;
    if (isBinary) {
      this.#closeOwn(client, { code: 1003, reason: 'text messages only' }, 'unsupported_data');
      return;
    }
    if (this.#isMetered && !this.#isWithinRate(client, payload)) return;
    this.#events.clientFrame(client.handle, payload);
  }

  #onPing(client: Client, data: Buffer): void {
    // RFC 6455 §5.5.3 asks for an answer to the most recent ping only: who does not read its answers gets no more of them.
    if (!client.live || this.#adapter.backlogBytes(client.ws) > PONG_BACKLOG_MAX) return;
    client.ws.pong(data);
  }

  #isWithinRate(client: Client, payload: Buffer): boolean {
    const verdict = this.#takeMessage(client, this.#clock.now().monoMs);
    if (verdict === 'allowed') return true;
    this.stats.rateLimited += 1;
    if (verdict === 'abusive') {
      this.#closeOwn(client, { code: 1008, reason: 'far above the message rate' }, 'rate_limited');
    } else {
      // Only a refused message is read here: its sender waits for the outcome of that very id.
      const decoded = decodeClientMessage(payload.toString());
      if (!decoded.ok && decoded.code === 'bad_json') client.meter?.charge(NO_JSON_CHARGE);
      const source = decoded.ok ? decoded.message : decoded;
      const id = 'id' in source ? source.id : undefined;
      this.direct(client.handle, textFrame(encode.error({ code: 'rate_limited', id })), false);
    }
    return false;
  }

  /** What its session may say first, so that it alone is charged for what it says beyond; then what its user may. */
  #takeMessage(client: Client, nowMs: number): RateVerdict {
    if (this.#messageRate > 0) {
      client.meter ??= new RateMeter(this.#messageRate, nowMs);
      const verdict = client.meter.take(this.#messageRate, nowMs);
      if (verdict !== 'allowed') return verdict;
    }
    const limits = this.#limits;
    const perUser = limits?.users.messageRate ?? 0;
    const verdict = perUser === 0 ? 'allowed' : (client.account?.takeMessage(perUser, nowMs) ?? 'allowed');
    if (limits !== undefined && verdict !== 'allowed') limits.refused.user_messages += 1;
    return verdict;
  }

  /** Closes a client for a reason that the core does not know yet. */
  #closeOwn(client: Client, how: Pick<ClientClose, 'code' | 'reason'>, code: ErrorCode): void {
    if (!client.live) return;
    // The verdict of the close code counts, not that of the error: no `retryable` error precedes a close that says `stop`.
    const retryable = isComingBack(how.code);
    const error = { code, message: how.reason, retryable };
    this.#close(client, { ...how, error });
    this.#events.clientClosed(client.handle, 'broken');
  }

  #closeSlow(client: Client): void {
    this.stats.slowCloses += 1;
    this.#close(client, { code: 4100, reason: 'reads too slowly' });
    this.#events.clientClosed(client.handle, 'broken');
  }

  #close(client: Client, how: ClientClose): void {
    const due = this.#fanOut.take(client);
    const frames = due === undefined ? [] : [due.bytes];
    if (how.error !== undefined) frames.push(textFrame(JSON.stringify({ type: 'error', ...how.error })));
    const kind = closeRow(how.code)?.name;
    // No close after which the client is to come back leaves it to guess when.
    const retryAfterMs = how.retryAfterMs ?? (isComingBack(how.code) ? this.#comeBack.next(RETRY_WINDOW) : undefined);
    if (retryAfterMs !== undefined && kind !== undefined) frames.push(textFrame(encode.notice({ kind, retryAfterMs })));
    const bytes = frames.length === 0 ? undefined : Buffer.concat(frames);
    this.stats.deliveries += due?.messages ?? 0;
    this.stats.bytesOut += bytes?.length ?? 0;
    this.#forget(client);
    if (client.ws.readyState === client.ws.CLOSED) return;
    this.#closing.add(client);
    this.#adapter.close(client.ws, bytes, how.code, how.reason);
    this.#backlog.note(client, bytes?.length ?? 0, this.#clock.now().monoMs);
    // The client's close frame must be read, or the handshake ends by its timer.
    client.ws.resume();
  }

  /** The client went, or broke the protocol: the core is told, once. */
  #lose(client: Client, how: 'left' | 'broken'): void {
    if (!client.live) return;
    this.#forget(client);
    if (client.ws.readyState !== client.ws.CLOSED) this.#closing.add(client);
    this.#events.clientClosed(client.handle, how);
  }

  #onGone(client: Client, code: number): void {
    // 1005: a close frame without a code, which is what `close()` of a browser sends.
    this.#lose(client, code === 1000 || code === 1001 || code === 1005 ? 'left' : 'broken');
    this.#backlog.forget(client);
    this.#closing.delete(client);
    if (this.sockets === 0) this.#whenEmpty?.();
  }

  /** Takes a client out of every table but that of closing sockets and of backlogs. */
  #forget(client: Client): void {
    client.live = false;
    this.#table.delete(client.handle);
    this.#keepAlive.remove(client);
    this.#fanOut.remove(client);
    if (client.account === undefined) return;
    this.#limits?.users.left(client.account);
    client.account = undefined;
  }
}

function isComingBack(code: number): boolean {
  const verdict = closeRow(code)?.verdict;
  return verdict === 'resume' || verdict === 'retry';
}
