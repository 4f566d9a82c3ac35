import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { type MetricsSnapshot, readToParent } from './messages.ts';
import { MetricsLedger } from './metrics-ledger.ts';

/** A worker that has counted so much, as its parent gets it over the channel. */
async function worker(counted: number, held: number, started = 100): Promise<MetricsSnapshot> {
  const registry = new Registry();
  const registers = [registry];
  new Counter({ name: 'hops_total', help: 'h', labelNames: ['to'], registers }).inc({ to: 'n1' }, counted);
  const histogram = new Histogram({ name: 'open_ms', help: 'h', buckets: [1, 10], registers });
  for (let i = 0; i < counted; i++) histogram.observe(5);
  new Gauge({ name: 'sessions', help: 'h', registers }).set(held);
  new Gauge({ name: 'redis_up', help: 'h', registers, aggregator: 'min' }).set(held > 0 ? 1 : 0);
  new Gauge({ name: 'bellhop_process_start_time_seconds', help: 'h', registers, aggregator: 'omit' }).set(started);
  new Gauge({ name: 'unknown', help: 'h', registers }).set(Number.NaN);
  const message: unknown = JSON.parse(JSON.stringify({ type: 'metrics', metrics: await registry.getMetricsAsJSON() }));
  const read = readToParent(message);
  if (read?.type !== 'metrics') throw new Error('not read');
  return read.metrics;
}

async function sampleOf(ledger: MetricsLedger, series: string): Promise<number | undefined> {
  const line = (await ledger.text()).split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
}

it('sums counters, histograms and gauges, and takes the worst where a sum means nothing', async () => {
  const ledger = new MetricsLedger();
  ledger.take('1/1', await worker(3, 10, 70));
  ledger.take('2/2', await worker(4, 0, 50));
  expect(await sampleOf(ledger, 'hops_total{to="n1"}')).toBe(7);
  expect(await sampleOf(ledger, 'open_ms_count')).toBe(7);
  expect(await sampleOf(ledger, 'open_ms_bucket{le="10"}')).toBe(7);
  expect(await sampleOf(ledger, 'open_ms_bucket{le="1"}')).toBe(0);
  expect(await sampleOf(ledger, 'sessions')).toBe(10);
  expect(await sampleOf(ledger, 'redis_up')).toBe(0);
  expect(await sampleOf(ledger, 'bellhop_process_start_time_seconds')).toBe(50);
});

it('counts one snapshot of a life, the last', async () => {
  const ledger = new MetricsLedger();
  for (const counted of [1, 2, 5]) ledger.take('1/1', await worker(counted, counted));
  expect(await sampleOf(ledger, 'hops_total{to="n1"}')).toBe(5);
});

it('never lets a counter go down, whoever ends', async () => {
  const ledger = new MetricsLedger();
  let shown = 0;
  for (let life = 1; life <= 6; life++) {
    ledger.take(`1/${life}`, await worker(life, 1));
    shown += life;
    expect(await sampleOf(ledger, 'hops_total{to="n1"}')).toBe(shown);
    ledger.end(`1/${life}`);
    expect(await sampleOf(ledger, 'hops_total{to="n1"}')).toBe(shown);
    expect(await sampleOf(ledger, 'open_ms_count')).toBe(shown);
    // What it held is gone with it.
    expect(await sampleOf(ledger, 'sessions')).toBeUndefined();
  }
});

it('keeps what ends while the ended are summed up', async () => {
  const ledger = new MetricsLedger();
  for (const life of ['a', 'b', 'c']) ledger.take(life, await worker(1, 1));
  ledger.end('a');
  ledger.end('b');
  const text = ledger.text();
  ledger.end('c');
  await text;
  expect(await sampleOf(ledger, 'hops_total{to="n1"}')).toBe(3);
  expect(await sampleOf(ledger, 'hops_total{to="n1"}')).toBe(3);
});
