import { expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { SeededRandom } from '../shared/random.ts';
import { AdmissionRate } from './admission-rate.ts';
import { ComeBack } from './come-back.ts';
import { Handshakes } from './handshakes.ts';

const MOST = 500;

/** Lets time pass in ticks of 20 ms. @param lateMs  of each tick @param admitted  in each tick */
function pass(clock: ManualClock, rate: AdmissionRate, ms: number, lateMs: number, admitted = 0): number[] {
  const rates: number[] = [];
  for (let past = 0; past < ms; past += 20) {
    clock.advance(20);
    for (let i = 0; i < admitted; i++) rate.admitted();
    rate.late(lateMs);
    rates.push(rate.perSecond);
  }
  return rates;
}

it('is the most that is allowed while the loop keeps up', () => {
  const clock = new ManualClock();
  const rate = new AdmissionRate(clock, MOST);
  expect(new Set(pass(clock, rate, 5_000, 10, 10))).toEqual(new Set([MOST]));
});

it('shrinks while handshakes hold the loop up, down to a floor, and grows again within some seconds', () => {
  const clock = new ManualClock();
  const rate = new AdmissionRate(clock, MOST);
  const falling = pass(clock, rate, 3_000, 120, 10);
  expect(falling).toEqual([...falling].sort((a, b) => b - a));
  expect(falling.at(-1)).toBe(50);
  // A herd always gets on.
  expect(pass(clock, rate, 60_000, 400, 10).at(-1)).toBe(50);
  const growing = pass(clock, rate, 10_000, 5, 1);
  expect(growing).toEqual([...growing].sort((a, b) => a - b));
  expect(growing.at(-1)).toBe(MOST);
});

it('is not changed by a loop that is late while nobody comes', () => {
  const clock = new ManualClock();
  const rate = new AdmissionRate(clock, MOST);
  pass(clock, rate, 60_000, 500);
  expect(rate.perSecond).toBe(MOST);
});

it('settles near what the loop can do', () => {
  const clock = new ManualClock();
  const rate = new AdmissionRate(clock, MOST);
  const canDo = 200;
  const seen: number[] = [];
  for (let look = 0; look < 240; look++) {
    const before = rate.perSecond;
    seen.push(before);
    pass(clock, rate, 260, before > canDo ? 150 : 10, Math.ceil(before / 50));
  }
  const settled = seen.slice(40);
  const mean = settled.reduce((sum, one) => sum + one, 0) / settled.length;
  expect(mean).toBeGreaterThan(canDo * 0.7);
  expect(mean).toBeLessThan(canDo * 1.1);
  expect(Math.max(...settled)).toBeLessThan(canDo * 1.2);
});

it('without a limit has nothing to follow', () => {
  const clock = new ManualClock();
  const rate = new AdmissionRate(clock, 0);
  pass(clock, rate, 5_000, 500, 20);
  expect(rate.perSecond).toBe(0);
});

it('is what handshakes are taken by, resumes before new sessions, and what others are told to come back by', () => {
  const clock = new ManualClock();
  const rate = new AdmissionRate(clock, MOST);
  const handshakes = new Handshakes(clock, rate);
  const comeBack = new ComeBack(clock, new SeededRandom(1), rate);
  const wait = { minMs: 0, maxMs: 0 };
  comeBack.next(wait);
  expect(comeBack.next(wait)).toBe(3);
  pass(clock, rate, 3_000, 120, 10);
  // Half a second's worth is all there is, and half of that is left to resumes.
  const taken = (kind: 'new' | 'resume') =>
    Array.from({ length: 40 }, () => handshakes.take(kind, false)).filter((verdict) => verdict === 'admitted').length;
  expect([taken('new'), taken('resume')]).toEqual([12, 13]);
  comeBack.next(wait);
  expect(comeBack.next(wait)).toBe(25);
});
