/** One client of an attended room: its socket, before and after the server's 101. Owns: the pair of sockets and their end. Does not
 *  know: rooms, nodes, what is spoken: no byte is parsed.
 *
 *      waiting ──dial──▶ dialing ──101──▶ open ──either side ends──▶ closed
 *         └────────┴── refuse ──▶ closed (with an HTTP status)
 *
 *  Invariants: nothing is written to the client before a checked 101 but one refusal; what the client sent goes to the one server
 *  that said 101, and after a refusal nowhere; `ended` is told exactly once, unless the end was ordered from here; once closed, both
 *  sockets are gone within the grace.
 *  @see DESIGN §5 Bring your own server */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ErrorCode } from '../../shared/errors.ts';
import { refuseUpgrade } from '../refuse-upgrade.ts';
import { type DialOptions, type DialOutcome, dial } from './dial.ts';

export interface RawClientEvents {
  /** The client, its server or the way between them is gone: `left` after an orderly end, `broken` otherwise. */
  ended(client: RawClient, how: 'left' | 'broken'): void;
  /** The server refused, or is not there. */
  failed(client: RawClient, why: string): void;
  /** Both sockets are gone. */
  closed(client: RawClient): void;
}

type State =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'dialing'; readonly giveUp: () => void }
  | { readonly kind: 'open'; readonly server: Socket }
  | { readonly kind: 'closed' };

/** What a client may send ahead of its 101 is kept up to here; then its socket is paused. */
const EARLY_BYTES_MAX = 65_536;
/** After one side has ended, the other has this long to take what is left. */
const GRACE_MS = 5_000;
const KEEP_ALIVE_MS = 30_000;

export class RawClient {
  /** The core's number for it; 0 before it is admitted. */
  handle = 0;
  /** The incarnation whose server it is piped to. */
  owner: string | undefined;
  readonly #socket: Duplex;
  readonly #events: RawClientEvents;
  #state: State = { kind: 'waiting' };
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #ended = false;
  #grace: NodeJS.Timeout | undefined;

  constructor(socket: Duplex, head: Buffer, events: RawClientEvents) {
    this.#socket = socket;
    this.#events = events;
    if (head.length > 0) this.#keep(head);
    socket.on('error', () => this.#gone('broken'));
    socket.on('close', () => {
      this.#gone('broken');
      this.#settle();
    });
    socket.on('end', this.#onEarlyEnd);
    socket.on('data', this.#onEarly);
  }

  get isClosed(): boolean {
    return this.#state.kind === 'closed';
  }

  readonly #onEarly = (chunk: Buffer) => this.#keep(chunk);
  /** Half a socket is of no use before there is a 101. */
  readonly #onEarlyEnd = () => this.#gone('left');

  #keep(chunk: Buffer): void {
    this.#early.push(chunk);
    this.#earlyBytes += chunk.length;
    if (this.#earlyBytes >= EARLY_BYTES_MAX) this.#socket.pause();
  }

  /** Puts the upgrade to the server. Only a client that waits can be dialled for. */
  dial(options: DialOptions): void {
    if (this.#state.kind !== 'waiting') return;
    this.#state = { kind: 'dialing', giveUp: dial(options, (outcome) => this.#dialled(outcome)) };
  }

  #dialled(outcome: DialOutcome): void {
    switch (outcome.kind) {
      case 'open':
        return this.#open(outcome.socket, outcome.head, outcome.early);
      case 'refused':
        this.#events.failed(this, outcome.why);
        return this.#refuseAndTell('target_failed', 'the server behind this room did not take the connection');
      case 'late':
        this.#events.failed(this, 'it did not answer in time');
        return this.#refuseAndTell('target_timeout', 'the server behind this room did not answer in time');
      default:
        outcome satisfies never;
    }
  }

  #refuseAndTell(code: ErrorCode, message: string): void {
    this.#tell('left');
    this.refuse(code, message);
  }

  #open(server: Socket, head: string, early: Buffer): void {
    const client = this.#socket;
    this.#state = { kind: 'open', server };
    this.#stopKeeping();
    for (const socket of [client, server]) if ('setKeepAlive' in socket) prepare(socket as Socket);
    server.on('error', () => this.#serverGone());
    server.on('close', () => {
      this.#serverGone();
      this.#settle();
    });
    client.write(head);
    if (early.length > 0) client.write(early);
    for (const chunk of this.#early) server.write(chunk);
    this.#early = [];
    // FIN is passed on by hand, so that one side's end is known before the other's.
    client.once('end', () => this.#half(server));
    server.once('end', () => this.#half(client));
    client.pipe(server, { end: false });
    server.pipe(client, { end: false });
  }

  #stopKeeping(): void {
    this.#socket.off('data', this.#onEarly);
    this.#socket.off('end', this.#onEarlyEnd);
  }

  /** One side has said all it will: the other gets the rest, and the end. */
  #half(other: Duplex): void {
    this.#tell('left');
    other.end();
    this.#startGrace();
  }

  #serverGone(): void {
    this.#tell('broken');
    // One that ended in order has left its last bytes with the client's socket, which still sends them.
    if (this.#state.kind === 'open' && this.#state.server.readableEnded) {
      this.#socket.end();
      // What it still says is for nobody, and must be read for its end to be seen.
      this.#socket.resume();
      this.#startGrace();
    } else {
      this.#socket.destroy();
    }
  }

  #gone(how: 'left' | 'broken'): void {
    this.#tell(how);
    switch (this.#state.kind) {
      case 'open':
        if (this.#socket.readableEnded && !this.#state.server.destroyed) {
          this.#state.server.end();
          this.#state.server.resume();
          this.#startGrace();
        } else {
          this.#state.server.destroy();
        }
        return;
      case 'dialing':
        this.#state.giveUp();
        this.#shut();
        return void this.#socket.destroy();
      case 'waiting':
        this.#shut();
        return void this.#socket.destroy();
      case 'closed':
        return;
      default:
        this.#state satisfies never;
    }
  }

  #tell(how: 'left' | 'broken'): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#events.ended(this, how);
  }

  #startGrace(): void {
    this.#grace ??= setTimeout(() => this.cut(), GRACE_MS).unref();
  }

  /** Answers with an HTTP status where no 101 was passed on; otherwise cuts. The end was ordered: it is not told. */
  refuse(code: ErrorCode, message: string, headers: Readonly<Record<string, string>> = {}): void {
    if (this.#state.kind === 'open') return this.cut();
    if (this.#state.kind === 'closed') return;
    this.#ended = true;
    if (this.#state.kind === 'dialing') this.#state.giveUp();
    this.#shut();
    if (this.#socket.destroyed) return;
    refuseUpgrade(this.#socket, code, message, undefined, headers);
  }

  /** Ends both sockets at once. The end was ordered: it is not told. */
  cut(): void {
    this.#ended = true;
    if (this.#state.kind === 'dialing') this.#state.giveUp();
    if (this.#state.kind === 'open') this.#state.server.destroy();
    else this.#shut();
    this.#socket.destroy();
  }

  /** No server is or will be there; what was kept for one is let go. */
  #shut(): void {
    this.#state = { kind: 'closed' };
    this.#stopKeeping();
    this.#early = [];
  }

  /** Tells that nothing is left, once that is so. */
  #settle(): void {
    if (!this.#socket.closed) return;
    if (this.#state.kind === 'open') {
      if (!this.#state.server.closed) return;
      this.#state = { kind: 'closed' };
    }
    clearTimeout(this.#grace);
    this.#events.closed(this);
  }
}

function prepare(socket: Socket): void {
  socket.setNoDelay(true);
  // Nothing is read into what passes here, so only TCP can find out that a silent side is gone.
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  socket.setTimeout(0);
}
