import { expect, it } from 'vitest';
import { jittered, SeededRandom, systemRandom } from './random.ts';

it('replays what a seed gave', () => {
  const draw = (seed: number) => {
    const random = new SeededRandom(seed);
    return [random.unit(), random.hex(8), random.below(1_000), random.pick(['a', 'b', 'c', 'd'])];
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});

it('stays within its bounds', () => {
  const random = new SeededRandom(1);
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 4_000; i++) {
    const unit = random.unit();
    expect(unit >= 0 && unit < 1).toBe(true);
    const at = random.below(4);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});

it('writes bytes as lower-case hex', () => {
  for (const source of [new SeededRandom(3), systemRandom]) {
    expect(source.hex(16)).toMatch(/^[0-9a-f]{32}$/);
    expect(source.hex(16)).not.toBe(source.hex(16));
  }
});

it('has nothing to pick from an empty list', () => {
  expect(() => new SeededRandom(1).pick([])).toThrow(RangeError);
});

it('spreads a period around itself', () => {
  const at = (unit: number) => jittered({ unit: () => unit, hex: () => '' }, 1_000, 0.3);
  expect(at(0)).toBeCloseTo(700);
  expect(at(0.5)).toBeCloseTo(1_000);
  expect(at(0.999_999)).toBeCloseTo(1_300, 1);
});

it('never gives the same bytes of the system twice', () => {
  // Over several fillings of the pool, with lengths that do not divide it, and one that exceeds it.
  const given = new Set<string>();
  for (let i = 0; i < 2_000; i++) given.add(systemRandom.hex(16 + (i % 5)));
  expect(given.size).toBe(2_000);
  for (const text of given) expect(text).not.toContain('00000000');
  expect(systemRandom.hex(5_000)).toMatch(/^[0-9a-f]{10000}$/);
  expect(systemRandom.hex(4_096)).toMatch(/^[0-9a-f]{8192}$/);
  expect(systemRandom.hex(0)).toBe('');
});
