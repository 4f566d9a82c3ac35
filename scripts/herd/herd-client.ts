/** One client of a herd, as cheap as ten thousand of them must be: a socket, its session, and when it comes back. Owns: its seat over
 *  any number of sockets. Does not know: what is said in its room.
 *  It waits as the client library does, with that library's own rule (client/retry.ts), and goes to any of the other routers.
 *  @see DESIGN §7 */
import { connect, type Socket } from 'node:net';
import { Retry } from '../../client/retry.ts';
import type { ServerMessage } from '../../shared/protocol.ts';
import { clientFrame, FrameReader } from '../bench/frames.ts';

export interface HerdClientOptions {
  readonly room: string;
  readonly user: string;
  /** Of all routers. */
  readonly ports: readonly number[];
  /** Which of them is gone to first. */
  readonly first: number;
  /** From which of this machine's addresses. */
  readonly source: string;
  /** Whether it goes elsewhere after a loss; before, it is to sit where it went first. */
  readonly mayMove: () => boolean;
  /** Whether it says that it speaks `bellhop.v1`; without, it reads a status and no notice. */
  readonly subprotocol: boolean;
}

/** What happened to all clients of a herd. */
export interface HerdCounts {
  seats: number;
  resumed: number;
  told: number;
  refused: number;
  /** Attempts that reached nobody. */
  unreached: number;
  /** Windows that welcomes named. */
  windowsMs: number[];
}

const WINDOW_MS_MAX = 30_000;
const WELCOME_MS = 20_000;
const HEAD_BYTES_MAX = 4_096;

export class HerdClient {
  readonly #options: HerdClientOptions;
  readonly #counts: HerdCounts;
  readonly #retry = new Retry(Math.random, WINDOW_MS_MAX);
  #port: number;
  #socket: Socket | undefined;
  #welcome: Extract<ServerMessage, { type: 'welcome' }> | undefined;
  #seatedMs: number | undefined;
  #retryAfterMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isEnded = false;

  constructor(options: HerdClientOptions, counts: HerdCounts) {
    this.#options = options;
    this.#counts = counts;
    this.#port = options.first;
  }

  get isSeated(): boolean {
    return this.#seatedMs !== undefined;
  }

  get session(): string | undefined {
    return this.#welcome?.session;
  }

  /** Which router holds its socket, by position. */
  get router(): number {
    return this.#port;
  }

  connect(): void {
    const { room, user, source, ports, subprotocol } = this.#options;
    const welcome = this.#welcome;
    const back =
      welcome === undefined
        ? ''
        : `&session=${welcome.session}&resume=${encodeURIComponent(welcome.resume)}&after=${welcome.seq}&tag=${welcome.tag}`;
    const port = ports[this.#port] ?? 0;
    const socket = connect({ port, host: '127.0.0.1', localAddress: source, noDelay: true });
    this.#socket = socket;
    this.#retryAfterMs = undefined;
    let head: Buffer | undefined = Buffer.alloc(0);
    let isReached = false;
    const reader = new FrameReader();
    const take = (opcode: number, payload: Buffer): void => {
      if (opcode === 9) socket.write(clientFrame(payload, 10));
      else if (opcode === 8) socket.end(clientFrame(payload, 8));
      else if (opcode === 1) this.#hear(payload);
    };
    socket.on('data', (chunk: Buffer) => {
      isReached = true;
      if (head === undefined) return reader.push(chunk, take);
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0 && head.length < HEAD_BYTES_MAX) return;
      if (head.toString('latin1', 9, 12) !== '101') {
        this.#counts.refused += 1;
        socket.destroy();
        return;
      }
      const rest = head.subarray(end + 4);
      head = undefined;
      reader.push(rest, take);
    });
    socket.on('error', () => undefined);
    socket.once('close', () => {
      if (!isReached) this.#counts.unreached += 1;
      if (this.#socket === socket) this.#lost();
    });
    this.#timer = setTimeout(() => socket.destroy(), WELCOME_MS);
    socket.write(
      `GET /rooms/${room}?user=${user}${back} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\n` +
        `Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n` +
        `${subprotocol ? 'Sec-WebSocket-Protocol: bellhop.v1\r\n' : ''}\r\n`,
    );
  }

  end(): void {
    this.#isEnded = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
  }

  #hear(payload: Buffer): void {
    // Most of what is heard is who came: it is not worth parsing ten thousand times.
    if (payload.includes('"type":"welcome"')) {
      const welcome = JSON.parse(payload.toString()) as Extract<ServerMessage, { type: 'welcome' }>;
      clearTimeout(this.#timer);
      this.#welcome = welcome;
      this.#seatedMs = performance.now();
      this.#counts.seats += 1;
      if (welcome.resumed) this.#counts.resumed += 1;
      this.#counts.windowsMs.push(welcome.retryWindowMs);
    } else if (payload.includes('"type":"notice"')) {
      this.#counts.told += 1;
      this.#retryAfterMs = (JSON.parse(payload.toString()) as { readonly retryAfterMs: number }).retryAfterMs;
    }
  }

  #lost(): void {
    clearTimeout(this.#timer);
    if (this.#isEnded) return;
    const heldMs = this.#seatedMs === undefined ? undefined : performance.now() - this.#seatedMs;
    const { retryWindowMs } = this.#welcome ?? {};
    const waitMs = this.#retry.after({ heldMs, retryAfterMs: this.#retryAfterMs, retryWindowMs });
    this.#seatedMs = undefined;
    const others = this.#options.ports.length - 1;
    if (others > 0 && this.#options.mayMove())
      this.#port = (this.#port + 1 + Math.floor(Math.random() * others)) % (others + 1);
    this.#timer = setTimeout(() => this.connect(), waitMs);
  }
}
