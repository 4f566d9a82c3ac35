/** An edge server on a free port and clients that send bytes as they are. Owns: those, and their end. Behind the edge stands nobody:
 *  a test hears who would have been let in. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { ManualClock } from '../shared/clock.ts';
import { SeededRandom } from '../shared/random.ts';
import type { Admission } from './admit.ts';
import { ComeBack } from './come-back.ts';
import { EdgeServer, type EdgeServerOptions } from './edge-server.ts';
import type { UpgradeRequest } from './upgrade.ts';

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
/** The headers of an upgrade, by name. */
export const HANDSHAKE = {
  Host: 'edge.example',
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Key': KEY,
  'Sec-WebSocket-Version': '13',
} as const;

type Changes = Readonly<Record<string, string | readonly string[] | undefined>>;

/** An upgrade but for these headers: undefined leaves one out, a list repeats it. */
export function upgrade(changes: Changes = {}, line = 'GET /rooms/lobby HTTP/1.1'): string {
  const headers = Object.entries({ ...HANDSHAKE, ...changes }).flatMap(([name, value]) =>
    (value === undefined ? [] : typeof value === 'string' ? [value] : value).map((one) => `${name}: ${one}`),
  );
  return `${[line, ...headers].join('\r\n')}\r\n\r\n`;
}

/** A whole text message as a client sends it, its mask zero. */
export function textFromClient(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

export class EdgeBench {
  readonly edge: EdgeServer;
  /** Whose place was asked for. */
  readonly asked: UpgradeRequest[] = [];
  /** Who was let in. */
  readonly accepted: WebSocket[] = [];
  /** What those said, with the room they said it in. */
  readonly heard: string[] = [];
  readonly #sockets = new Set<Socket>();
  #port = 0;

  constructor(options: Partial<EdgeServerOptions> = {}) {
    const { admit } = options;
    this.edge = new EdgeServer({
      host: '127.0.0.1',
      port: 0,
      payloadBytesMax: 1_024,
      connectionsMax: 2_000,
      comeBack: new ComeBack(new ManualClock(), new SeededRandom(1), { perSecond: 0 }),
      request: (_request, response) => response.end('plain'),
      isReady: () => true,
      accept: ({ room }, ws) => {
        this.accepted.push(ws);
        ws.on('error', () => undefined);
        ws.on('message', (data) => this.heard.push(`${room}: ${data}`));
        ws.resume();
      },
      ...options,
      admit: (request) => {
        this.asked.push(request);
        return admit === undefined ? placeFor(request) : admit(request);
      },
    });
  }

  get port(): number {
    return this.#port;
  }

  async start(): Promise<this> {
    this.#port = await this.edge.start();
    return this;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.edge.close();
  }

  /** @param allowHalfOpen  leaves it to the test to end the socket, whatever the edge does */
  async open(allowHalfOpen = false): Promise<Socket> {
    const socket = connect({ port: this.#port, host: '127.0.0.1', allowHalfOpen });
    socket.on('error', () => undefined);
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    await once(socket, 'connect');
    return socket;
  }

  /** Sends bytes and reads until the other side has ended. */
  async raw(bytes: string | Buffer): Promise<Heard> {
    const socket = await this.open();
    socket.write(bytes);
    return heardOn(socket);
  }
}

export interface Heard {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
  /** How many answers came. */
  readonly answers: number;
}

export async function heardOn(socket: Socket): Promise<Heard> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  if (!socket.closed) await once(socket, 'close');
  const all = Buffer.concat(chunks).toString('latin1');
  const [headers = '', body = ''] = all.split('\r\n\r\n');
  return { status: Number(headers.split(' ')[1]), headers, body, answers: all.split('HTTP/1.1 ').length - 1 };
}

function placeFor({ room }: UpgradeRequest): Admission {
  const place = { room, user: 'ann', session: 's'.repeat(22), seat: 1, since: 1 };
  return { ok: true, client: { ...place, kind: 'join', cursor: undefined, history: 0 } };
}
