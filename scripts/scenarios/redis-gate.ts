/** Stands between one process and Redis, so that Redis can be away for that process alone. Owns: the sockets on both sides, and
 *  whether bytes pass. Does not know: what they say.
 *  While it is cut nothing passes and nothing is closed, as behind a partition; what lay in it goes on when it is opened again. */
import { connect, createServer, type Server, type Socket } from 'node:net';

export class RedisGate {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #isCut = false;

  private constructor(server: Server, port: number, redisPort: number) {
    this.#server = server;
    this.port = port;
    server.on('connection', (socket) => this.#pass(socket, redisPort));
  }

  static async open(redisPort: number): Promise<RedisGate> {
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the gate has no port');
    return new RedisGate(server, address.port, redisPort);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  cut(): void {
    this.#isCut = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  restore(): void {
    this.#isCut = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #pass(near: Socket, redisPort: number): void {
    const far = connect({ port: redisPort, host: '127.0.0.1' });
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.setNoDelay(true);
      from.on('data', (bytes) => to.write(bytes));
      // A paused socket does not tell of its end: that passes with the rest.
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => {
        to.destroy();
        this.#pairs.delete(pair);
      });
    }
    if (this.#isCut) for (const socket of pair) socket.pause();
    else near.resume();
  }
}
