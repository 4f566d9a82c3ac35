/** A peer: the bare `ws` server that Bellhop is compared with. One process, one room, every message sent on to every client.
 *  Run as a script; prints nothing, tells its port by IPC. */
import { type AddressInfo, createServer } from 'node:net';
import { WebSocketServer } from 'ws';

// A free port first: the peer gets its best settings, which are the defaults without compression.
const probe = createServer().listen(0, '127.0.0.1', () => {
  const { port } = probe.address() as AddressInfo;
  probe.close(() => {
    const server = new WebSocketServer({ host: '127.0.0.1', port, perMessageDeflate: false });
    server.on('listening', () => process.send?.({ type: 'ready', port }));
    server.on('connection', (ws) => {
      ws.on('error', () => {});
      ws.on('message', (data) => {
        const text = data.toString();
        for (const client of server.clients) client.send(text);
      });
    });
  });
});
process.on('disconnect', () => process.exit(0));
