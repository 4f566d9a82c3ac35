/** A peer: one of several Socket.IO servers with its Redis adapter, WebSocket only and without compression. Run as a script with
 *  the URL of Redis; tells its port by IPC. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';

const url = process.argv[2] ?? '';
const publisher = new Redis(url);
const subscriber = publisher.duplicate();
const http = createServer();
const io = new Server(http, {
  transports: ['websocket'],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  adapter: createAdapter(publisher, subscriber),
});

io.on('connection', (socket) => {
  const room = String(socket.handshake.query['room']);
  void socket.join(room);
  // Its manual: frees the first request of each session.
  socket.conn.request = null as never;
  socket.on('m', (data: string) => io.to(room).emit('m', data));
});
http.listen(0, '127.0.0.1', () => process.send?.({ type: 'ready', port: (http.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit(0));
