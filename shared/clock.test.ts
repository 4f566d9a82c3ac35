import { expect, it } from 'vitest';
import { elapsedMs, ManualClock, systemClock } from './clock.ts';

it('counts the larger of what both clocks say', () => {
  const clock = new ManualClock();
  const then = clock.now();
  clock.advance(100);
  expect(elapsedMs(then, clock.now())).toBe(100);
  clock.stepWall(5_000);
  expect(elapsedMs(then, clock.now())).toBe(5_100);
  clock.stepWall(-60_000);
  expect(elapsedMs(then, clock.now())).toBe(100);
});

it('never goes back on the monotonic side', () => {
  const first = systemClock.now();
  const second = systemClock.now();
  expect(second.monoMs).toBeGreaterThanOrEqual(first.monoMs);
});
