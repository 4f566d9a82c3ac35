/** A client of the chaos load: it writes down all that it says and hears, comes back at another router when it loses its socket, and says
 *  again under the same ids what has no outcome. Owns: one session over any number of sockets. Judges nothing: that is the checker's.
 *  Ids are 1, 2, 3 … for the session's whole life.
 *  @see DESIGN §6, §7 */
import { WebSocket } from 'ws';
import { systemClock } from '../../../shared/clock.ts';
import { verdictOf } from '../../../shared/errors.ts';
import type { Json, ServerMessage } from '../../../shared/protocol.ts';
import type { HistoryEvent, RoomClass } from '../history/events.ts';

export interface ChaosRouter {
  readonly id: string;
  /** `ws://host:port` */
  readonly url: string;
}

export interface ChaosClientOptions {
  readonly client: number;
  readonly room: string;
  readonly user: string;
  readonly roomClass: RoomClass;
  readonly router: ChaosRouter;
  /** Where to come back after the socket at `lost` broke. */
  readonly nextRouter: (lost: ChaosRouter) => ChaosRouter;
  readonly random: () => number;
  readonly record: (event: HistoryEvent) => void;
  readonly hears: ClientHears;
}

/** What the load wants to know at once. */
export interface ClientHears {
  /** @param saidMs  when the publish was first handed over; undefined where another kind of load spoke */
  message(tag: string, saidMs: number | undefined, atMs: number): void;
  /** A publish of this client has its ack. */
  acked(tookMs: number, atMs: number): void;
  refused(code: string): void;
  signal(atMs: number): void;
  seated(atMs: number): void;
  lost(atMs: number): void;
}

/** Refusals after which nobody can know whether the publish was said. */
const UNKNOWN: ReadonlySet<string> = new Set(['owner_lost', 'outcome_unknown', 'duplicate', 'internal', 'timeout']);

/** Longest pause before the second attempt to come back; doubled for each that follows. The first follows what the server said. */
const BACK_MS = 250;
const BACK_MAX_MS = 2_000;
/** A client does not publish beyond so many without an outcome. */
const PENDING_MAX = 32;
const SEAT_WAIT_MS = 8_000;

interface Pending {
  readonly frame: string;
  readonly saidMs: number;
}

export class ChaosClient {
  readonly options: ChaosClientOptions;
  readonly pending = new Map<number, Pending>();
  #socket: WebSocket | undefined;
  #router: ChaosRouter;
  #seat: { readonly session: string; readonly resume: string } | undefined;
  #cursor: { readonly seq: number; readonly tag: string } | undefined;
  #isSeated = false;
  #lastId = 0;
  #attempts = 0;
  #noticeMs: number | undefined;
  /** In which to come back first, after a loss that nobody announced. */
  #windowMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;
  readonly #ours = new WeakSet<WebSocket>();

  constructor(options: ChaosClientOptions) {
    this.options = options;
    this.#router = options.router;
  }

  get isSeated(): boolean {
    return this.#isSeated;
  }

  get session(): string | undefined {
    return this.#seat?.session;
  }

  get router(): string {
    return this.#router.id;
  }

  connect(): void {
    const { room, user, client } = this.options;
    const more =
      this.#seat === undefined
        ? ''
        : `&session=${this.#seat.session}&resume=${encodeURIComponent(this.#seat.resume)}${
            this.#cursor === undefined ? '' : `&after=${this.#cursor.seq}&tag=${this.#cursor.tag}`
          }`;
    const socket = new WebSocket(`${this.#router.url}/rooms/${room}?user=${user}${more}`, ['bellhop.v1'], {
      perMessageDeflate: false,
      skipUTF8Validation: true,
    });
    this.#socket = socket;
    this.#record({ kind: 'dial', at: now(), client, router: this.#router.id });
    // What an older socket still had is void: the newer one goes on from the cursor it showed.
    socket.on('message', (data) => {
      if (socket === this.#socket) this.#hear(JSON.parse((data as Buffer).toString()) as ServerMessage);
    });
    socket.on('close', (code) => this.#closed(socket, code));
    socket.on('error', () => undefined);
    // A router that is stopped takes a connection and says nothing.
    this.#timer = setTimeout(() => socket.terminate(), SEAT_WAIT_MS);
  }

  /** Says the present moment, so that whoever hears it knows how old it is. @returns whether it was said */
  publish(): boolean {
    if (!this.#isSeated || this.pending.size >= PENDING_MAX) return false;
    const saidMs = now();
    const id = ++this.#lastId;
    const frame = JSON.stringify({ type: 'publish', id, data: saidMs });
    this.pending.set(id, { frame, saidMs });
    this.#record({ kind: 'invoke', at: saidMs, client: this.options.client, id, again: false });
    this.#socket?.send(frame);
    return true;
  }

  signal(): void {
    if (this.#isSeated) this.#socket?.send('{"type":"signal","data":0}');
  }

  /** Breaks its socket; it comes back. */
  break(): void {
    if (this.#socket === undefined || !this.#isSeated) return;
    this.#ours.add(this.#socket);
    this.#socket.terminate();
  }

  /** Ends for good. */
  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    if (this.#socket === undefined) return;
    this.#ours.add(this.#socket);
    this.#socket.terminate();
  }

  #closed(socket: WebSocket, code: number): void {
    if (socket !== this.#socket) return;
    const at = now();
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    if (this.#isSeated) {
      this.#record({ kind: 'close', at, client: this.options.client, code, ours: this.#ours.has(socket) });
      this.options.hears.lost(at);
    }
    this.#isSeated = false;
    if (verdictOf(code) === 'stop') return;
    this.#router = this.options.nextRouter(this.#router);
    const latestMs = this.#attempts === 0 ? this.#windowMs : Math.min(BACK_MAX_MS, (BACK_MS / 2) * 2 ** this.#attempts);
    this.#attempts++;
    const waitMs = this.#noticeMs ?? latestMs * this.options.random();
    this.#noticeMs = undefined;
    this.#timer = setTimeout(() => this.connect(), waitMs);
  }

  #hear(message: ServerMessage): void {
    const at = now();
    const { client } = this.options;
    switch (message.type) {
      case 'welcome': {
        const { session, resume, epoch, seq, tag, resumed, retryWindowMs } = message;
        clearTimeout(this.#timer);
        const isSame = this.#seat?.session === session;
        this.#seat = { session, resume };
        if (!resumed) this.#cursor = { seq, tag };
        this.#attempts = 0;
        this.#windowMs = retryWindowMs;
        this.#isSeated = true;
        this.#record({ kind: 'welcome', at, client, session, epoch, seq, tag, resumed });
        this.#sayAgain(at, isSame && (resumed || this.options.roomClass === 'durable'));
        this.options.hears.seated(at);
        return;
      }
      case 'message': {
        const { seq, tag, session, id = 0, data } = message;
        this.#cursor = { seq, tag };
        this.#record({ kind: 'deliver', at, client, seq, tag, session: session ?? '', id });
        if (session !== null && session === this.#seat?.session) this.#acked(id, seq, at);
        this.options.hears.message(tag, saidAt(data), at);
        return;
      }
      case 'reset':
        this.#cursor = { seq: message.seq, tag: message.tag };
        this.#record({ kind: 'reset', at, client, reason: message.reason, seq: message.seq, tag: message.tag });
        return;
      case 'ack':
        return this.#acked(message.id, message.seq, at);
      case 'error':
        if (message.id !== undefined) this.#refused(message.id, message.code, at);
        return;
      case 'join':
      case 'leave':
        this.#record({ kind: message.type, at, client, session: message.session });
        return;
      case 'signal':
        return this.options.hears.signal(at);
      case 'notice':
        this.#noticeMs = message.retryAfterMs;
        return;
      case 'presence':
      case 'members':
      case 'direct':
      case 'expiring':
      case 'resume':
      case 'authenticated':
      case 'pong':
        return;
      default:
        message satisfies never;
    }
  }

  /** What has no outcome, in the order of its ids. Where the room does not remember this session nobody can know what became of it. */
  #sayAgain(at: number, isKnown: boolean): void {
    const { client } = this.options;
    for (const [id, { frame }] of [...this.pending]) {
      if (isKnown) {
        this.#record({ kind: 'invoke', at, client, id, again: true });
        this.#socket?.send(frame);
      } else {
        this.pending.delete(id);
        this.#record({ kind: 'unknown', at, client, id, code: 'reset' });
      }
    }
  }

  #acked(id: number, seq: number, at: number): void {
    const said = this.pending.get(id);
    this.#record({ kind: 'ok', at, client: this.options.client, id, seq });
    if (said === undefined) return;
    this.pending.delete(id);
    this.options.hears.acked(at - said.saidMs, at);
  }

  #refused(id: number, code: string, at: number): void {
    this.#record({ kind: UNKNOWN.has(code) ? 'unknown' : 'fail', at, client: this.options.client, id, code });
    this.pending.delete(id);
    this.options.hears.refused(code);
  }

  #record(event: HistoryEvent): void {
    this.options.record(event);
  }
}

function now(): number {
  return systemClock.now().monoMs;
}

function saidAt(data: Json): number | undefined {
  return typeof data === 'number' ? data : undefined;
}
