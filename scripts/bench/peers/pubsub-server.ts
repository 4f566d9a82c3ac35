/** A peer: one of several `ws` servers that pass every message through Redis Pub/Sub, a channel for each room that has members
 *  here. Run as a script with the URL of Redis; tells its port by IPC. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import { type WebSocket, WebSocketServer } from 'ws';

const url = process.argv[2] ?? '';
const publisher = new Redis(url, { enableAutoPipelining: true });
const subscriber = new Redis(url);
const rooms = new Map<string, Set<WebSocket>>();
const http = createServer();
const server = new WebSocketServer({ server: http, perMessageDeflate: false, skipUTF8Validation: true });

subscriber.on('messageBuffer', (channel: Buffer, data: Buffer) => {
  for (const member of rooms.get(channel.toString('latin1')) ?? []) member.send(data, { binary: false });
});
server.on('connection', (ws, request) => {
  const room = request.url ?? '/';
  let members = rooms.get(room);
  if (members === undefined) {
    members = new Set();
    rooms.set(room, members);
    void subscriber.subscribe(room);
  }
  members.add(ws);
  ws.on('error', () => {});
  ws.on('close', () => {
    const left = rooms.get(room);
    left?.delete(ws);
    if (left?.size !== 0) return;
    rooms.delete(room);
    void subscriber.unsubscribe(room);
  });
  ws.on('message', (data: Buffer) => void publisher.publish(room, data));
});
http.listen(0, '127.0.0.1', () => process.send?.({ type: 'ready', port: (http.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit(0));
