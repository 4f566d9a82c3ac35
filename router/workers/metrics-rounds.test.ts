import { Counter, Registry } from 'prom-client';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { MetricsSnapshot } from './messages.ts';
import { MetricsRounds } from './metrics-rounds.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

async function counted(value: number): Promise<MetricsSnapshot> {
  const registry = new Registry();
  new Counter({ name: 'c_total', help: 'h', registers: [registry] }).inc(value);
  return registry.getMetricsAsJSON();
}

function makeRounds(lives: readonly string[]) {
  const asked: string[] = [];
  const rounds = new MetricsRounds({
    lives: () => lives,
    collect: (life) => asked.push(life),
    own: async () => counted(1_000),
  });
  return { rounds, asked };
}

const sumIn = (text: string): number => Number(/^c_total (\d+)$/m.exec(text)?.[1]);

it('asks every life once for all who want to know, and ends when all have answered', async () => {
  const { rounds, asked } = makeRounds(['1/1', '2/2']);
  const texts = [rounds.text(), rounds.text()];
  expect(asked).toEqual(['1/1', '2/2']);
  rounds.answered('1/1', await counted(1));
  rounds.answered('2/2', await counted(2));
  expect((await Promise.all(texts)).map(sumIn)).toEqual([1_003, 1_003]);
  expect(vi.getTimerCount()).toBe(0);
  void rounds.text();
  expect(asked).toHaveLength(4);
});

it('counts a life that does not answer with what it showed last', async () => {
  const { rounds } = makeRounds(['1/1', '2/2']);
  const first = rounds.text();
  rounds.answered('1/1', await counted(10));
  rounds.answered('2/2', await counted(20));
  await first;
  const second = rounds.text();
  rounds.answered('1/1', await counted(11));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(sumIn(await second)).toBe(1_031);
});

it('does not wait for a life that ended', async () => {
  const { rounds } = makeRounds(['1/1', '2/2']);
  const text = rounds.text();
  rounds.answered('1/1', await counted(1));
  rounds.ended('2/2');
  expect(sumIn(await text)).toBe(1_001);
});

it('tells of the parent alone while nobody serves', async () => {
  const { rounds } = makeRounds([]);
  expect(sumIn(await rounds.text())).toBe(1_000);
});
