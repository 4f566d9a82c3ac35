/** A peer: one `ws` server with rooms by path, every message sent on to every member of its room. The only cost beside the
 *  sockets' is a Map. Run as a script with `send` (the public API, one `ws.send` a member) or `prepared` (the frame is made once
 *  and written to every member's socket: what no server that writes to each member can go below); tells its port by IPC. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { castFrame } from './cast-frame.ts';

const isPrepared = process.argv[2] === 'prepared';
const rooms = new Map<string, Set<WebSocket>>();
const http = createServer();
const server = new WebSocketServer({ server: http, perMessageDeflate: false, skipUTF8Validation: true });

const socketOf = (ws: WebSocket): Duplex => (ws as unknown as { readonly _socket: Duplex })._socket;

server.on('connection', (ws, request) => {
  const room = request.url ?? '/';
  const members = rooms.get(room) ?? new Set();
  rooms.set(room, members.add(ws));
  ws.on('error', () => {});
  ws.on('close', () => members.delete(ws));
  ws.on('message', (data: Buffer) => {
    if (isPrepared) {
      const frame = castFrame(data);
      for (const member of members) if (member.readyState === member.OPEN) socketOf(member).write(frame);
    } else {
      for (const member of members) member.send(data, { binary: false });
    }
  });
});
http.listen(0, '127.0.0.1', () => process.send?.({ type: 'ready', port: (http.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit(0));
