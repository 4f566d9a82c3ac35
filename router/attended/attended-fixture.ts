/** An edge with attended rooms, a server behind it that a test scripts, and clients that send bytes. Owns: those, on sockets of this
 *  machine, and their end. The core is replaced by one that seats every session in the next turn. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { ManualClock } from '../../shared/clock.ts';
import { SeededRandom } from '../../shared/random.ts';
import type { Admission } from '../admit.ts';
import { clientAddress } from '../client-address.ts';
import { ComeBack } from '../come-back.ts';
import { EdgeServer } from '../edge-server.ts';
import type { Holder } from '../route.ts';
import type { UpgradeRequest } from '../upgrade.ts';
import { acceptFor } from './answer-head.ts';
import { Attended } from './attended.ts';

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
export const OWNER: Holder = { node: 'y1', incarnation: 'a'.repeat(32) };

export const request = (lines: readonly string[] = [], path = '/rooms/doc?user=ann') =>
  `${[
    `GET ${path} HTTP/1.1`,
    'Host: edge.test',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${KEY}`,
    'Sec-WebSocket-Version: 13',
    ...lines,
  ].join('\r\n')}\r\n\r\n`;

export const switched = (lines: readonly string[] = [], accept = acceptFor(KEY)) =>
  `${[
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    ...lines,
  ].join('\r\n')}\r\n\r\n`;

/** A socket of a test, with everything it heard. */
export class Peer {
  readonly socket: Socket;
  #heard: Buffer[] = [];
  #error: string | undefined;
  readonly #wakers = new Set<() => void>();
  #isOver = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#error = error.code ?? error.message;
    });
    socket.on('data', (chunk: Buffer) => {
      this.#heard.push(chunk);
      this.#wake();
    });
    socket.on('end', () => this.#over());
    socket.on('close', () => this.#over());
  }

  get heard(): string {
    return Buffer.concat(this.#heard).toString('latin1');
  }

  get bytes(): number {
    return this.#heard.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  get error(): string | undefined {
    return this.#error;
  }

  /** Whether the other side has ended, in order or not. */
  get isOver(): boolean {
    return this.#isOver;
  }

  write(bytes: string | Buffer): this {
    this.socket.write(bytes);
    return this;
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Waits until `holds`; looks again whenever something arrives or ends. */
  async until(holds: (peer: Peer) => boolean): Promise<void> {
    while (!holds(this)) {
      if (this.#isOver) throw new Error(`ended (${this.#error ?? 'in order'}) after ${JSON.stringify(this.heard)}`);
      await new Promise<void>((resolve) => this.#wakers.add(resolve));
    }
  }

  async over(): Promise<string> {
    await this.until(() => this.#isOver);
    return this.heard;
  }

  #over(): void {
    this.#isOver = true;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#wakers) wake();
    this.#wakers.clear();
  }
}

/** Called with each connection once the head of its request is there. */
export type Script = (peer: Peer, head: string) => void;

export class AttendedBench {
  readonly attended: Attended;
  readonly edge: EdgeServer;
  readonly ended: { readonly handle: number; readonly how: 'left' | 'broken' }[] = [];
  readonly opened: number[] = [];
  /** Connections that reached the server; a test may take them out. */
  readonly atServer: Peer[] = [];
  /** Whether clients wait for `seat` instead of being seated by themselves. */
  seatsByHand = false;
  script: Script = (peer) => peer.write(switched());
  admit: (request: UpgradeRequest) => Promise<Admission>;
  #server: Server | undefined;
  /** Also those that a test took out of `atServer`. */
  readonly #serverSockets = new Set<Socket>();
  #serverPort = 0;
  #port = 0;
  #handles = 0;
  readonly #clients: Peer[] = [];

  constructor(
    options: {
      readonly timeoutMs?: number;
      readonly authenticates?: boolean;
      readonly trustedProxies?: readonly string[];
    } = {},
  ) {
    const clock = new ManualClock();
    const random = new SeededRandom(1);
    this.admit = async ({ room, user }) => ({
      ok: true,
      client: {
        ...{ room, user: user ?? 'guest', session: 's'.repeat(22), seat: 1, since: 1 },
        ...{ kind: 'join', cursor: undefined, history: 0 },
      },
    });
    this.attended = new Attended({
      random,
      now: () => clock.now(),
      addressOf: clientAddress(options.trustedProxies ?? []),
      authenticates: options.authenticates === true,
      newHandle: () => ++this.#handles,
      opened: (handle) => {
        this.opened.push(handle);
        if (!this.seatsByHand) setImmediate(() => this.seat(handle));
      },
      ended: (handle, how) => this.ended.push({ handle, how }),
      targetOf: ({ incarnation }) =>
        incarnation === OWNER.incarnation ? `ws://127.0.0.1:${this.#serverPort}/app/{room}` : undefined,
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    });
    this.edge = new EdgeServer({
      host: '127.0.0.1',
      port: 0,
      payloadBytesMax: 1_024,
      connectionsMax: 1_000,
      comeBack: new ComeBack(new ManualClock(), random, { perSecond: 0 }),
      request: (_request, response) => response.end('plain'),
      isReady: () => true,
      admit: (asked) => this.admit(asked),
      accept: (_client, ws) => ws.resume(),
      attended: { isAttended: (room) => room.startsWith('doc'), take: (upgrade) => this.attended.take(upgrade) },
    });
  }

  async start(): Promise<this> {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#serverPort = (this.#server.address() as AddressInfo).port;
    this.#port = await this.edge.start();
    return this;
  }

  /** Nothing listens behind the edge any more. */
  async stopServer(): Promise<void> {
    for (const socket of this.#serverSockets) socket.destroy();
    await new Promise<void>((resolve) => {
      if (this.#server === undefined) resolve();
      else this.#server.close(() => resolve());
    });
    this.#server = undefined;
  }

  async stop(): Promise<void> {
    for (const peer of this.#clients) peer.socket.destroy();
    this.attended.closeAll();
    await this.stopServer();
    await this.edge.close();
  }

  seat(handle: number): void {
    this.attended.seated(handle, OWNER, 7);
  }

  async client(bytes: string | Buffer = request()): Promise<Peer> {
    const socket = connect({ port: this.#port, host: '127.0.0.1', allowHalfOpen: true });
    const peer = new Peer(socket);
    this.#clients.push(peer);
    await once(socket, 'connect');
    return peer.write(bytes);
  }

  /** Both ends of one proxied connection, as its `nth`. */
  async pair(): Promise<{ readonly client: Peer; readonly server: Peer }> {
    const before = this.atServer.length;
    const client = await this.client();
    await client.until(({ heard }) => heard.endsWith('\r\n\r\n'));
    const server = this.atServer[before];
    if (server === undefined) throw new Error('the server saw nobody');
    return { client, server };
  }

  /** Resolves once no client's socket, server's socket or session is left. */
  async empty(): Promise<void> {
    while (this.attended.sockets > 0 || this.attended.sessions > 0 || this.edge.connections > 0) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  #serve(socket: Socket): void {
    const peer = new Peer(socket);
    this.atServer.push(peer);
    this.#serverSockets.add(socket);
    socket.once('close', () => this.#serverSockets.delete(socket));
    void peer
      .until(({ heard }) => heard.includes('\r\n\r\n'))
      .then(
        () => this.script(peer, peer.heard),
        () => undefined,
      );
  }
}
