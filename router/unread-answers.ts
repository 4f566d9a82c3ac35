/** Answers that were made and that their clients have not taken. Owns: how many requests of one connection may wait for theirs, how much
 *  waits for all connections together, and how long. Does not know: what is asked or answered, streams (live/listeners.ts).
 *  A request takes some thirty bytes and its answer may take a hundred thousand: whoever asks on and reads nothing would have them all
 *  kept here. Nobody who does so by mistake is hurt: browsers and proxies wait for one answer before they ask anew.
 *  Invariant: `bytes` is what the connections that are held here had waiting when they were last answered; after `sent` it is within its
 *  bound. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface UnreadBounds {
  readonly perConnectionMax: number;
  readonly bytesMax: number;
  /** In which one answer is to be taken. */
  readonly takenWithinMs: number;
}

const BOUNDS: UnreadBounds = { perConnectionMax: 8, bytesMax: 64 * 1_048_576, takenWithinMs: 30_000 };

interface Connection {
  readonly socket: Socket;
  asked: number;
  bytes: number;
  timer: NodeJS.Timeout | undefined;
}

export class UnreadAnswers {
  readonly #bounds: UnreadBounds;
  readonly #connections = new WeakMap<Socket, Connection>();
  /** With bytes that wait, in the order in which they began to. */
  readonly #held = new Set<Connection>();
  #bytes = 0;

  constructor(bounds: Partial<UnreadBounds> = {}) {
    this.#bounds = { ...BOUNDS, ...bounds };
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Counts a request until its answer has left. @returns whether it is to be answered; if not, its connection is cut off */
  begin(socket: Socket, response: ServerResponse): boolean {
    // Node goes on to tell what it had read of a connection when that was cut off.
    if (socket.destroyed) return false;
    const connection = this.#of(socket);
    if (connection.asked >= this.#bounds.perConnectionMax) {
      socket.destroy();
      stopParsing(socket);
      return false;
    }
    connection.asked += 1;
    response.once('close', () => {
      connection.asked -= 1;
    });
    return true;
  }

  /** The whole of an answer was written. Where too much waits, the connections that have waited longest are cut off. */
  sent(socket: Socket, response: ServerResponse): void {
    const bytes = response.writableLength;
    if (bytes === 0 || socket.destroyed) return;
    const connection = this.#of(socket);
    this.#add(connection, bytes);
    response.once('close', () => {
      if (this.#held.has(connection)) this.#add(connection, -bytes);
    });
    for (const oldest of this.#held) {
      if (this.#bytes <= this.#bounds.bytesMax) return;
      this.#let(oldest);
      oldest.socket.destroy();
    }
  }

  #of(socket: Socket): Connection {
    const known = this.#connections.get(socket);
    if (known !== undefined) return known;
    const connection: Connection = { socket, asked: 0, bytes: 0, timer: undefined };
    this.#connections.set(socket, connection);
    // Answers behind the one that was leaving hear nothing of it.
    socket.once('close', () => this.#let(connection));
    return connection;
  }

  #add(connection: Connection, bytes: number): void {
    connection.bytes += bytes;
    this.#bytes += bytes;
    clearTimeout(connection.timer);
    if (connection.bytes === 0) {
      this.#held.delete(connection);
      return;
    }
    this.#held.add(connection);
    connection.timer = setTimeout(() => connection.socket.destroy(), this.#bounds.takenWithinMs).unref();
  }

  #let(connection: Connection): void {
    if (!this.#held.delete(connection)) return;
    clearTimeout(connection.timer);
    this.#bytes -= connection.bytes;
    connection.bytes = 0;
  }
}

const UPGRADES = 2;
const asUpgrade = (): number => UPGRADES;

/** One packet may hold two thousand requests more, of which Node would make objects one by one (that takes some 50 ms). Its parser reads
 *  no further behind a request that is to be an upgrade. What it asks is a private field: where it is another one, all are made, and
 *  not answered. */
function stopParsing(socket: Socket): void {
  const { parser } = socket as { parser?: { onIncoming?: unknown } | null };
  if (parser && typeof parser.onIncoming === 'function') parser.onIncoming = asUpgrade;
}
