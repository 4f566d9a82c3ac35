import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { FakeApiPorts } from './fake-api-ports.ts';
import { type HttpApiOptions, httpApi } from './http-api.ts';
import { StaticPages } from './static-pages.ts';

let server: Server;

async function start(options: Partial<HttpApiOptions>): Promise<number> {
  server = createServer(httpApi({ ports: new FakeApiPorts(), registry: new Registry(), ...options }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

afterEach(() => new Promise<void>((resolve) => server.close(() => resolve())));

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

function ask(port: number, path: string, { method = 'GET', headers = {}, body }: Asked = {}) {
  return new Promise<{ status: number; headers: Record<string, unknown> }>((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      response.resume().on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers }));
    });
    sent.on('error', reject).end(body);
  });
}

it('61 serves what browsers need, under a policy that allows this router alone', async () => {
  const port = await start({ pages: new StaticPages(false) });
  const page = await ask(port, '/dashboard/icon.svg');
  expect([page.status, page.headers['content-type']]).toEqual([200, 'image/svg+xml']);
  const policy = String(page.headers['content-security-policy']);
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).toContain("require-trusted-types-for 'script'");
  expect(policy).not.toMatch(/unsafe|https?:|\*/);
  const etag = String(page.headers['etag']);
  expect((await ask(port, '/dashboard/icon.svg', { headers: { 'if-none-match': etag } })).status).toBe(304);
});

it('needs no token for a page, which holds nothing, and any number of dots leads nowhere', async () => {
  const port = await start({ pages: new StaticPages(false), apiTokens: [{ scopes: ['read'], token: 'a-token' }] });
  expect((await ask(port, '/dashboard/icon.svg')).status).toBe(200);
  for (const path of ['/dashboard/../main.js', '/dashboard/%2e%2e/main.js', '/dashboard/', '/constructor']) {
    expect((await ask(port, path)).status).toBe(404);
  }
});

it('shows the first page in development alone', async () => {
  const port = await start({ pages: new StaticPages(false) });
  expect((await ask(port, '/')).status).toBe(404);
  server.close();
  const development = await start({ pages: new StaticPages(true) });
  expect((await ask(development, '/')).status).toBe(200);
});

it('kills a node for this machine alone, and only in development', async () => {
  const json = { 'content-type': 'application/json' };
  const body = JSON.stringify({ node: 'n1' });
  const kill = (port: number, headers: Record<string, string> = {}, text = body) =>
    ask(port, '/development/kill', { method: 'POST', headers: { ...json, ...headers }, body: text }).then(
      ({ status }) => status,
    );
  expect(await kill(await start({}))).toBe(404);
  server.close();
  const killed: string[] = [];
  const ports = new FakeApiPorts();
  ports.addNode('n1', []);
  const port = await start({ ports, killNode: (node) => killed.push(node) });
  expect(await kill(port, { origin: 'http://evil.example' })).toBe(403);
  expect(await kill(port, { origin: 'null' })).toBe(403);
  expect(await kill(port, { host: 'evil.example' })).toBe(403);
  expect(await kill(port, { 'x-forwarded-for': '192.0.2.1' })).toBe(403);
  expect(await kill(port, { 'content-type': 'text/plain' })).toBe(415);
  expect(await kill(port, {}, JSON.stringify({ node: '../n1' }))).toBe(400);
  expect(await kill(port, {}, JSON.stringify({ node: 'n9' }))).toBe(404);
  expect((await ask(port, '/development/kill')).status).toBe(405);
  expect(killed).toEqual([]);
  expect(await kill(port, { origin: `http://127.0.0.1:${port}`, host: `127.0.0.1:${port}` })).toBe(202);
  expect(killed).toEqual(['n1']);
});
