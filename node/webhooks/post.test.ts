import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { isRefusedAddress } from './address.ts';
import { Post } from './post.ts';

let server: Server | undefined;
let post: Post | undefined;
afterEach(async () => {
  post?.close();
  server?.closeAllConnections();
  await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  server = undefined;
});

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const one = createServer(answer);
  server = one;
  await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(one.address() as AddressInfo).port}/hooks`;
}

function makePost(timeoutMs = 5_000): Post {
  post = new Post({ timeoutMs, anyAddress: false });
  return post;
}

it('sends a body and gives back the status, whatever else is answered', async () => {
  let heard = '';
  const url = await serve((request, response) => {
    request.on('data', (chunk: Buffer) => {
      heard += chunk.toString();
    });
    request.on('end', () => response.writeHead(202).end('x'.repeat(1_000)));
  });
  expect(await makePost().send(url, { 'webhook-id': 'a' }, '{"é":1}')).toBe(202);
  expect(heard).toBe('{"é":1}');
});

it('follows no redirect', async () => {
  let asked = 0;
  const url = await serve((_request, response) => {
    asked += 1;
    response.writeHead(307, { location: '/elsewhere' }).end();
  });
  expect(await makePost().send(url, {}, '{}')).toBe(307);
  expect(asked).toBe(1);
});

it('waits no longer than its bound, also for an answer that never ends', async () => {
  const url = await serve(() => undefined);
  await expect(makePost(50).send(url, {}, '{}')).rejects.toThrow('no answer in time');
});

it('reads no answer beyond its bound', async () => {
  const url = await serve((_request, response) => {
    response.writeHead(200);
    const fill = (): void => {
      while (response.write('x'.repeat(16_384)));
    };
    response.on('drain', fill);
    fill();
  });
  expect(await makePost().send(url, {}, '{}')).toBe(200);
});

it('says where nobody listens', async () => {
  const url = await serve(() => undefined);
  await new Promise<void>((resolve) => server?.close(() => resolve()));
  await expect(makePost().send(url, {}, '{}')).rejects.toThrow('ECONNREFUSED');
});

it.each([
  'http://169.254.169.254/latest/meta-data',
  'http://[fe80::1]/',
  'http://[::ffff:169.254.169.254]/',
  'http://2852039166/',
  'http://0.0.0.0/',
])('sends nothing to %s', async (url) => {
  await expect(makePost().send(url, {}, '{}')).rejects.toThrow('webhooks do not go to');
});

it('knows addresses in both families', () => {
  for (const address of [
    '169.254.1.1',
    '100.100.100.200',
    'fe80::1',
    'fd00:ec2::254',
    '::ffff:169.254.169.254',
    '224.0.0.1',
  ]) {
    expect([address, isRefusedAddress(address)]).toEqual([address, true]);
  }
  for (const address of ['127.0.0.1', '10.0.0.1', '192.168.1.1', '::1', 'fd00::1', '93.184.216.34', '2001:db8::1']) {
    expect([address, isRefusedAddress(address)]).toEqual([address, false]);
  }
});
