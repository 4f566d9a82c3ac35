import { readdirSync } from 'node:fs';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { collectRuntimeMetrics, LoopDelay, openFiles } from './runtime-metrics.ts';

const EVERY_MS = 20;

function loop() {
  const seen: number[] = [];
  return { seen, delay: new LoopDelay({ observe: (seconds: number) => void seen.push(Math.round(seconds * 1_000)) }) };
}

it('sees no delay where the loop comes in time, or early', () => {
  const { seen, delay } = loop();
  for (const ms of [0, 20, 40, 59]) delay.tick(ms, EVERY_MS);
  expect(seen).toEqual([0, 0, 0]);
});

it('counts each moment that a halt has swallowed', () => {
  const { seen, delay } = loop();
  delay.tick(0, EVERY_MS);
  delay.tick(95, EVERY_MS);
  expect(seen).toEqual([75, 55, 35, 15]);
});

it('is bounded, however long it stood still', () => {
  const { seen, delay } = loop();
  delay.tick(0, EVERY_MS);
  delay.tick(3_600_000, EVERY_MS);
  expect(seen).toHaveLength(501);
  expect(seen[0]).toBe(10_000);
});

it('tells what the process has open, and none of the series that mislead', async () => {
  const registry = new Registry();
  collectRuntimeMetrics(registry, 'node');
  const text = await registry.metrics();
  expect(text).not.toMatch(/eventloop_lag|active_(handles|requests|resources)/);
  expect(text).toMatch(/^bellhop_build_info\{version="[\d.]+",role="node"\} 1$/m);
  if (process.platform !== 'linux') return;
  expect(text).toMatch(/^bellhop_process_max_fds [1-9]\d*$/m);
  // The directory that is read is open itself while it is read.
  expect(Math.abs((openFiles() ?? 0) - readdirSync('/proc/self/fd').length)).toBeLessThanOrEqual(1);
});
