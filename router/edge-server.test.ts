import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ManualClock } from '../shared/clock.ts';
import { SeededRandom } from '../shared/random.ts';
import { AdmissionRate } from './admission-rate.ts';
import type { Admission } from './admit.ts';
import { until } from './clients-fixture.ts';
import { ComeBack } from './come-back.ts';
import { EdgeServer, type EdgeServerOptions } from './edge-server.ts';
import { Handshakes } from './handshakes.ts';
import type { UpgradeRequest } from './upgrade.ts';

const HANDSHAKE = [
  'Host: 127.0.0.1',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
];
const admission = (request: UpgradeRequest): Admission => ({
  ok: true,
  client: {
    room: request.room,
    user: 'ann',
    session: 's'.repeat(22),
    seat: 1,
    since: 1,
    kind: 'join',
    cursor: undefined,
    history: 0,
  },
});

const clock = new ManualClock();
let edge: EdgeServer;
let port: number;
let accepted: WebSocket[] = [];
let sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  accepted = [];
  sockets = [];
  await edge.close();
});

async function start(options: Partial<EdgeServerOptions> = {}): Promise<void> {
  edge = new EdgeServer({
    host: '127.0.0.1',
    port: 0,
    payloadBytesMax: 1_024,
    connectionsMax: 10,
    comeBack: new ComeBack(clock, new SeededRandom(1), { perSecond: 10 }),
    request: (_request, response) => response.end('plain'),
    isReady: () => true,
    admit: async (request) => admission(request),
    accept: (_client, ws) => {
      accepted.push(ws);
      ws.on('error', () => undefined);
      ws.resume();
    },
    ...options,
  });
  port = await edge.start();
}

/** Sends bytes as they are and reads until the other side is done. */
async function raw(text: string): Promise<{ status: number; headers: string; body: string }> {
  const socket = open();
  socket.write(text);
  const all = await ended(socket);
  const [headers = '', body = ''] = all.split('\r\n\r\n');
  return { status: Number(headers.split(' ')[1]), headers, body };
}

function open(): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  sockets.push(socket);
  return socket;
}

async function ended(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await new Promise<void>((resolve) => socket.on('close', () => resolve()));
  return Buffer.concat(chunks).toString();
}

const request = (lines: readonly string[], target = 'GET /rooms/lobby HTTP/1.1') =>
  `${[target, ...lines].join('\r\n')}\r\n\r\n`;

interface Outcome {
  readonly code: number;
  readonly texts: string[];
  readonly protocol: string;
}

/** Connects with a real client and waits until it is closed. */
async function outcome(path = '/rooms/lobby', protocols: string[] = []): Promise<Outcome> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols);
  const texts: string[] = [];
  ws.on('message', (data) => texts.push(String(data)));
  ws.on('error', () => undefined);
  return new Promise((resolve) => ws.on('close', (code) => resolve({ code, texts, protocol: ws.protocol })));
}

describe('before the 101', () => {
  it.each<[string, string, number, string]>([
    ['another path', request(HANDSHAKE, 'GET /elsewhere HTTP/1.1'), 404, 'not_found'],
    ['a bad room', request(HANDSHAKE, 'GET /rooms/%2F HTTP/1.1'), 400, 'bad_room'],
    ['a foreign origin', request([...HANDSHAKE, 'Origin: https://evil.example']), 403, 'not_allowed'],
    ['no origin at all', request([...HANDSHAKE, 'Origin: null']), 403, 'not_allowed'],
    ['a body', `${request([...HANDSHAKE, 'Content-Length: 4'])}body`, 400, 'bad_request'],
    ['two keys', request([...HANDSHAKE, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']), 400, 'bad_request'],
    ['HTTP/1.0', request(HANDSHAKE, 'GET /rooms/lobby HTTP/1.0'), 400, 'bad_request'],
    ['POST', request(HANDSHAKE, 'POST /rooms/lobby HTTP/1.1'), 405, 'method_not_allowed'],
    ['no HTTP', 'hello\r\n\r\n', 400, 'bad_request'],
    ['large headers', request([...HANDSHAKE, `X: ${'x'.repeat(17_000)}`]), 431, 'payload_too_large'],
  ])('%s gets a status and the reason', async (_name, text, status, code) => {
    await start();
    const answer = await raw(text);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code } });
    expect(answer.headers).toMatch(/connection: close/i);
    expect(edge.connections).toBe(0);
  });

  it('another version is told which one is spoken', async () => {
    await start();
    const lines = HANDSHAKE.filter((line) => !line.includes('Version'));
    const answer = await raw(request([...lines, 'Sec-WebSocket-Version: 8']));
    expect(answer.status).toBe(426);
    expect(answer.headers).toContain('Sec-WebSocket-Version: 13');
  });

  it('a router that is not ready, or full, says when to come back', async () => {
    await start({ isReady: () => false });
    const answer = await raw(request(HANDSHAKE));
    expect(answer.status).toBe(503);
    expect(answer.headers).toContain('Retry-After: ');
    await edge.close();

    await start({ connectionsMax: 1 });
    const first = new WebSocket(`ws://127.0.0.1:${port}/rooms/lobby`);
    await until(() => accepted.length === 1);
    expect((await raw(request(HANDSHAKE))).status).toBe(503);
    first.terminate();
    await until(() => edge.connections === 0);
    new WebSocket(`ws://127.0.0.1:${port}/rooms/lobby`).on('error', () => undefined);
    await until(() => accepted.length === 2);
  });

  it('headers that never end are ended', async () => {
    await start({ headersTimeoutMs: 50, checkIntervalMs: 20 });
    const socket = open();
    socket.write('GET /rooms/lobby HTTP/1.1\r\nHost: a\r\n');
    expect(await ended(socket)).toContain('408');
    const silent = open();
    await ended(silent);
  });

  it('a plain request is not ours', async () => {
    await start();
    const answer = await raw('GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(answer.status).toBe(200);
  });
});

describe('after the 101', () => {
  it('the subprotocol is answered only if it was offered', async () => {
    await start({ accept: (_client, ws) => ws.terminate() });
    expect((await outcome('/rooms/lobby', ['bearer.a.b.c', 'bellhop.v1'])).protocol).toBe('bellhop.v1');
    expect((await outcome('/rooms/lobby')).protocol).toBe('');
    const unknown = await raw(request([...HANDSHAKE, 'Sec-WebSocket-Protocol: soap']));
    expect(unknown.status).toBe(101);
    expect(unknown.headers.toLowerCase()).not.toContain('sec-websocket-protocol');
  });

  it.each([
    ['not_authenticated', 4401, ['error']],
    ['not_allowed', 4403, ['error']],
    ['bad_user', 4403, ['error']],
    ['unavailable', 1013, ['error', 'notice']],
  ] as const)('%s is an error and a close %d', async (code, close, types) => {
    await start({ admit: async () => ({ ok: false, code, message: 'because' }) });
    const result = await outcome();
    expect(result.code).toBe(close);
    const messages = result.texts.map((text) => JSON.parse(text) as { type: string });
    expect(messages.map((message) => message.type)).toEqual(types);
    expect(messages[0]).toMatchObject({ code, message: 'because' });
    expect(accepted).toEqual([]);
  });

  it('an authentication that fails or hangs ends in a close the client can retry', async () => {
    await start({ admit: () => Promise.reject(new Error('broken')) });
    expect((await outcome()).code).toBe(1011);
    await edge.close();
    await start({ admit: () => new Promise(() => undefined), admitTimeoutMs: 10 });
    expect((await outcome()).code).toBe(1013);
  });

  it('what an eager client sends during authentication is not lost', async () => {
    const heard: string[] = [];
    let go: (() => void) | undefined;
    await start({
      admit: async (asked) => {
        await new Promise<void>((resolve) => {
          go = resolve;
        });
        return admission(asked);
      },
      accept: (_client, ws) => {
        ws.on('message', (data) => heard.push(String(data)));
        ws.resume();
      },
    });
    const ws = new WebSocket(`ws://127.0.0.1:${port}/rooms/lobby`);
    await new Promise<void>((resolve) => ws.on('open', () => resolve()));
    for (let i = 0; i < 3; i++) ws.send(`early ${i}`);
    await until(() => ws.bufferedAmount === 0 && go !== undefined);
    expect(heard).toEqual([]);
    go?.();
    await until(() => heard.length === 3);
    expect(heard).toEqual(['early 0', 'early 1', 'early 2']);
    ws.terminate();
  });

  it('bytes that come along with the request are not lost either', async () => {
    const heard: string[] = [];
    await start({
      accept: (_client, ws) => {
        ws.on('message', (data) => heard.push(String(data)));
        ws.resume();
      },
    });
    // A masked text frame "hi" with a mask of zeros.
    const eager = Buffer.concat([Buffer.from(request(HANDSHAKE)), Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])]);
    const socket = open();
    socket.write(eager);
    await until(() => heard.length === 1);
    expect(heard).toEqual(['hi']);
  });

  it('a client that resets meanwhile harms nobody', async () => {
    let go: (() => void) | undefined;
    await start({
      admit: async (asked) => {
        await new Promise<void>((resolve) => {
          go = resolve;
        });
        return admission(asked);
      },
    });
    const socket = open();
    socket.write(request(HANDSHAKE));
    await until(() => go !== undefined);
    socket.resetAndDestroy();
    await new Promise<void>((resolve) => setImmediate(resolve));
    go?.();
    await until(() => accepted.length === 1 || edge.connections === 0);
    for (const ws of accepted) ws.terminate();
    await until(() => edge.connections === 0);
  });

  it('a message above the bound ends in 1009', async () => {
    await start();
    const ws = new WebSocket(`ws://127.0.0.1:${port}/rooms/lobby`);
    ws.on('error', () => undefined);
    await until(() => accepted.length === 1 && ws.readyState === ws.OPEN);
    const closed = new Promise<number>((resolve) => ws.on('close', (code) => resolve(code)));
    ws.send('x'.repeat(1_025));
    expect(await closed).toBe(1009);
  });
});

describe('more handshakes than are taken on', () => {
  const full = (): Handshakes => {
    const handshakes = new Handshakes(clock, new AdmissionRate(clock, 10));
    while (handshakes.take('resume', false) === 'admitted');
    return handshakes;
  };

  it('a client that reads a status gets one, and when to come back', async () => {
    await start({ handshakes: full() });
    const answer = await raw(request(HANDSHAKE));
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'too_many', retryable: true } });
    expect(Number(/Retry-After: (\d+)/.exec(answer.headers)?.[1])).toBeGreaterThanOrEqual(1);
    expect(edge.connections).toBe(0);
  });

  it('a client that reads none is told on its socket: the error, its own time, 1013', async () => {
    await start({ handshakes: full() });
    const told = await Promise.all([1, 2, 3].map(() => outcome('/rooms/lobby', ['bellhop.v1'])));
    expect(told.map(({ code }) => code)).toEqual([1013, 1013, 1013]);
    const notices = told.map(({ texts }) => texts.map((text) => JSON.parse(text) as Record<string, unknown>));
    for (const [error, notice] of notices) {
      expect(error).toMatchObject({ type: 'error', code: 'too_many', retryable: true });
      expect(notice).toMatchObject({ type: 'notice', kind: 'try_later' });
    }
    const waits = notices.map(([, notice]) => Number(notice?.['retryAfterMs']));
    expect(new Set(waits).size).toBe(3);
    expect(accepted).toEqual([]);
  });

  it('a page is told on its socket too', async () => {
    await start({ handshakes: full() });
    const socket = open();
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
    });
    socket.write(request([...HANDSHAKE, 'Origin: http://127.0.0.1']));
    await until(() => heard.includes('"retryAfterMs"'));
    expect(heard).toContain('HTTP/1.1 101');
  });

  it('plain requests are answered all the same', async () => {
    await start({ handshakes: full() });
    const answer = await raw('GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(answer.status).toBe(200);
  });

  it('a resume gets in where a new session does not', async () => {
    const handshakes = new Handshakes(clock, new AdmissionRate(clock, 10));
    while (handshakes.take('new', false) === 'admitted');
    await start({ handshakes });
    expect((await raw(request(HANDSHAKE))).status).toBe(503);
    const target = `GET /rooms/lobby?session=${'s'.repeat(22)}&resume=x HTTP/1.1`;
    const socket = open();
    socket.write(request(HANDSHAKE, target));
    await until(() => accepted.length === 1);
  });
});

it('leaves no socket behind when it closes', async () => {
  await start();
  const ws = new WebSocket(`ws://127.0.0.1:${port}/rooms/lobby`);
  ws.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => ws.on('close', () => resolve()));
  await until(() => accepted.length === 1);
  const idle = open();
  await new Promise<void>((resolve) => idle.on('connect', () => resolve()));
  const idleEnded = ended(idle);
  await edge.close();
  await Promise.all([closed, idleEnded]);
  expect(edge.connections).toBe(0);
});
