import { deflateRawSync } from 'node:zlib';
import { afterEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ManualClock } from '../shared/clock.ts';
import { SeededRandom } from '../shared/random.ts';
import { maskedFrame } from './clients-fixture.ts';
import { ComeBack } from './come-back.ts';
import { EdgeServer } from './edge-server.ts';
import { rawSocketOf } from './ws-adapter.ts';

const clock = new ManualClock();
let edge: EdgeServer | undefined;
afterEach(() => edge?.close());

/** A client that offers to compress, once it is upgraded. */
async function offering(): Promise<{
  readonly ws: WebSocket;
  readonly offered: string;
  readonly closed: Promise<number>;
}> {
  let offered = '';
  edge = new EdgeServer({
    host: '127.0.0.1',
    port: 0,
    payloadBytesMax: 1_024,
    connectionsMax: 10,
    comeBack: new ComeBack(clock, new SeededRandom(1), 10),
    request: (_request, response) => response.end(),
    isReady: () => true,
    admit: ({ room }) => {
      const session = 's'.repeat(22);
      return {
        ok: true,
        client: { room, user: 'ann', session, seat: 1, since: 1, kind: 'join', cursor: undefined, history: 0 },
      };
    },
    accept: (_client, far) => {
      far.on('error', () => undefined);
      far.on('message', (data) => far.send(data, { binary: false }));
      far.resume();
    },
  });
  const port = await edge.start();
  const ws = new WebSocket(`ws://127.0.0.1:${port}/rooms/lobby`, { perMessageDeflate: true });
  ws.on('error', () => undefined);
  ws.on('upgrade', ({ headers }) => {
    offered = headers['sec-websocket-extensions'] ?? '';
  });
  const closed = new Promise<number>((resolve) => ws.on('close', (code) => resolve(code)));
  await new Promise<void>((resolve) => ws.on('open', () => resolve()));
  return { ws, offered, closed };
}

it('41 an offer to compress is declined, and the client is served without', async () => {
  const { ws, offered } = await offering();
  expect(offered).toBe('');
  expect(ws.extensions).toBe('');
  const echo = new Promise<string>((resolve) => ws.on('message', (data) => resolve(String(data))));
  ws.send('x'.repeat(1_000));
  expect(await echo).toBe('x'.repeat(1_000));
  ws.terminate();
});

it('41 a message that is compressed all the same is a fault, and is not inflated', async () => {
  const { ws, closed } = await offering();
  // A hundred times the bound on a message, once inflated.
  const bomb = deflateRawSync(Buffer.alloc(100_000)).subarray(0, 1_000);
  // FIN, RSV1, text.
  rawSocketOf(ws)?.write(maskedFrame(bomb, 0xc1));
  expect(await closed).toBe(1002);
});
