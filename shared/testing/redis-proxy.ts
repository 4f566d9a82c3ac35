/** Stands between a directory and its Redis, as a service address that moves between servers does. Owns: its sockets, and which kind
 *  of connection each is, read from the name that the client gives itself. Does not know: what is said after that. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface RedisProxy {
  readonly url: string;
  /** Has connections made from now on reach this port; those that stand stay. */
  aimAt(port: number): void;
  /** Cuts the connections of this kind. @returns how many */
  cut(kind: string): number;
  close(): Promise<void>;
}

/** A client says who it is before it says this much. */
const NAME_BYTES_MAX = 4_096;

export async function startRedisProxy(port: number): Promise<RedisProxy> {
  let target = port;
  const kinds = new Map<Socket, string>();
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        sockets.delete(one);
        kinds.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
    let said = '';
    const hear = (chunk: Buffer) => {
      said += chunk.toString('latin1');
      const kind = /bellhop-\S*?-(\w+)@/.exec(said)?.[1];
      if (kind !== undefined) kinds.set(client, kind);
      if (kind !== undefined || said.length > NAME_BYTES_MAX) client.off('data', hear);
    };
    client.on('data', hear);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('expected a port');
  return {
    url: `redis://127.0.0.1:${address.port}`,
    aimAt(next) {
      target = next;
    },
    cut(kind) {
      const found = [...kinds].filter(([, each]) => each === kind);
      for (const [socket] of found) socket.destroy();
      return found.length;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
