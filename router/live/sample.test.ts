import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { readSeries, sampleOf } from './sample.ts';

it('makes rates of counters and quantiles of histograms', async () => {
  const registry = new Registry();
  const registers = [registry];
  const messages = new Counter({ name: 'bellhop_router_client_messages_total', help: 'h', registers });
  new Gauge({ name: 'bellhop_router_sessions', help: 'h', registers }).set(12);
  const takeover = new Histogram({
    name: 'bellhop_router_takeover_seconds',
    help: 'h',
    buckets: [0.1, 0.2, 0.5],
    registers,
  });
  const labels = {
    name: 'bellhop_router_redis_seconds',
    help: 'h',
    buckets: [0.001, 0.01],
    labelNames: ['outcome'],
    registers,
  };
  const redis = new Histogram(labels);
  takeover.observe(0.05);
  messages.inc(1_000);
  const before = readSeries(await registry.metrics());
  messages.inc(50);
  for (let i = 0; i < 100; i++) takeover.observe(0.15);
  for (const outcome of ['ok', 'timeout']) redis.observe({ outcome }, 0.005);
  const sample = sampleOf(7, 2, readSeries(await registry.metrics()), before);
  expect(sample).toMatchObject({ at: 7, sessions: 12, messagesIn: 25, deliveries: 0 });
  expect(sample.takeover).toEqual({ count: 100, p50: 150, p99: 199 });
  expect(sample.redis.count).toBe(2);
  expect(sample.open).toEqual({ count: 0, p50: null, p99: null });
});

it('shows the last bound for what lies beyond it, and nothing where a counter began anew', () => {
  const series = (text: string) => readSeries(text);
  const name = 'bellhop_router_open_seconds_bucket';
  const now = series(`${name}{le="0.01"} 0\n${name}{le="+Inf"} 3\nbellhop_router_deliveries_total 5`);
  const sample = sampleOf(0, 1, now, series('bellhop_router_deliveries_total 500'));
  expect(sample.open).toEqual({ count: 3, p50: 10, p99: 10 });
  expect(sample.deliveries).toBe(0);
});
