/** Upgrades that are malformed, foreign or meant to be read in two ways, as bytes on real sockets. */
import { once } from 'node:events';
import { hostname } from 'node:os';
import { SignJWT } from 'jose';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock, systemClock } from '../shared/clock.ts';
import { systemRandom } from '../shared/random.ts';
import { isRebound } from './access.ts';
import { admit } from './admit.ts';
import { Authenticator } from './authenticate.ts';
import { clientAddress } from './client-address.ts';
import { until } from './clients-fixture.ts';
import { EdgeBench, KEY, textFromClient, upgrade } from './edge-fixture.ts';
import { CHECK_INTERVAL_MS, type EdgeServerOptions, HEADERS_TIMEOUT_MS } from './edge-server.ts';
import { FakeApiPorts } from './fake-api-ports.ts';
import { httpApi } from './http-api.ts';
import { Limits } from './limits.ts';
import { HEADERS_MAX } from './request-form.ts';
import { checkUpgrade } from './upgrade.ts';

let bench: EdgeBench;
const start = async (options: Partial<EdgeServerOptions> = {}) => {
  bench = await new EdgeBench(options).start();
};
beforeEach(() => start());
afterEach(() => bench.stop());

/** Refused before anybody was asked, and its socket closed. */
async function expectRefused(bytes: string | Buffer, status: number, code: string): Promise<string> {
  const heard = await bench.raw(bytes);
  expect(heard.status, heard.headers).toBe(status);
  expect(heard.answers).toBe(1);
  expect(JSON.parse(heard.body)).toMatchObject({ error: { code } });
  expect(bench.asked).toEqual([]);
  expect(bench.edge.connections).toBe(0);
  return heard.headers;
}

describe('an origin', () => {
  test('1 that is not on the list gets 403, and no node is asked', async () => {
    await bench.stop();
    await start({ origins: ['https://app.example'] });
    await expectRefused(upgrade({ Origin: 'https://other.example' }), 403, 'not_allowed');
    const socket = await bench.open();
    socket.write(upgrade({ Origin: 'https://app.example' }));
    await until(() => bench.accepted.length === 1);
  });

  test('1 of a host name that was led to this machine gets 403 where clients show nothing, unless it is on the list', async () => {
    const rebound = { Host: 'evil.example:8080', Origin: 'http://evil.example:8080' };
    await bench.stop();
    await start({ isRebound });
    await expectRefused(upgrade(rebound), 403, 'not_allowed');
    await bench.stop();
    await start({ isRebound, origins: [rebound.Origin] });
    (await bench.open()).write(upgrade(rebound));
    await until(() => bench.accepted.length === 1);
  });

  test.each<[string, Record<string, string>]>([
    ['this machine’s own', { Host: '127.0.0.1:8080', Origin: 'http://127.0.0.1:8080' }],
    ['a proxy’s on this machine', { Host: 'a.example', Origin: 'https://a.example', 'X-Forwarded-For': '192.0.2.1' }],
    ['no page’s', { Host: 'a.example' }],
    ['an address, as behind a port that is forwarded', { Host: '10.0.2.2:80', Origin: 'http://10.0.2.2' }],
    ['an address of IPv6', { Host: '[fd00::2]:8080', Origin: 'http://[fd00::2]:8080' }],
  ])('1 and is let in where it is %s', async (_whose, headers) => {
    await bench.stop();
    await start({ isRebound });
    (await bench.open()).write(upgrade(headers));
    await until(() => bench.accepted.length === 1);
  });

  test.each([
    'https://app.example.evil.example',
    'https://evilapp.example',
    'https://app.example@evil.example',
    'https://app.example:8443',
    'https://app.example.',
    'http://app.example',
    'HTTPS://APP.EXAMPLE',
    'https://app.example/',
    'https://xn--pp-8ia.example',
    'wss://app.example',
    'app.example',
    'null',
    '',
    '*',
  ])('2 that only looks like one on the list (%j) gets 403', async (origin) => {
    await bench.stop();
    await start({ origins: ['https://app.example'] });
    await expectRefused(upgrade({ Origin: origin }), 403, 'not_allowed');
  });

  test.each(['null', 'http://edge.example:8080', 'http://edge.example.evil.example', 'file://', 'ws://edge.example'])(
    '2 that only looks like the router’s own (%j) gets 403',
    async (origin) => {
      await expectRefused(upgrade({ Origin: origin }), 403, 'not_allowed');
    },
  );

  test('3 is not needed with a token, and no cookie ever stands for one', async () => {
    const secret = 'a secret of thirty-two characters';
    const authenticator = new Authenticator({ clock: systemClock, jwt: { keys: { secret } } });
    const options = { authenticator, secrets: ['s'], clock: systemClock, random: systemRandom };
    await bench.stop();
    await start({ admit: (request) => admit(request, options) });
    const token = await new SignJWT({ rooms: ['*'] })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('ann')
      .setExpirationTime('1m')
      .sign(new TextEncoder().encode(secret));

    const cookies = ['token', 'access_token', 'bearer', 'Authorization', 'session', 'ticket'];
    const cookie = cookies.map((name) => `${name}=${token}`).join('; ');
    const refused = await bench.open();
    const chunks: Buffer[] = [];
    refused.on('data', (chunk) => chunks.push(chunk));
    refused.write(upgrade({ Cookie: cookie }));
    await until(() => Buffer.concat(chunks).includes('not_authenticated'));
    expect(bench.accepted).toEqual([]);

    const allowed = await bench.open();
    allowed.write(upgrade({ Authorization: `Bearer ${token}` }));
    await until(() => bench.accepted.length === 1);
  });
});

describe('a handshake', () => {
  test.each(['8', '0', '14', '13, 8', '013', ''])(
    '4 of version %j gets 426, is told 13, and is closed',
    async (version) => {
      const headers = await expectRefused(upgrade({ 'Sec-WebSocket-Version': version }), 426, 'upgrade_required');
      expect(headers).toContain('Sec-WebSocket-Version: 13');
    },
  );

  test.each<[string, string | readonly string[] | undefined]>([
    ['no', undefined],
    ['an empty', ''],
    ['a short', 'c2hvcnQ='],
    ['a long', Buffer.alloc(17).toString('base64')],
    ['a padded', `${KEY}=`],
    ['a doubled', [KEY, KEY]],
    ['a joined', `${KEY}, ${KEY}`],
  ])('5 with %s key gets 400', async (_name, key) => {
    await expectRefused(upgrade({ 'Sec-WebSocket-Key': key }), 400, 'bad_request');
  });

  test.each(['POST', 'PUT', 'HEAD', 'OPTIONS', 'DELETE'])('6 by %s gets 405', async (method) => {
    const headers = await expectRefused(upgrade({}, `${method} /rooms/lobby HTTP/1.1`), 405, 'method_not_allowed');
    expect(headers).toContain('Allow: GET');
  });

  test.each<[string, Record<string, string>, string]>([
    ['a body', { 'Content-Length': '4' }, 'body'],
    ['a body in chunks', { 'Transfer-Encoding': 'chunked' }, '0\r\n\r\n'],
    ['a body that never comes', { 'Content-Length': '4' }, ''],
    ['a body hidden from one reader', { 'Transfer-Encoding': 'chunked', 'Content-Length': '0' }, '0\r\n\r\n'],
  ])('7 with %s gets 400', async (_name, headers, body) => {
    await expectRefused(`${upgrade(headers)}${body}`, 400, 'bad_request');
  });

  test('8 in HTTP/1.0 gets 400', async () => {
    await expectRefused(upgrade({}, 'GET /rooms/lobby HTTP/1.0'), 400, 'bad_request');
  });
});

describe('bytes behind a handshake', () => {
  test('9 are not lost, and reach the room of their own socket alone', async () => {
    const letters = [...'abcdefghij'];
    const sockets = await Promise.all(letters.map(() => bench.open()));
    for (const [at, letter] of letters.entries()) {
      const head = Buffer.from(upgrade({}, `GET /rooms/${letter} HTTP/1.1`));
      sockets[at]?.write(Buffer.concat([head, textFromClient(`1${letter}`), textFromClient(`2${letter}`)]));
    }
    await until(() => bench.heard.length === 2 * letters.length);
    for (const letter of letters) {
      expect(bench.heard.filter((one) => one.startsWith(`${letter}: `))).toEqual([
        `${letter}: 1${letter}`,
        `${letter}: 2${letter}`,
      ]);
    }
  });

  test('9 are thrown away where it is refused: no second request is read on that socket', async () => {
    const second = upgrade() + upgrade({}, 'GET /api/v1/rooms HTTP/1.1');
    await expectRefused(upgrade({ Origin: 'null' }) + second, 403, 'not_allowed');
  });

  test('9 that come in pieces are put together', async () => {
    const socket = await bench.open();
    const bytes = Buffer.concat([Buffer.from(upgrade()), textFromClient('whole')]);
    for (let at = 0; at < bytes.length; at += 7) {
      socket.write(bytes.subarray(at, at + 7));
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    await until(() => bench.heard.length === 1);
    expect(bench.heard).toEqual(['lobby: whole']);
  });
});

describe('what could be read in two ways', () => {
  test.each([
    'http://edge.example/rooms/lobby',
    'ws://edge.example/rooms/lobby',
    'edge.example:80',
    '*',
    '//evil.example/rooms/lobby',
    '/\\evil.example/rooms/lobby',
    '/rooms\\lobby',
    '\\rooms\\lobby',
    '/rooms/a\\b',
    '/rooms/a%0d%0aX:%20b',
    '/rooms/a%0A',
    '/rooms/a%00',
    '/%0d%0a/lobby',
    '/rooms/lobby#x',
  ])('13 the target %s gets 400', async (target) => {
    const heard = await bench.raw(upgrade({}, `GET ${target} HTTP/1.1`));
    // For its form, and not because such a room cannot be.
    expect([heard.status, heard.answers, JSON.parse(heard.body).error.code]).toEqual([400, 1, 'bad_request']);
    expect(bench.asked).toEqual([]);
  });

  test.each<[string, string]>([
    ['two Hosts', upgrade({ Host: ['edge.example', 'evil.example'] })],
    ['two equal Hosts', upgrade({ Host: ['edge.example', 'edge.example'] })],
    ['two hosts in one Host', upgrade({ Host: 'edge.example, evil.example' })],
    ['two hosts without a blank', upgrade({ Host: 'edge.example,evil.example' })],
    ['a Host with a user', upgrade({ Host: 'edge.example@evil.example' })],
    ['a Host with a path', upgrade({ Host: 'evil.example/path?x' })],
    ['obsolete folding', upgrade({ 'X-Folded': 'a\r\n b' })],
    ['folding with a tab', upgrade({ Upgrade: 'web\r\n\tsocket' })],
    ['a bare LF behind a header', upgrade().replace('\r\nUpgrade', '\nUpgrade')],
    ['bare LFs alone', upgrade().replaceAll('\r\n', '\n')],
    ['a bare CR in a header', upgrade({ 'X-Cr': 'a\rb' })],
    ['a NUL in a header', upgrade({ 'X-Nul': 'a\0b' })],
    ['a blank before the colon', upgrade().replace('Upgrade:', 'Upgrade :')],
  ])('14 %s gets 400', async (_name, bytes) => {
    await expectRefused(bytes, 400, 'bad_request');
  });
});

describe('a request to the API that could be read in two ways', () => {
  beforeEach(async () => {
    await bench.stop();
    await start({ request: httpApi({ ports: new FakeApiPorts(), registry: new Registry(), open: true }) });
  });

  test.each([
    'http://evil.example/api/v1/nodes',
    '//evil.example/api/v1/nodes',
    '/api\\v1/nodes',
    '/api/v1/rooms/a%0d%0ab',
    '/api/v1/rooms/%00',
  ])('13 for %s gets 400', async (target) => {
    const heard = await bench.raw(`GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    expect([heard.status, heard.answers, JSON.parse(heard.body).error.code]).toEqual([400, 1, 'bad_request']);
  });

  test('14 with two Hosts gets 400, and with too many headers 431; its errors show nothing of the inside', async () => {
    const two = await bench.raw('GET /api/v1/nodes HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n');
    const many = await bench.raw(`GET /api/v1/nodes HTTP/1.1\r\nHost: a\r\n${'X: 1\r\n'.repeat(HEADERS_MAX)}\r\n`);
    expect([two.status, many.status]).toEqual([400, 431]);
    for (const { headers, body } of [two, many]) {
      expect(headers + body).not.toMatch(/\bat \S+ \(|node_modules|\.[jt]s\b|server:|x-powered-by/i);
      expect(headers + body).not.toContain(hostname());
    }
  });
});

test.each(['bellhop.v1, bellhop.v1', 'a b', '"a"', 'bellhop.v1,', ''])(
  '57 subprotocols that are none (%j) get our own 400',
  async (list) => {
    const heard = await bench.raw(upgrade({ 'Sec-WebSocket-Protocol': list }));
    expect([heard.status, heard.answers, JSON.parse(heard.body).error.code]).toEqual([400, 1, 'bad_request']);
    expect(bench.asked).toEqual([]);
    await until(() => bench.edge.connections === 0);
  },
);

test('57 errors before an upgrade show no stack, no path and no host name', async () => {
  const requests = [
    upgrade({ Origin: 'null' }),
    upgrade({ 'Sec-WebSocket-Version': '8' }),
    upgrade({}, 'GET /rooms/%ff HTTP/1.1'),
    upgrade({}, 'GET /nowhere HTTP/1.1'),
    'hello\r\n\r\n',
    upgrade({ X: 'x'.repeat(17_000) }),
  ];
  for (const bytes of requests) {
    const { headers, body, status } = await bench.raw(bytes);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(headers + body).not.toMatch(/\bat \S+ \(|node_modules|\.[jt]s\b|server:|x-powered-by/i);
    expect(headers + body).not.toContain(hostname());
  }
});

describe('too much', () => {
  test('15 in one header gets 431, and so do too many headers', async () => {
    expect(HEADERS_MAX).toBe(100);
    await expectRefused(upgrade({ X: 'x'.repeat(17_000) }), 431, 'payload_too_large');
    const many = Object.fromEntries(Array.from({ length: HEADERS_MAX - 5 }, (_, at) => [`X-${at}`, '1']));
    await expectRefused(upgrade({ ...many, 'X-Last': '1' }), 431, 'payload_too_large');
    await expectRefused(upgrade({ Y: Array.from({ length: 2_500 }, () => '') }), 431, 'payload_too_large');
    const socket = await bench.open();
    socket.write(upgrade(many));
    await until(() => bench.accepted.length === 1);
  });

  test('16 blanks in a header cost no time to speak of', async () => {
    await expectRefused(upgrade({ Authorization: `Bearer${' '.repeat(65_536)}x` }), 431, 'payload_too_large');
    // Nor would they if the bound were larger.
    const blanks = `Bearer${' '.repeat(65_536)}`;
    const names = ['Authorization', 'Origin', 'Upgrade', 'Connection', 'Sec-WebSocket-Protocol', 'Sec-WebSocket-Key'];
    const before = process.cpuUsage();
    // At their end, where a trim meets them, and ahead of something, where one looks for an end in vain.
    for (const value of [`${blanks}\t`, `${blanks}x`, `${blanks}x y`]) {
      for (const name of names) {
        const headers = { Host: 'a', Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Key': KEY };
        const rawHeaders = Object.entries({ ...headers, 'Sec-WebSocket-Version': '13', [name]: value }).flat();
        checkUpgrade({ method: 'GET', httpVersion: '1.1', url: '/rooms/a', rawHeaders }, undefined);
      }
    }
    const { user, system } = process.cpuUsage(before);
    // Three times the 50 ms, for eighteen headers.
    expect((user + system) / 1_000).toBeLessThan(150);
  });
});

describe('sockets that lead to nothing', () => {
  test('20 the bounds are those of the server where nothing else is said', async () => {
    let server: unknown;
    await bench.stop();
    await start({
      request: ({ socket }, response) => {
        server = 'server' in socket ? socket.server : undefined;
        response.end();
      },
    });
    await bench.raw('GET / HTTP/1.1\r\nHost: edge.example\r\nConnection: close\r\n\r\n');
    expect(server).toMatchObject({
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      timeout: 60_000,
    });
  });

  test('20 five hundred with slow headers are closed in time while a good client connects', async () => {
    expect(HEADERS_TIMEOUT_MS + CHECK_INTERVAL_MS).toBeLessThanOrEqual(10_000);
    await bench.stop();
    await start({ headersTimeoutMs: 1_000, checkIntervalMs: 100 });
    const slow = await Promise.all(Array.from({ length: 500 }, () => bench.open()));
    const closed = Promise.all(slow.map((socket) => once(socket.resume(), 'close')));
    for (const socket of slow) socket.write('GET /rooms/lobby HTTP/1.1\r\nHost: edge.example\r\nX-Slow: ');
    const dripping = setInterval(() => {
      for (const socket of slow) if (socket.writable) socket.write('x');
    }, 100);
    const good = await bench.open();
    good.write(upgrade());
    await until(() => bench.accepted.length === 1);
    await closed;
    clearInterval(dripping);
    expect(bench.edge.connections).toBe(1);
  });

  test('21 one that is never authorised is closed, and so is one that never asks', async () => {
    await bench.stop();
    await start({
      admit: () => new Promise(() => undefined),
      admitTimeoutMs: 50,
      headersTimeoutMs: 50,
      checkIntervalMs: 20,
    });
    const silent = await bench.open();
    const pending = await bench.open();
    const closed = Promise.all([once(silent.resume(), 'close'), once(pending.resume(), 'close')]);
    pending.write(upgrade());
    pending.once('end', () => pending.destroy());
    await closed;
    expect(bench.asked.length).toBe(1);
    expect(bench.accepted).toEqual([]);
    await until(() => bench.edge.connections === 0);
  });
});

test('19 limits by address count whom a trusted proxy saw, and nobody a client made up', async () => {
  for (const [trusted, counted] of [
    [['127.0.0.0/8'], '198.51.100.7'],
    [[], '127.0.0.1'],
  ] as const) {
    await bench.stop();
    const asked: (string | undefined)[] = [];
    const clock = new ManualClock();
    const rates = { userConnectRate: 0, userSessionsMax: 1_000, userMessageRate: 0 };
    const limits = new Limits(clock, { addressConnectRate: 1, ...rates });
    await start({
      limits,
      addressOf: (request) => {
        asked.push(clientAddress(trusted)(request));
        return asked.at(-1);
      },
    });
    const socket = await bench.open();
    socket.write(upgrade({ 'X-Forwarded-For': '6.6.6.6, 198.51.100.7' }));
    await until(() => bench.accepted.length === 1);
    expect(asked).toEqual([counted]);
  }
});

test('18 headers that pass for ours change nothing of what is known of a client', () => {
  const headers = ['Host', 'a', 'Upgrade', 'websocket', 'Connection', 'Upgrade'];
  const plain = [...headers, 'Sec-WebSocket-Key', KEY, 'Sec-WebSocket-Version', '13'];
  const head = { method: 'GET', httpVersion: '1.1', url: '/rooms/a?user=ann' };
  const hops = [
    'Connection',
    'X-Bellhop-User, keep-alive',
    'Keep-Alive',
    '1',
    'TE',
    'trailers',
    'Proxy-Connection',
    'x',
  ];
  const ours = ['User', 'Room', 'Session', 'Epoch', 'Seat'].flatMap((name) => [`X-Bellhop-${name}`, 'root']);
  const forwarded = ['X-Forwarded-User', 'root', 'X-Real-IP', '127.0.0.1', 'X-Original-URL', '/rooms/b'];
  const laden = [...plain, ...hops, ...ours, ...forwarded];
  // Also where the client says nothing of its own that a header could stand in for.
  for (const url of [head.url, '/rooms/a']) {
    expect(checkUpgrade({ ...head, url, rawHeaders: laden }, undefined)).toEqual(
      checkUpgrade({ ...head, url, rawHeaders: plain }, undefined),
    );
  }
});
