import { expect, it } from 'vitest';
import { Pace } from './pace.ts';

/** @param perSecond  how many go */
function go(pace: Pace, from: { ms: number; gone: number }, ms: number, perSecond: number, goes = true): void {
  for (let past = 0; past < ms; past += 20) {
    from.ms += 20;
    if (goes) from.gone += perSecond / 50;
    pace.stands(Math.floor(from.gone), goes, from.ms);
  }
}

it('knows the rate once something has gone for a while, and not before', () => {
  const pace = new Pace();
  const at = { ms: 0, gone: 0 };
  go(pace, at, 5_000, 0);
  expect(pace.perSecond).toBeUndefined();
  go(pace, at, 1_500, 20);
  expect(pace.perSecond).toBeUndefined();
  go(pace, at, 1_500, 20);
  expect(pace.perSecond).toBeGreaterThan(18);
  expect(pace.perSecond).toBeLessThan(21);
});

it('does not count pauses, and follows what is now', () => {
  const pace = new Pace();
  const at = { ms: 0, gone: 0 };
  go(pace, at, 4_000, 20);
  go(pace, at, 60_000, 0, false);
  go(pace, at, 4_000, 20);
  expect(pace.perSecond).toBeGreaterThan(18);
  go(pace, at, 20_000, 5);
  expect(pace.perSecond).toBeLessThan(6);
  // Nothing goes though it could: the rest takes very long, but not for ever.
  go(pace, at, 60_000, 0);
  expect(pace.perSecond).toBeLessThan(0.02);
  expect(pace.perSecond).toBeGreaterThan(0);
});
