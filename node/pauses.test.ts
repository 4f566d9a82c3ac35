import { expect, it } from 'vitest';
import { Pauses } from './pauses.ts';

it('tells the pause that 99 of 100 stayed below, of the last ones', () => {
  const pauses = new Pauses();
  expect(pauses.p99Ms).toBeNull();
  for (let ms = 1; ms <= 100; ms++) pauses.add(ms);
  expect(pauses.p99Ms).toBe(100);
  for (let i = 0; i < 2_000; i++) pauses.add(3.4);
  expect(pauses.p99Ms).toBe(3);
});
