// One editor of a shared document: what you type is appended, what others type is shown. See docs/attend.md.
//   node examples/yjs.js <user> [room] [ws://router/rooms]
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { WebsocketProvider } from 'y-websocket';
import { Doc } from 'yjs';

const [user = 'ann', room = 'y-demo', url = 'ws://127.0.0.1:8080/rooms'] = process.argv.slice(2);
const doc = new Doc();
const lines = doc.getArray('lines');
const provider = new WebsocketProvider(url, room, doc, { WebSocketPolyfill: WebSocket, params: { user } });

provider.on('status', ({ status }) => console.log(`(${status})`));
provider.on('connection-error', () => undefined);
lines.observe((event) => {
  for (const { insert } of event.changes.delta) for (const line of insert ?? []) console.log(line);
});
createInterface({ input: process.stdin })
  .on('line', (line) => lines.push([`${user}: ${line}`]))
  .on('close', () => {
    provider.destroy();
    process.exit(0);
  });
