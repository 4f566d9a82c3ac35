import type { Server } from 'node:http';
import { Counter, Registry } from 'prom-client';
import { afterEach, expect, it } from 'vitest';
import { serveHealth } from './health-server.ts';

const open: Server[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(ready: () => boolean, registry = new Registry(), port = 0) {
  const server = await serveHealth({ host: '127.0.0.1', port, ready, registry });
  open.push(server);
  const address = server.address();
  const base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  return (path: string, init?: RequestInit) => fetch(base + path, init);
}

it('lives also while it is not ready', async () => {
  let ready = false;
  const get = await serve(() => ready);
  expect((await get('/livez')).status).toBe(200);
  expect((await get('/readyz')).status).toBe(503);
  ready = true;
  expect((await get('/readyz')).status).toBe(200);
});

it('tells metrics in the format of its registry', async () => {
  const registry = new Registry();
  new Counter({ name: 'knocks', help: 'knocks', registers: [registry] }).inc(3);
  const get = await serve(() => true, registry);
  const response = await get('/metrics');
  expect(response.headers.get('content-type')).toBe(registry.contentType);
  expect(await response.text()).toContain('knocks 3');
});

it('answers 500 when a metric throws, and stays up', async () => {
  const registry = new Registry();
  const broken = new Counter({
    name: 'broken',
    help: 'broken',
    registers: [registry],
    collect: () => {
      throw new Error('no');
    },
  });
  broken.inc();
  const get = await serve(() => true, registry);
  expect((await get('/metrics')).status).toBe(500);
  expect((await get('/livez')).status).toBe(200);
});

it('knows three paths and only reads', async () => {
  const get = await serve(() => true);
  expect((await get('/')).status).toBe(404);
  expect((await get('/livez', { method: 'POST' })).status).toBe(405);
  expect((await get('/livez', { method: 'HEAD' })).status).toBe(200);
});

it('throws where the port cannot be had', async () => {
  await serve(() => true);
  const address = open[0]?.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  await expect(serve(() => true, new Registry(), port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
