/** Where `npm start` takes orders from the command line on the same machine. Owns: a Unix socket in a folder that only its owner may
 *  enter, one order a connection, and the bounds on them. Does not know: what an order does.
 *  An order is one line of JSON, `{"order":"nodes"}` or `{"order":"renew","node":"n1"}`; the answer is one line too:
 *  `{"ok":true,…}` or `{"ok":false,"why":…}`. It may take as long as a drain takes.
 *  Invariant: after `close` neither socket nor folder is left. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Order = { readonly order: 'nodes' } | { readonly order: 'renew'; readonly node: string };

export type Reply =
  | { readonly ok: true; readonly nodes?: readonly string[] }
  | { readonly ok: false; readonly why: string };

const LINE_CHARS_MAX = 4_096;
const CONNECTIONS_MAX = 8;
/** An order must have come whole within this. */
const ORDER_MS = 5_000;

export class ControlSocket {
  readonly path: string;
  readonly #server: Server;
  readonly #folder: string;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, folder: string, path: string) {
    this.#server = server;
    this.#folder = folder;
    this.path = path;
  }

  /** Listens. @throws where the system's folder for temporary files cannot be used */
  static async open(carryOut: (order: Order) => Promise<Reply>): Promise<ControlSocket> {
    // mkdtemp makes it for its owner alone.
    const folder = mkdtempSync(join(tmpdir(), 'bellhop-control-'));
    const path = join(folder, 'socket');
    const server = createServer();
    server.maxConnections = CONNECTIONS_MAX;
    const control = new ControlSocket(server, folder, path);
    server.on('connection', (socket) => control.#take(socket, carryOut));
    try {
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
    return control;
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => {
      this.#server.close(() => {
        rmSync(this.#folder, { recursive: true, force: true });
        resolve();
      });
    });
  }

  #take(socket: Socket, carryOut: (order: Order) => Promise<Reply>): void {
    this.#sockets.add(socket);
    socket.setTimeout(ORDER_MS, () => socket.destroy());
    socket.on('error', () => undefined).once('close', () => this.#sockets.delete(socket));
    readLine(socket, (line) => {
      socket.setTimeout(0);
      const order = orderOf(line);
      const done: Promise<Reply> =
        order === undefined ? Promise.resolve({ ok: false, why: 'this is no order' }) : carryOut(order);
      void done
        .catch((error: unknown): Reply => ({ ok: false, why: error instanceof Error ? error.message : String(error) }))
        .then((reply) => socket.end(`${JSON.stringify(reply)}\n`));
    });
  }
}

/** Gives an order and waits for its outcome.
 *  @param withinMs  bound on the whole
 *  @throws Error where nobody answers */
export function giveOrder(path: string, order: Order, withinMs: number): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${withinMs} ms`)), withinMs);
    socket.once('connect', () => socket.write(`${JSON.stringify(order)}\n`));
    socket.once('error', reject);
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error('the supervisor closed the connection'));
    });
    readLine(socket, (line) => {
      resolve(replyOf(line));
      socket.end();
    });
  });
}

function readLine(socket: Socket, hear: (line: string) => void): void {
  let text = '';
  const take = (chunk: Buffer) => {
    text += chunk.toString('utf8');
    const end = text.indexOf('\n');
    if (end >= 0) {
      socket.off('data', take);
      hear(text.slice(0, end));
    } else if (text.length > LINE_CHARS_MAX) socket.destroy();
  };
  socket.on('data', take);
}

function orderOf(line: string): Order | undefined {
  const value = parsed(line);
  if (value['order'] === 'nodes') return { order: 'nodes' };
  const node = value['node'];
  return value['order'] === 'renew' && typeof node === 'string' ? { order: 'renew', node } : undefined;
}

function replyOf(line: string): Reply {
  const value = parsed(line);
  if (value['ok'] !== true)
    return { ok: false, why: typeof value['why'] === 'string' ? value['why'] : 'no reason given' };
  const nodes = value['nodes'];
  return Array.isArray(nodes) ? { ok: true, nodes: nodes.filter((node) => typeof node === 'string') } : { ok: true };
}

function parsed(line: string): Readonly<Record<string, unknown>> {
  try {
    const value = JSON.parse(line) as unknown;
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}
