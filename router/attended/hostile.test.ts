/** Servers and clients that break the rules, or themselves, at every stage of a proxied upgrade. */
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SeededRandom } from '../../shared/random.ts';
import { acceptFor, checkAnswer } from './answer-head.ts';
import { AttendedBench, KEY, type Peer, request, switched } from './attended-fixture.ts';
import { type DialOutcome, dial } from './dial.ts';

let bench: AttendedBench;
beforeEach(async () => {
  bench = await new AttendedBench({ timeoutMs: 300 }).start();
});
afterEach(() => bench.stop());

const bodyOf = (heard: string) => heard.slice(heard.indexOf('\r\n\r\n') + 4);

/** The client is refused with this status, hears nothing of the server's, and nobody is left. */
async function expectRefused(client: Peer, status: number, code: string): Promise<void> {
  const heard = await client.over();
  expect(heard).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(JSON.parse(bodyOf(heard)).error).toMatchObject({ code, retryable: true });
  expect(heard).not.toContain('SERVER');
  // The router's doing: the server has not ended its side.
  for (const server of bench.atServer) await server.over();
  client.socket.end();
  await bench.empty();
  expect(bench.ended).toEqual([{ handle: 1, how: 'left' }]);
  for (const { socket } of bench.atServer) socket.end();
}

const answers: readonly (readonly [string, string])[] = [
  ['10 200', 'HTTP/1.1 200 OK\r\nX: SERVER\r\nContent-Length: 6\r\n\r\nSERVER'],
  [
    '10 426',
    'HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\nX: SERVER\r\n\r\n',
  ],
  ['10 401', 'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="SERVER"\r\nContent-Length: 0\r\n\r\n'],
  ['10 302', 'HTTP/1.1 302 Found\r\nLocation: http://SERVER/\r\nContent-Length: 0\r\n\r\n'],
  ['11 101 with a wrong accept key', switched(['X: SERVER'], acceptFor('AAAAAAAAAAAAAAAAAAAAAA=='))],
  ['11 101 without an accept key', 'HTTP/1.1 101 SERVER\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'],
  ['11 101 with two accept keys', switched([`Sec-WebSocket-Accept: ${acceptFor(KEY)}`, 'X: SERVER'])],
  [
    '10 101 without Upgrade',
    `HTTP/1.1 101 SERVER\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptFor(KEY)}\r\n\r\n`,
  ],
  [
    '10 101 without Connection',
    `HTTP/1.1 101 SERVER\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptFor(KEY)}\r\n\r\n`,
  ],
  [
    '10 101 to something else',
    `HTTP/1.1 101 SERVER\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptFor(KEY)}\r\n\r\n`,
  ],
  ['10 101 with a subprotocol nobody offered', switched(['Sec-WebSocket-Protocol: SERVER'])],
  ['10 101 with an extension nobody offered', switched(['Sec-WebSocket-Extensions: SERVER'])],
  ['12 64 KiB of headers', switched([`X: ${'SERVER'.repeat(11_000)}`])],
  ['12 a thousand headers', switched(Array.from({ length: 3_000 }, (_, i) => `X-${i}: SERVER`))],
  ['10 what is not HTTP', 'SERVER hello\r\n\r\n'],
  ['10 a line ending of its own', switched().replaceAll('\r\n', '\n')],
];

describe('a server that answers', () => {
  it.each(answers)('%s is not passed on', async (_name, answer) => {
    bench.script = (peer) => peer.write(answer);
    await expectRefused(await bench.client(), 502, 'target_failed');
    await bench.atServer[0]?.over();
  });
});

it('10 a head is held to all of its rules, whatever the HTTP parser made of it', () => {
  const offer = { key: KEY, subprotocols: [], extensions: [] };
  const head = ['Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Accept', acceptFor(KEY)];
  const isGood = (status: number | undefined, rawHeaders: readonly string[]) =>
    checkAnswer(status, rawHeaders, offer).ok;
  expect(isGood(101, head)).toBe(true);
  for (const status of [200, 426, undefined]) expect(isGood(status, head), `${status}`).toBe(false);
  for (const at of [0, 2, 4]) expect(isGood(101, head.toSpliced(at, 2)), `without ${head[at]}`).toBe(false);
  expect(isGood(101, [...head, 'Upgrade', 'websocket'])).toBe(false);
});

it('49 a name that resolves to an address which is never dialled is not dialled either', async () => {
  let taken = 0;
  const server = createServer((socket) => {
    taken++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const offer = { key: KEY, subprotocols: [], extensions: [] };
  const dialled = (host: string) =>
    new Promise<DialOutcome>((resolve) =>
      dial({ address: { host, port, path: '/' }, headers: [['Host', 'a']], offer, timeoutMs: 5_000 }, resolve),
    );
  // The system's resolver reads it as 0.0.0.0, which is this machine.
  expect(await dialled('0')).toMatchObject({ kind: 'refused', why: expect.stringContaining('ELINKREFUSED') });
  expect(taken).toBe(0);
  expect(await dialled('127.0.0.1')).toMatchObject({ kind: 'refused', why: expect.stringContaining('ECONNRESET') });
  expect(taken).toBe(1);
  await new Promise((resolve) => server.close(resolve));
});

describe('a server that', () => {
  it('refuses the connection leads to 502', async () => {
    await bench.stopServer();
    await expectRefused(await bench.client(), 502, 'target_failed');
  });

  it('12 never answers leads to 504', async () => {
    bench.script = () => undefined;
    const client = await bench.client();
    await expectRefused(client, 504, 'target_timeout');
    await bench.atServer[0]?.over();
  });

  it('12 never answers leads to 504 after 5 s where nothing else is said', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const usual = await new AttendedBench().start();
    try {
      usual.script = () => undefined;
      const client = await usual.client();
      while (usual.atServer.length === 0) await new Promise<void>((resolve) => setImmediate(resolve));
      vi.advanceTimersByTime(4_999);
      expect(usual.attended.sessions).toBe(1);
      vi.advanceTimersByTime(1);
      expect(await client.over()).toMatch(/^HTTP\/1.1 504 /);
    } finally {
      await usual.stop();
      vi.useRealTimers();
    }
  });

  it('12 answers a byte at a time, too slowly, leads to 504', async () => {
    bench.script = (peer) => peer.write('HTTP/1.1 101 Swi');
    await expectRefused(await bench.client(), 504, 'target_timeout');
  });

  it('12 says 100 Continue for ever leads to 504', async () => {
    let timer: NodeJS.Timeout | undefined;
    bench.script = (peer) => {
      timer = setInterval(() => peer.write('HTTP/1.1 100 Continue\r\n\r\n'), 10);
    };
    await expectRefused(await bench.client(), 504, 'target_timeout');
    clearInterval(timer);
  });

  it('ends without an answer leads to 502', async () => {
    bench.script = (peer) => peer.socket.end();
    await expectRefused(await bench.client(), 502, 'target_failed');
  });

  it('resets without an answer leads to 502', async () => {
    bench.script = (peer) => peer.reset();
    await expectRefused(await bench.client(), 502, 'target_failed');
  });

  it('ends right behind its 101 closes the client', async () => {
    bench.script = (peer) => peer.socket.end(`${switched()}bye`);
    const client = await bench.client();
    expect(bodyOf(await client.over())).toBe('bye');
    client.socket.end();
    await bench.empty();
    expect(bench.ended).toEqual([{ handle: 1, how: 'left' }]);
  });
});

describe('a client that', () => {
  it.each([
    ['resets', 'broken'],
    ['ends', 'left'],
  ] as const)('%s before the 101 takes its connection to the server along', async (what, how) => {
    // The bound on the answer is no help here.
    const patient = await new AttendedBench({ timeoutMs: 60_000 }).start();
    patient.script = () => undefined;
    const client = await patient.client();
    await expect.poll(() => patient.atServer.length).toBe(1);
    if (what === 'resets') client.reset();
    else client.socket.end();
    await patient.atServer[0]?.over();
    await patient.empty();
    expect(patient.ended).toEqual([{ handle: 1, how }]);
    await patient.stop();
  });

  it('10 goes on sending after it was refused is not forwarded', async () => {
    bench.script = (peer) => peer.write('HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n');
    const client = await bench.client(`${request()}SMUGGLED`);
    await client.over();
    client.write('GET /admin HTTP/1.1\r\nHost: x\r\n\r\n');
    client.socket.end();
    await bench.empty();
    const [server] = bench.atServer;
    await server?.over();
    expect(bench.atServer.length).toBe(1);
    expect(bodyOf(server?.heard ?? '')).toBe('');
  });

  it('12 sends without end before its 101 is held back', async () => {
    bench.script = () => undefined;
    const client = await bench.client();
    await expect.poll(() => bench.atServer.length).toBe(1);
    const chunk = Buffer.alloc(1 << 20);
    for (let sent = 0; sent < 32 && client.socket.writableLength < 8 << 20; sent++) {
      client.write(chunk);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    expect(client.socket.writableLength).toBeGreaterThan(4 << 20);
    await client.over();
    expect(client.heard).toMatch(/^HTTP\/1.1 504 /);
    client.socket.destroy();
  });

  it.each([
    ['a subprotocol that is no token', 'Sec-WebSocket-Protocol: a b'],
    ['one subprotocol twice', 'Sec-WebSocket-Protocol: a, a'],
    ['extensions beyond ASCII', 'Sec-WebSocket-Extensions: \u00e4'],
  ])('offers %s hears 400', async (_name, line) => {
    const client = await bench.client(Buffer.from(request([line]), 'latin1'));
    expect(await client.over()).toMatch(/^HTTP\/1.1 400 /);
    expect(bench.atServer).toEqual([]);
  });
});

describe('two hundred rounds of resets at every stage', () => {
  it('17 leave no socket, no session and no exception', async () => {
    const random = new SeededRandom(7);
    const faults: unknown[] = [];
    const hear = (error: unknown) => void faults.push(error);
    process.on('uncaughtException', hear);
    process.on('unhandledRejection', hear);
    const turns = async (count: number) => {
      for (let at = 0; at < count; at++) await new Promise<void>((resolve) => setImmediate(resolve));
    };
    let opened = 0;
    for (let round = 0; round < 200; round++) {
      const stage = round % 8;
      bench.script = (peer) => {
        if (stage === 0) return peer.reset();
        if (stage === 1) return void peer.write(switched()).reset();
        if (stage === 2) return void peer.socket.end(switched());
        if (stage === 3) return void peer.write('HTTP/1.1 101 Sw').reset();
        if (stage === 4) return;
        peer.write(`${switched()}some`);
      };
      const client = await bench.client(random.below(2) === 0 ? request() : `${request()}early`);
      if (stage === 4) await turns(random.below(12));
      else if (stage >= 5) {
        await client.until(({ heard }) => heard.endsWith('some'));
        opened++;
        client.write(Buffer.alloc(random.below(200_000)));
        await turns(random.below(6));
        if (stage === 6) bench.atServer.at(-1)?.reset();
        if (stage === 7) bench.atServer.at(-1)?.socket.end();
      } else await turns(random.below(12));
      if (random.below(4) === 0) client.socket.end();
      else client.reset();
      if (stage === 7) client.socket.destroy();
      for (const server of bench.atServer.splice(0)) if (random.below(2) === 0) server.reset();
    }
    await bench.empty();
    await bench.stopServer();
    process.off('uncaughtException', hear);
    process.off('unhandledRejection', hear);
    expect(faults).toEqual([]);
    expect(opened).toBeGreaterThan(50);
    // Whoever the core got to know was said to be gone, once.
    expect(bench.ended.map(({ handle }) => handle).sort((a, b) => a - b)).toEqual(bench.opened);
  });
});
