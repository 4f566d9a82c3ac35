import { expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { SeededRandom } from '../shared/random.ts';
import { ComeBack } from './come-back.ts';

const NONE = { minMs: 0, maxMs: 0 };
const WINDOW = { minMs: 500, maxMs: 3_000 };

it('lets a single client draw from its window', () => {
  const clock = new ManualClock();
  const comeBack = new ComeBack(clock, new SeededRandom(1), { perSecond: 100 });
  for (let i = 0; i < 100; i++) {
    const ms = comeBack.next(WINDOW);
    expect(ms).toBeGreaterThanOrEqual(500);
    expect(ms).toBeLessThanOrEqual(3_000);
    clock.advance(1_000);
  }
});

it('gives a herd moments as far apart as handshakes are admitted, whatever comes between', () => {
  const clock = new ManualClock();
  const startMs = clock.now().monoMs;
  const comeBack = new ComeBack(clock, new SeededRandom(1), { perSecond: 100 });
  const moments: number[] = [];
  for (let i = 0; i < 1_000; i++) {
    moments.push(clock.now().monoMs - startMs + comeBack.next(NONE));
    if (i % 100 === 0) clock.advance(7);
  }
  const sorted = [...moments].sort((a, b) => a - b);
  for (let i = 100; i < sorted.length; i++) {
    // In no second more than are admitted.
    expect((sorted[i] ?? 0) - (sorted[i - 100] ?? 0)).toBeGreaterThanOrEqual(999);
  }
  expect(Math.max(...moments)).toBeLessThan(13_000);
});

it('tells nobody to wait for longer than a session can be resumed', () => {
  const comeBack = new ComeBack(new ManualClock(), new SeededRandom(1), { perSecond: 1 });
  let last = 0;
  for (let i = 0; i < 1_000; i++) last = comeBack.next(WINDOW);
  expect(last).toBeLessThanOrEqual(103_000);
});
