// One editor of a shared document: what you type is appended, what others type is shown. See docs/attend.md.
//   node examples/yjs.js <user> [room] [ws://router/rooms]
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { WebsocketProvider } from 'y-websocket';
import { Doc } from 'yjs';

/** A room without an attendant speaks JSON, which is no document. */
class YjsSocket extends WebSocket {
  constructor(...args) {
    super(...args);
    this.on('message', (_data, isBinary) => {
      if (isBinary) return;
      console.error(
        `${room} is no Yjs room: no attendant has it. Start one with npm run attend (docs/attend.md) first.`,
      );
      process.exit(2);
    });
  }
}

const [user = 'ann', room = 'y-demo', url = 'ws://127.0.0.1:8080/rooms'] = process.argv.slice(2);
const doc = new Doc();
const lines = doc.getArray('lines');
const provider = new WebsocketProvider(url, room, doc, { WebSocketPolyfill: YjsSocket, params: { user } });

provider.on('status', ({ status }) => console.log(`(${status})`));
provider.on('connection-error', () => console.log(`(no answer from ${url})`));
lines.observe((event) => {
  for (const { insert } of event.changes.delta) for (const line of insert ?? []) console.log(line);
});
createInterface({ input: process.stdin })
  .on('line', (line) => lines.push([`${user}: ${line}`]))
  .on('close', () => {
    provider.destroy();
    process.exit(0);
  });
