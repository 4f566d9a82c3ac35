/** The peer of the conformance cases: `ws` as it comes, which says aloud what it is told, in the words of bellhop.v1. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

export interface BareServer {
  readonly port: number;
  readonly close: () => Promise<void>;
}

export async function startBareServer(payloadBytesMax: number): Promise<BareServer> {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    maxPayload: payloadBytesMax,
    // As Bellhop has it; who offers nothing is served without.
    perMessageDeflate: { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 256 },
  });
  await once(server, 'listening');
  server.on('connection', (socket) => {
    socket.on('error', () => undefined);
    socket.on('message', (bytes, isBinary) => {
      const data = isBinary ? undefined : saidIn(String(bytes));
      socket.send(JSON.stringify(data === undefined ? { type: 'error' } : { type: 'message', data }));
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const client of server.clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function saidIn(text: string): unknown {
  try {
    return (JSON.parse(text) as { readonly data?: unknown }).data;
  } catch {
    return undefined;
  }
}
