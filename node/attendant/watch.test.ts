import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../shared/random.ts';
import { probe } from './probe.ts';
import { HealthWatch } from './watch.ts';

/** A watch whose questions and pauses the test answers. */
function bench(failuresMax = 2) {
  const asked: ((isWell: boolean) => void)[] = [];
  const pauses: { ms: number; then: () => void; off: boolean }[] = [];
  const told: string[] = [];
  const watch = new HealthWatch({
    failuresMax,
    intervalMs: 1_000,
    random: new SeededRandom(1),
    ask: () => new Promise((resolve) => asked.push(resolve)),
    after: (ms, then) => {
      const pause = { ms, then, off: false };
      pauses.push(pause);
      return () => {
        pause.off = true;
      };
    },
    on: (health) => told.push(health),
  });
  const answer = async (isWell: boolean) => {
    asked.shift()?.(isWell);
    await new Promise<void>((resolve) => setImmediate(resolve));
  };
  return { watch, asked, pauses, told, answer };
}

describe('the watch', () => {
  it('asks one question at a time, with a pause between, and tells each turn once', async () => {
    const { watch, asked, pauses, told, answer } = bench();
    watch.start();
    watch.start();
    expect([asked.length, pauses.length]).toEqual([1, 0]);
    for (const isWell of [true, false, false, false, true]) {
      await answer(isWell);
      expect(asked.length).toBe(0);
      pauses.pop()?.then();
    }
    expect(told).toEqual(['well', 'ill', 'well']);
  });

  it('is silent once it is closed', async () => {
    const { watch, asked, pauses, told, answer } = bench();
    watch.start();
    watch.close();
    await answer(true);
    expect([told, pauses, asked]).toEqual([[], [], []]);
    const other = bench();
    other.watch.start();
    await other.answer(true);
    other.watch.close();
    expect(other.pauses.map(({ off }) => off)).toEqual([true]);
  });
});

describe('a probe', () => {
  it('takes 2xx, or a connection, for well, and whatever else for not', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/silent') return;
      response.writeHead(request.url === '/well' ? 204 : 503).end();
    }).listen(0, '127.0.0.1');
    await new Promise<void>((resolve) => server.once('listening', () => resolve()));
    const { port } = server.address() as AddressInfo;
    const http = (path: string) => ({ kind: 'http', url: `http://127.0.0.1:${port}${path}` }) as const;
    const tcp = { kind: 'tcp', host: '127.0.0.1', port } as const;
    expect(await Promise.all([probe(http('/well'), 5_000), probe(http('/ill'), 5_000), probe(tcp, 5_000)])).toEqual([
      ...[true, false, true],
    ]);
    expect(await probe(http('/silent'), 20)).toBe(false);
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    expect(await Promise.all([probe(http('/well'), 5_000), probe(tcp, 5_000)])).toEqual([false, false]);
  });
});
