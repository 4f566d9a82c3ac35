import { expect, it } from 'vitest';
import { GapWatch } from './gap.ts';

/** A beat every 50 ms. */
function talk(watch: GapWatch, from: number, count: number, epoch: number) {
  return Array.from({ length: count }, (_, i) => watch.arrived(from + 50 * i, epoch)).filter(
    (gap) => gap !== undefined,
  );
}

it('measures from the last message of one epoch to the first of the next', () => {
  const watch = new GapWatch();
  expect(talk(watch, 0, 10, 7)).toEqual([]);
  expect(talk(watch, 700, 10, 9)).toEqual([{ ms: 250, from: 7, to: 9 }]);
});

it('takes no silence of the people for a gap', () => {
  const watch = new GapWatch();
  for (const at of [0, 4_000, 9_000]) watch.arrived(at, 7);
  expect(watch.arrived(60_000, 8)).toBeUndefined();
  expect(talk(watch, 61_000, 4, 8)).toEqual([]);
});

it('forgets what is long past', () => {
  const watch = new GapWatch();
  talk(watch, 0, 2_000, 7);
  expect(watch.arrivals.length).toBeLessThan(600);
});
