import { expect, it } from 'vitest';
import { DrainTimes } from './drain-times.ts';

it('knows when a node was drained last', () => {
  const times = new DrainTimes();
  times.saw([{ node: 'n1', state: 'active' }], 0);
  expect(times.covers('n1', 0)).toBe(false);
  times.saw([{ node: 'n1', state: 'draining' }], 10_000);
  times.saw([{ node: 'n1', state: 'draining' }], 11_000);
  // What came a moment before this was read came by the drain as well.
  expect([7_999, 8_000, 60_000].map((at) => times.covers('n1', at))).toEqual([false, true, true]);
  times.saw([{ node: 'n1', state: 'left' }], 15_000);
  times.saw([{ node: 'n1', state: 'active' }], 19_000);
  expect([10_000, 17_000, 17_001].map((at) => times.covers('n1', at))).toEqual([true, true, false]);
  // The next drain is another stretch.
  times.saw([{ node: 'n1', state: 'draining' }], 30_000);
  expect([10_000, 30_000].map((at) => times.covers('n1', at))).toEqual([false, true]);
});

it('forgets nodes that are not listed any more', () => {
  const times = new DrainTimes();
  times.saw([{ node: 'n1', state: 'draining' }], 0);
  times.saw([{ node: 'n2', state: 'draining' }], 10);
  expect([times.covers('n1', 5), times.covers('n2', 10)]).toEqual([false, true]);
});
