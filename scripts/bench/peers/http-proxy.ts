/** A peer: `http-proxy` before one `ws` server. Run as a script with the server's port; tells its own by IPC. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import httpProxy from 'http-proxy';

const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${process.argv[2]}`, ws: true });
proxy.on('error', () => {});
const http = createServer((_request, response) => response.writeHead(404).end());
http.on('upgrade', (request, socket, head) => {
  socket.on('error', () => socket.destroy());
  proxy.ws(request, socket, head);
});
http.listen(0, '127.0.0.1', () => process.send?.({ type: 'ready', port: (http.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit(0));
