/** The operator's page before a cluster that is larger than a test machine can run: 100 nodes and 50,000 rooms, told by a stream that is
 *  made up, of which a node's rooms move at once, again and again. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchChromium, Window } from './chromium.ts';
import { DIST } from './processes.ts';
import { until } from './wait.ts';

const NODES = Array.from({ length: 100 }, (_, i) => `node-${i + 1}`);
const ROOMS_EACH = 500;
let server: Server;
let browser: Browser;
let url = '';
const listeners: ServerResponse[] = [];
let ids = 0;

function nodesNow() {
  return NODES.map((node, i) => ({
    ...{ node, incarnation: `life-${i}`, state: 'active', weight: 1, linked: true, rooms: ROOMS_EACH, sessions: 2_500 },
    heartbeatAgeMs: 100 + i,
  }));
}

function sampleAt(at: number) {
  const quantiles = { count: 10, p50: 1 + Math.random(), p99: 4 + Math.random() };
  const counts = {
    sockets: 9,
    sessions: 9,
    rooms: 9,
    backlogBytes: 0,
    bytesIn: 0,
    bytesOut: 0,
    rebinds: 0,
    refusals: 0,
  };
  const rates = {
    messagesIn: 9_000 + Math.random() * 1_000,
    deliveries: 90_000,
    slowCloses: 0,
    dropped: 0,
  };
  const times = { message: quantiles, open: quantiles, takeover: quantiles, link: quantiles, redis: quantiles };
  return { at, ...counts, ...rates, ...times };
}

const write = (to: ServerResponse, event: string, data: unknown) =>
  to.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);

function begin(response: ServerResponse): void {
  const now = Date.now();
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const samples = Array.from({ length: 300 }, (_, i) => sampleAt(now - (300 - i) * 1_000));
  const about = { router: 'r1', version: '0', cluster: 'large', workers: 1 };
  write(response, 'snapshot', {
    at: now,
    about,
    redis: 'answered',
    nodes: nodesNow(),
    routers: [],
    samples,
    events: [],
  });
  const names = (n: number) => Array.from({ length: ROOMS_EACH }, (_, i) => [0, `room-${n}-${i}`]).flat();
  write(response, 'rooms', { nodes: Object.fromEntries(NODES.map((node, n) => [node, names(n)])), incomplete: [] });
  listeners.push(response);
}

/** Every room of one node moves, as when it is lost. */
function moveAll(from: number): void {
  for (let i = 0; i < ROOMS_EACH; i++) {
    const to = NODES[(from + 1 + (i % (NODES.length - 1))) % NODES.length];
    const event = {
      id: ++ids,
      at: Date.now(),
      kind: 'room.moved',
      room: `room-${from}-${i}`,
      from: NODES[from],
      to,
      epoch: ids,
    };
    for (const listener of listeners) write(listener, 'event', event);
  }
}

function tick(): void {
  const at = Date.now();
  for (const one of listeners) write(one, 'tick', { at, redis: 'answered', nodes: nodesNow(), sample: sampleAt(at) });
}

beforeAll(async () => {
  const { StaticPages } = (await import(
    pathToFileURL(join(DIST, 'router', 'static-pages.js')).href
  )) as typeof import('../../router/static-pages.ts');
  const pages = new StaticPages(false);
  server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    if (path === '/api/v1/stream') return begin(response);
    const page = pages.answer(path, undefined);
    if (page === undefined) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': page.contentType, ...page.headers }).end(page.text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  browser = await launchChromium();
});
afterAll(async () => {
  await browser?.close();
  server?.closeAllConnections();
  await new Promise((resolve) => server?.close(resolve));
});

test('100 nodes and 50,000 rooms are drawn, move, and do not freeze it', async () => {
  const window = await Window.open(browser, `${url}/dashboard`);
  const { page } = window;
  await page.getByText('50,000 rooms on 100 nodes').waitFor();
  await page.evaluate(`
    globalThis.longest = 0;
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, duration);
    }).observe({ type: 'longtask' });`);
  for (let from = 0; from < 5; from++) {
    moveAll(from);
    tick();
    // It goes on answering while rooms are on their way.
    await page.getByRole('combobox').fill(`room-${from}`);
    await page.locator('datalist option').first().waitFor({ state: 'attached' });
  }
  await until('the rooms of five nodes are elsewhere', async () => {
    const words = (await page.locator('.picture canvas').first().getAttribute('aria-label')) ?? '';
    return ['node-1 0', 'node-5 0'].every((one) => words.includes(one) || words.includes('node-6'));
  });
  const longest = await page.evaluate<number>('globalThis.longest');
  process.stderr.write(`large cluster: longest task of the page ${Math.round(longest)} ms\n`);
  expect(await window.scrollsSideways()).toBe(false);
  await window.shot('large-light');
  expect(window.complaints).toEqual([]);
});
