/** A router of two workers whose port speaks TLS, with the client library over wss: who may speak to it, and how its certificate is
 *  replaced under open sockets. */
import { once } from 'node:events';
import { copyFileSync, readFileSync } from 'node:fs';
import { get } from 'node:https';
import { connect as dialPlain } from 'node:net';
import { connect as dial, type SecureVersion } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connect, type Room } from '../../client/index.ts';
import { Authority } from '../../shared/testing/certificates.ts';
import { seen } from '../conformance/cases.ts';
import { DEFLATE } from '../conformance/deflate.ts';
import { play } from '../conformance/raw-client.ts';
import type { RunningRouter } from './cluster.ts';
import { useCluster } from './suite.ts';
import { until } from './wait.ts';

const COUNT = 8;
const WORKERS = ['r1.w1', 'r1.w2'];
const authority = new Authority('an authority of our own');
const { cert, key } = authority.sign('edge');
const ca = readFileSync(authority.ca);
const sockets: Trusting[] = [];

class Trusting extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols, { ca });
    sockets.push(this);
  }
}

const cluster = useCluster({ nodes: 1, routers: 0, nodeArgs: ['--relay-rooms', 'rfc-*'] });
const rooms: Room[] = [];
const heard: Set<string>[] = [];
let router: RunningRouter;
let port = 0;

beforeAll(async () => {
  router = await cluster().startRouter('r1', ['--workers', '2', '--compression', '--tls-cert', cert, '--tls-key', key]);
  port = Number(new URL(router.url).port);
});
afterAll(() => {
  for (const room of rooms) room.close();
  authority.remove();
});

/** What is shown to whoever dials now. */
async function fingerprint(version?: SecureVersion): Promise<string> {
  const versions = version === undefined ? {} : { minVersion: version, maxVersion: version };
  // Level 0 lets this client offer the old versions at all.
  const socket = dial({ host: '127.0.0.1', port, ca, ciphers: 'DEFAULT@SECLEVEL=0', ...versions });
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate().fingerprint256;
  } finally {
    socket.destroy();
  }
}

/** To both workers, which are handed connections in turn. */
const fingerprints = async () => new Set(await Promise.all(Array.from({ length: 4 }, () => fingerprint())));

function ask(path: string): Promise<{ status: number | undefined; headers: Record<string, unknown>; text: string }> {
  return new Promise((resolve, reject) => {
    get(`${router.url}${path}`, { ca, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    }).on('error', reject);
  });
}

async function everybodyHears(word: string): Promise<void> {
  await Promise.all(rooms.map((room, i) => room.publish(`${word} ${i}`)));
  const heardOf = (all: Set<string>) => [...all].filter((one) => one.startsWith(`${word} `)).length;
  await until(`everybody heard all of ${word}`, () => heard.every((all) => heardOf(all) === COUNT));
}

test('58 the client library speaks wss, and the API and the pages https', async () => {
  expect(router.url).toMatch(/^https:/);
  for (let i = 0; i < COUNT; i++) {
    const all = new Set<string>();
    const room = connect(`${router.url.replace('https', 'wss')}/rooms/lobby`, { user: `u${i}`, WebSocket: Trusting });
    room.on('message', ({ data }) => all.add(String(data)));
    heard.push(all);
    rooms.push(room);
  }
  await until('all have joined', () => rooms.every(({ state }) => state.status === 'open'));
  await everybodyHears('hello');
  expect((await ask('/readyz')).status).toBe(200);
  expect(JSON.parse((await ask('/api/v1/nodes')).text)).toMatchObject({ nodes: [{ node: 'n1' }] });
  const page = await ask('/dashboard');
  expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
});

const DEFLATED = ['a message whose echo is deflated', 'the largest message', '10 MiB in 10 KiB'];
const cases = DEFLATE.cases.filter(({ name }) => DEFLATED.includes(name));
test.each(cases)('41 58 compression goes with it: $name', async ({ name, send, expect: wanted }) => {
  const path = `/rooms/rfc-${DEFLATED.indexOf(name)}`;
  const target = { host: '127.0.0.1', port, path, ca, offer: DEFLATE.offer };
  expect(await play(target, send, false)).toEqual(seen(wanted));
});

test('58 TLS 1.1 is refused, and so is HTTP without TLS', async () => {
  await expect(fingerprint('TLSv1.1')).rejects.toThrow(/alert|protocol|version/i);
  const socket = dialPlain({ host: '127.0.0.1', port });
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  socket.write(`GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  await once(socket, 'close');
  expect(answer).not.toContain('HTTP/');
});

test('58 files that do not fit are told, by each worker and again on SIGHUP, and the last good ones stay', async () => {
  const before = await fingerprint();
  const notRead = () =>
    WORKERS.map((worker) => {
      const lines = router.process.said.split('\n').filter((line) => line.includes(`"${worker}"`));
      return lines.filter((line) => line.includes('certificate not read') && line.includes(cert)).length;
    });
  copyFileSync(authority.sign('another').cert, cert);
  await until('each worker has told', () => notRead().every((times) => times > 0));
  const told = notRead();
  // Nothing but the signal to their parent makes them look again.
  router.process.signal('SIGHUP');
  await until('each has told again', () => notRead().every((times, i) => times > (told[i] ?? 0)));
  expect(await fingerprints()).toEqual(new Set([before]));
  await everybodyHears('still');
});

test('58 new files are shown to new sockets by every worker, and no open one is closed', async () => {
  const before = await fingerprint();
  authority.sign('edge');
  router.process.signal('SIGHUP');
  const after = await until('both workers show the new one', async () => {
    const shown = await fingerprints();
    return !shown.has(before) && [...shown];
  });
  expect(after).toHaveLength(1);
  await everybodyHears('under another certificate');
  expect(sockets.map(({ readyState }) => readyState)).toEqual(Array(COUNT).fill(WebSocket.OPEN));
  expect(router.process.exit).toBeUndefined();
});
