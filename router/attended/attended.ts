/** The clients of attended rooms. Owns: their sockets, from an upgrade that passed its checks to the last byte, and which node's
 *  server each is piped to. Does not know: who owns a room: the core finds that out as for any room, and says when a session has
 *  its seat.
 *  Their sockets are tied to one life of one server: what the server knows of them nobody else does. So where other clients are
 *  carried over to a new owner, these are cut, and come back by themselves.
 *  Invariant: a client is either in the core's hands (it has a handle) or not yet admitted; the core hears of each end once.
 *  @see DESIGN §5 Bring your own server */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { addressOf } from '../../shared/attended.ts';
import type { Instant } from '../../shared/clock.ts';
import { closeRow, type ErrorCode, isErrorCode } from '../../shared/errors.ts';
import type { RandomSource } from '../../shared/random.ts';
import { isSecure } from '../access.ts';
import type { Admission } from '../admit.ts';
import type { Grant } from '../authenticate.ts';
import type { ClientAddress } from '../client-address.ts';
import type { AcceptedClient, ClientClose } from '../ports.ts';
import type { Holder } from '../route.ts';
import { RawClient, type RawClientEvents } from './raw-client.ts';
import { type RequestHead, readRequest, requestHeaders } from './request-head.ts';

/** An upgrade for an attended room. */
export interface AttendedUpgrade {
  readonly incoming: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  /** Whether its client may enter; never rejects. */
  readonly admission: Promise<Admission>;
}

export interface AttendedOptions {
  readonly random: RandomSource;
  /** Whether clients show us a token, which is then not for the server behind. */
  readonly authenticates: boolean;
  /** A number for a client, which no other client of this router has had. */
  readonly newHandle: () => number;
  /** The core takes a client; it answers by `seated` or `close`. */
  readonly opened: (handle: number, client: AcceptedClient, grant: Grant | undefined) => void;
  readonly ended: (handle: number, how: 'left' | 'broken') => void;
  /** Where the server of this very incarnation is; undefined where it is not an attendant's. */
  readonly targetOf: (at: Holder) => string | undefined;
  readonly now: () => Instant;
  /** Where a client is, as its server is told. */
  readonly addressOf: ClientAddress;
  readonly timeoutMs?: number;
  readonly log?: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

interface Seat {
  readonly raw: RawClient;
  readonly request: RequestHead;
  readonly client: AcceptedClient;
  readonly remoteAddress: string;
  readonly isSecure: boolean;
}

/** From dialling the server to its checked 101. */
const TIMEOUT_MS = 5_000;
const RETRY_AFTER_SECONDS = 2;
const LOG_EVERY_MS = 1_000;

export class Attended {
  readonly #options: AttendedOptions;
  readonly #all = new Set<RawClient>();
  readonly #seats = new Map<number, Seat>();
  readonly #events: RawClientEvents;
  #stopping = false;
  #failures = 0;
  #loggedMs = Number.NEGATIVE_INFINITY;

  constructor(options: AttendedOptions) {
    this.#options = options;
    this.#events = {
      ended: (raw, how) => {
        if (this.#seats.delete(raw.handle)) options.ended(raw.handle, how);
      },
      failed: (raw, why) => {
        this.#logFailure(raw, why);
      },
      closed: (raw) => this.#all.delete(raw),
    };
  }

  /** Clients that the core knows of. */
  get sessions(): number {
    return this.#seats.size;
  }

  /** Client sockets, those that are being refused or closed included. */
  get sockets(): number {
    return this.#all.size;
  }

  /** Takes an upgrade over. Nothing is written to it before its server said 101, or it is refused. */
  take({ incoming, socket, head, admission }: AttendedUpgrade): void {
    const { authenticates } = this.#options;
    const raw = new RawClient(socket, head, this.#events);
    this.#all.add(raw);
    const request = readRequest(incoming.rawHeaders, incoming.url ?? '', !authenticates);
    if (typeof request === 'string') return raw.refuse('bad_request', request);
    const remoteAddress = this.#options.addressOf(incoming);
    void admission.then((verdict) => {
      if (raw.isClosed) return;
      if (!verdict.ok) return raw.refuse(verdict.code, verdict.message);
      if (this.#stopping) return raw.refuse('draining', 'this router takes no clients now', RETRY_AFTER);
      const client = { ...verdict.client, attended: true } as const;
      raw.handle = this.#options.newHandle();
      this.#seats.set(raw.handle, { raw, request, client, remoteAddress, isSecure: isSecure(socket) });
      this.#options.opened(raw.handle, client, verdict.grant);
    });
  }

  /** The owner has seated the session: its server may be dialled. Called once for each handle. */
  seated(handle: number, at: Holder, epoch: number): void {
    const seat = this.#seats.get(handle);
    if (seat === undefined) return;
    const { raw, request, client, remoteAddress, isSecure } = seat;
    const target = this.#options.targetOf(at);
    const address = target === undefined ? undefined : addressOrUndefined(target, client.room, request.query);
    if (address === undefined) {
      // Not within the core's own call.
      setImmediate(() => {
        if (this.#seats.delete(handle)) this.#options.ended(handle, 'left');
        raw.refuse('target_failed', 'the owner of this room names no server');
      });
      return;
    }
    raw.owner = at.incarnation;
    const authority = address.host.includes(':')
      ? `[${address.host}]:${address.port}`
      : `${address.host}:${address.port}`;
    raw.dial({
      address,
      headers: requestHeaders(request, { ...client, epoch, remoteAddress, isSecure }, authority),
      offer: request.offer,
      timeoutMs: this.#options.timeoutMs ?? TIMEOUT_MS,
    });
  }

  /** Ends a client's socket, with a status where it has no 101 yet. The core knows. @returns whether the handle was one of ours */
  close(handle: number, how: ClientClose): boolean {
    const seat = this.#seats.get(handle);
    if (seat === undefined) return false;
    this.#seats.delete(handle);
    const retry = how.retryAfterMs === undefined ? RETRY_AFTER : { 'Retry-After': seconds(how.retryAfterMs) };
    const code = codeFor(how);
    seat.raw.refuse(code, how.error?.message ?? how.reason, closeRow(how.code)?.verdict === 'stop' ? {} : retry);
    return true;
  }

  /** A life of a node is over: its server is another's now, or nobody's, and whoever is piped there is cut. */
  nodeCertified(incarnation: string): void {
    for (const [handle, { raw }] of [...this.#seats]) {
      if (raw.owner !== incarnation) continue;
      this.#seats.delete(handle);
      raw.refuse('unavailable', 'the owner of this room is gone', RETRY_AFTER);
      this.#options.ended(handle, 'left');
    }
  }

  /** A server that is down is asked by every client that comes back: one line a second says as much as all of them. */
  #logFailure(raw: RawClient, why: string): void {
    this.#failures++;
    const nowMs = this.#options.now().monoMs;
    if (nowMs - this.#loggedMs < LOG_EVERY_MS) return;
    this.#loggedMs = nowMs;
    const { client } = this.#seats.get(raw.handle) ?? {};
    const fields = { room: client?.room, incarnation: raw.owner, why, failures: this.#failures };
    this.#options.log?.('the server of an attendant failed', fields);
  }

  /** Ends every client's socket, each at its own moment within the window: it cannot be told when to come back. */
  async stop(spreadMs: number): Promise<void> {
    this.#stopping = true;
    const ends = [...this.#seats.keys()].map(async (handle) => {
      await new Promise<void>((resolve) => setTimeout(resolve, this.#options.random.unit() * spreadMs));
      if (!this.close(handle, { code: 1012, reason: 'router stopping' })) return;
      this.#options.ended(handle, 'left');
    });
    await Promise.all(ends);
    this.closeAll();
  }

  /** Cuts every socket. The core hears nothing. */
  closeAll(): void {
    this.#stopping = true;
    this.#seats.clear();
    for (const raw of [...this.#all]) raw.cut();
  }
}

const RETRY_AFTER = { 'Retry-After': String(RETRY_AFTER_SECONDS) } as const;

function seconds(ms: number): string {
  return String(Math.max(1, Math.ceil(ms / 1_000)));
}

function addressOrUndefined(target: string, room: string, query: string) {
  try {
    return addressOf(target, room, query);
  } catch {
    return undefined;
  }
}

/** What a close says, as the code of an HTTP answer. */
function codeFor(how: ClientClose): ErrorCode {
  if (how.error !== undefined && isErrorCode(how.error.code)) return how.error.code;
  switch (how.code) {
    case 1000:
      return 'room_closed';
    case 1011:
      return 'internal';
    case 4403:
      return 'not_allowed';
    case 4409:
      return 'replaced';
    default:
      return 'unavailable';
  }
}
