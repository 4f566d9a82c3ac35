/** Sockets of clients that are out of step with what is spoken on them: no TLS where TLS is awaited, an upgrade ahead of an answer,
 *  an answer that nobody reads. */

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Authority } from '../shared/testing/certificates.ts';
import { TlsFiles } from '../shared/tls-files.ts';
import { until } from './clients-fixture.ts';
import { EdgeBench, heardOn, upgrade } from './edge-fixture.ts';
import type { EdgeServerOptions } from './edge-server.ts';
import { Listeners } from './live/listeners.ts';

let bench: EdgeBench | undefined;
const start = async (options: Partial<EdgeServerOptions>) => {
  bench = await new EdgeBench(options).start();
  return bench;
};
afterEach(() => bench?.stop());

const GET = 'GET /slow HTTP/1.1\r\nHost: edge.example\r\n\r\n';
const NO_TLS = [upgrade(), Buffer.alloc(64, 0xff), Buffer.from('1603010200010001fc0303', 'hex'), ''];

/** Resolves once the other side has ended a socket, in order or not; its own end stays open. */
function ended(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket
      .resume()
      .once('end', resolve)
      .once('close', () => resolve());
  });
}

describe('where TLS is awaited', () => {
  const authority = new Authority('ours');
  const files = new TlsFiles(authority.sign('edge'), () => undefined);
  afterAll(() => {
    files.close();
    authority.remove();
  });

  test('21 sockets that speak HTTP, or no TLS, or half a handshake, or nothing are closed', async () => {
    const bench = await start({ tls: files, headersTimeoutMs: 200, checkIntervalMs: 50 });
    const all = NO_TLS.map(async (bytes) => {
      const socket = await bench.open(true);
      if (bytes.length > 0) socket.write(bytes);
      await ended(socket);
    });
    await Promise.all(all);
    // Which waits for every socket that the edge still holds.
    await bench.edge.close();
  });

  test('2 a page of the same host that came without TLS gets 403', async () => {
    const bench = await start({ tls: files });
    const ca = readFileSync(authority.ca);
    const open = async () => connectSecurely({ socket: await bench.open(), ca, checkServerIdentity: () => undefined });
    const foreign = await open();
    foreign.write(upgrade({ Origin: 'http://edge.example' }));
    expect((await heardOn(foreign)).status).toBe(403);
    expect(bench.asked).toEqual([]);
    const own = await open();
    own.write(upgrade({ Origin: 'https://edge.example' }));
    await until(() => bench.accepted.length === 1);
  });
});

test('21 a socket that never reads its answers is closed', async () => {
  const body = Buffer.alloc(1 << 20);
  let gone: Promise<unknown> | undefined;
  const bench = await start({
    plainIdleMs: 200,
    request: ({ socket }, response) => {
      gone ??= once(socket, 'close');
      response.end(body);
    },
  });
  const socket = await bench.open();
  socket.pause().write(GET.repeat(32));
  await until(() => gone !== undefined);
  await gone;
});

test('6 a CONNECT is answered as another method is: 405, or 400 where it names no path', async () => {
  const bench = await start({});
  const lines = ['CONNECT /rooms/lobby HTTP/1.1', 'CONNECT evil.example:443 HTTP/1.1'];
  const heard = await Promise.all(lines.map((line) => bench.raw(upgrade({}, line))));
  expect(heard.map(({ status }) => status)).toEqual([405, 400]);
  expect(bench.asked).toEqual([]);
});

test('9 an upgrade ahead of an answer ends its socket: no answer is put among the bytes of a room', async () => {
  let answer: ServerResponse | undefined;
  const bench = await start({
    request: (_request, response) => {
      answer = response;
    },
  });
  const socket = await bench.open();
  socket.write(GET + upgrade());
  const heard = heardOn(socket);
  await until(() => answer?.destroyed === true);
  answer?.end('late');
  expect(await heard).toMatchObject({ headers: '', body: '' });
  expect(bench.asked).toEqual([]);

  // One behind it is taken.
  const patient = await bench.open();
  patient.write(GET);
  await until(() => answer?.destroyed === false);
  answer?.end('soon');
  await once(patient, 'data');
  patient.write(upgrade());
  await until(() => bench.accepted.length === 1);
});

test.each([
  ['is begun', 'begun', 'begun'],
  ['is still to come', '', ''],
])(
  '9 what is no HTTP ends its socket without an answer of its own where an earlier one %s',
  async (_when, said, body) => {
    let asked = 0;
    const bench = await start({
      request: (_request, response) => {
        asked++;
        if (said !== '') response.writeHead(200, { 'Content-Length': 100 }).write(said);
      },
    });
    const socket = await bench.open();
    const heard = heardOn(socket);
    socket.write(GET);
    await until(() => asked === 1);
    socket.write('no HTTP\r\n\r\n');
    expect((await heard).body).toBe(body);
    expect((await heard).answers).toBe(said === '' ? 0 : 1);
  },
);

test('14 a body whose chunks are none gets 400 in the place of its answer', async () => {
  const bench = await start({ request: (request) => request.resume() });
  const post = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n';
  expect(await bench.raw(`${post}2\r\nab\r\nx`)).toMatchObject({ status: 400, answers: 1 });
});

test('21 listeners that wait behind another on a socket end with it', async () => {
  const listeners = new Listeners();
  const bench = await start({ request: (_request, response) => void listeners.add(response, () => undefined) });
  const socket = await bench.open();
  socket.write(GET.repeat(3));
  await until(() => listeners.size === 3);
  socket.destroy();
  await until(() => listeners.size === 0);
  // An upgrade ends them as well.
  const other = await bench.open();
  other.write(GET.repeat(3) + upgrade());
  await ended(other);
  await until(() => listeners.size === 0);
});
