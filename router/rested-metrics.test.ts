import { expect, test } from 'vitest';
import { restedMetrics } from './rested-metrics.ts';

test('metrics take at most a tenth of the time, however often they are asked for', async () => {
  let [nowMs, made] = [0, 0];
  const metrics = restedMetrics(
    {
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      metrics: () => {
        nowMs += 2;
        return Promise.resolve(`${++made}`);
      },
    },
    () => nowMs,
  );
  const [first, second] = await Promise.all([metrics.metrics(), metrics.metrics()]);
  expect([first, second]).toEqual(['1', '1']);
  nowMs += 17;
  expect(await metrics.metrics()).toBe('1');
  nowMs += 1;
  expect(await metrics.metrics()).toBe('2');
});

test('metrics that could not be made are asked for anew', async () => {
  const answers = [Promise.reject(new Error('away')), Promise.resolve('here')];
  const metrics = restedMetrics(
    { contentType: 'text/plain; version=0.0.4; charset=utf-8', metrics: () => answers.shift() ?? Promise.resolve('') },
    () => 0,
  );
  await expect(metrics.metrics()).rejects.toThrow('away');
  expect(await metrics.metrics()).toBe('here');
});
