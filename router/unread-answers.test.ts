/** Who asks on and reads nothing. */
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { until } from './clients-fixture.ts';
import { UnreadAnswers, type UnreadBounds } from './unread-answers.ts';

const LARGE = 'x'.repeat(4_000_000);
const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

let server: Server | undefined;
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.closeAllConnections();
  server?.close();
});

interface Fixture {
  readonly unread: UnreadAnswers;
  /** Requests that Node made objects of. */
  readonly requests: () => number;
  readonly answered: () => number;
  readonly dial: () => Promise<Socket>;
}

async function start(
  bounds: Partial<UnreadBounds>,
  answer: (response: ServerResponse) => void = (response) => response.end(LARGE),
): Promise<Fixture> {
  const unread = new UnreadAnswers(bounds);
  let [requests, answered] = [0, 0];
  const made = createServer((request, response) => {
    requests++;
    if (!unread.begin(request.socket, response)) return;
    answered++;
    answer(response);
    unread.sent(request.socket, response);
  });
  made.on('connection', (socket) => socket.on('error', () => undefined));
  server = made;
  made.listen(0, '127.0.0.1');
  await once(made, 'listening');
  const { port } = made.address() as AddressInfo;
  const dial = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.pause();
    await once(socket, 'connect');
    return socket;
  };
  return { unread, requests: () => requests, answered: () => answered, dial };
}

const ended = (socket: Socket): Promise<unknown> => {
  socket.resume();
  return once(socket, 'close');
};

describe('a connection that asks on and reads nothing', () => {
  test('39 is cut off at its ninth request, and of two thousand in one packet no more are looked at', async () => {
    const { unread, requests, answered, dial } = await start({});
    const socket = await dial();
    socket.write(REQUEST.repeat(2_000));
    await until(() => requests() > 8);
    await ended(socket);
    expect([answered(), requests()]).toEqual([8, 9]);
    await until(() => unread.bytes === 0);
  });

  test('39 is cut off once an answer was not taken for as long as it may lie', async () => {
    const { unread, answered, dial } = await start({ takenWithinMs: 50 });
    const socket = await dial();
    socket.write(REQUEST);
    await until(() => answered() === 1);
    expect(unread.bytes).toBeGreaterThan(0);
    await until(() => unread.bytes === 0);
    await ended(socket);
  });

  test('39 is cut off before others that began later, where too much waits for all of them', async () => {
    const { unread, answered, dial } = await start({ bytesMax: 10_000_000 });
    const idle: Socket[] = [];
    for (let n = 1; n <= 6; n++) {
      const socket = await dial();
      socket.write(REQUEST);
      idle.push(socket);
      await until(() => answered() === n);
      expect(unread.bytes).toBeLessThanOrEqual(10_000_000);
    }
    const [first, last] = [idle[0], idle.at(-1)];
    if (first === undefined || last === undefined) throw new Error('nobody asked');
    await ended(first);
    let bytes = 0;
    last.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    last.resume();
    await until(() => bytes > LARGE.length);
  });
});

test('who takes its answers asks as often as it likes on one connection', async () => {
  const { unread, answered, dial } = await start({}, (response) => response.end('well'));
  const socket = await dial();
  socket.resume();
  for (let n = 1; n <= 20; n++) {
    socket.write(REQUEST);
    await until(() => answered() === n);
  }
  expect(socket.destroyed).toBe(false);
  expect(unread.bytes).toBe(0);
});
