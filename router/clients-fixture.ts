/** Real sockets for tests of the router's client side. Owns: a WebSocket server that hands each connection to `Clients`, and
 *  clients that remember what they got. Does not know: rooms. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { ManualClock } from '../shared/clock.ts';
import { SeededRandom } from '../shared/random.ts';
import { textFrame } from '../shared/websocket-frame.ts';
import { ClientSocket } from './client-socket.ts';
import { type ClientEvents, Clients, type ClientsOptions } from './clients.ts';
import type { Inflation } from './compression/inflation.ts';
import { directAdapter, inflateBy, type SocketAdapter } from './ws-adapter.ts';

export class RecordingEvents implements ClientEvents {
  readonly frames: { handle: number; text: string }[] = [];
  readonly closed: { handle: number; how: 'left' | 'broken' }[] = [];

  clientFrame(handle: number, payload: Buffer): void {
    this.frames.push({ handle, text: payload.toString() });
  }

  clientClosed(handle: number, how: 'left' | 'broken'): void {
    this.closed.push({ handle, how });
  }
}

/** Counts the writes to each socket and can pretend that sockets hold bytes back. */
export class CountingAdapter implements SocketAdapter {
  readonly writes = new Map<WebSocket, number>();
  /** The very buffer each was last handed. */
  readonly last = new Map<WebSocket, Buffer>();
  readonly backlog = new Map<WebSocket, number>();

  write(ws: WebSocket, frames: Buffer): void {
    this.writes.set(ws, (this.writes.get(ws) ?? 0) + 1);
    this.last.set(ws, frames);
    directAdapter.write(ws, frames);
  }

  backlogBytes(ws: WebSocket): number {
    return this.backlog.get(ws) ?? directAdapter.backlogBytes(ws);
  }

  close(ws: WebSocket, frames: Buffer | undefined, code: number, reason: string): void {
    directAdapter.close(ws, frames, code, reason);
  }
}

/** One client and everything it was told. */
export interface TestClient {
  readonly ws: WebSocket;
  /** The router's end. */
  readonly far: ClientSocket;
  readonly handle: number;
  readonly texts: string[];
  readonly closed: Promise<{ code: number; reason: string }>;
}

export interface Fixture {
  readonly clients: Clients;
  readonly events: RecordingEvents;
  readonly clock: ManualClock;
  readonly adapter: CountingAdapter;
  connect(options?: WebSocket.ClientOptions): Promise<TestClient>;
  close(): Promise<void>;
}

/** @param inflation  with it, compression is agreed on with clients that offer it, as those of `ws` do unless told otherwise */
export async function startFixture(
  options: Partial<ClientsOptions> = {},
  payloadBytesMax = 65_536,
  inflation?: Inflation,
): Promise<Fixture> {
  const server = createServer();
  const wss = new WebSocketServer({
    // As edge-server.ts sets it up.
    noServer: true,
    clientTracking: false,
    maxPayload: payloadBytesMax,
    perMessageDeflate: inflation !== undefined && { serverNoContextTakeover: true, clientNoContextTakeover: true },
    autoPong: false,
    WebSocket: ClientSocket,
  });
  const clock = new ManualClock();
  const events = new RecordingEvents();
  const adapter = new CountingAdapter();
  const clients = new Clients({ clock, random: new SeededRandom(7), adapter, ...options }, events);
  const arrivals: ((far: ClientSocket) => void)[] = [];
  server.on('upgrade', (request, socket, head) => {
    wss.handleUpgrade(request, socket, head, (ws) => {
      if (inflation !== undefined) inflateBy(ws, inflation);
      arrivals.shift()?.(ws);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const near: WebSocket[] = [];
  let handle = 0;

  return {
    clients,
    events,
    clock,
    adapter,
    async connect(clientOptions = {}) {
      const arrived = new Promise<ClientSocket>((resolve) => arrivals.push(resolve));
      const ws = new WebSocket(`ws://127.0.0.1:${port}/`, clientOptions);
      near.push(ws);
      const texts: string[] = [];
      ws.on('message', (data) => texts.push(String(data)));
      ws.on('error', () => undefined);
      const closed = new Promise<{ code: number; reason: string }>((resolve) =>
        ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
      );
      const opened = new Promise<void>((resolve) => ws.on('open', () => resolve()));
      const far = await arrived;
      handle += 1;
      clients.add(handle, far);
      await opened;
      return { ws, far, handle, texts, closed };
    },
    async close() {
      clients.closeAll();
      for (const ws of near) ws.terminate();
      wss.close();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A frame with this text. */
export const frame = (text: string): Buffer => textFrame(text);

/** Waits until `condition` holds, a loop turn at a time; fails after many thousand turns rather than after a time. */
export async function until(condition: () => boolean, what = 'condition'): Promise<void> {
  for (let turn = 0; turn < 200_000; turn++) {
    if (condition()) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  throw new Error(`${what} did not come true`);
}

/** A frame as a client sends it.
 *  @param first  its first byte: flags and opcode */
export function maskedFrame(content: string | Buffer, first: number): Buffer {
  const payload = Buffer.from(content);
  const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
  const length =
    payload.length < 126 ? [0x80 | payload.length] : [0x80 | 126, payload.length >> 8, payload.length & 0xff];
  const masked = payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0));
  return Buffer.concat([Buffer.from([first, ...length]), mask, masked]);
}
