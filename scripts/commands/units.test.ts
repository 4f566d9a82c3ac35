import { expect, it } from 'vitest';
import { ago, bytes, count, duration, integer, many, rate, span, timeOfDay } from './units.ts';

it('shows numbers and times as people read them', () => {
  expect([0.34, 250, 3_210, 59_000, 300_000, 7_200_000, 400_000_000, undefined].map(span)).toEqual([
    '0.3 ms',
    '250 ms',
    '3.2 s',
    '59 s',
    '5 min',
    '2 h',
    '5 d',
    '–',
  ]);
  expect([1, 2, undefined].map((n) => many(n, 'room'))).toEqual(['1 room', '2 rooms', '– rooms']);
  expect([1_234_567, 0.25, undefined].map(count)).toEqual(['1,234,567', '0.3', '–']);
  expect([12, 1_536, 256 * 1_048_576].map(bytes)).toEqual(['12 B', '1.5 KiB', '256 MiB']);
  expect(ago(1_000, 4_000)).toBe('3.0 s ago');
  const noon = Date.UTC(2026, 0, 2, 12, 0, 0, 5);
  expect(timeOfDay(noon, noon + 1_000)).toBe('12:00:00.005');
  expect(timeOfDay(noon, noon + 86_400_000)).toBe('2026-01-02 12:00:00');
  expect(timeOfDay(1e300, noon)).toBe('–');
});

it('reads times and numbers, and says what is wrong with others', () => {
  expect(['30', '250ms', '5m', '1.5h', '1d'].map(duration)).toEqual([30_000, 250, 300_000, 5_400_000, 86_400_000]);
  for (const text of ['', 'soon', '-1s', '1e9s', '31d', '5 m']) expect(() => duration(text), text).toThrow();
  expect(integer(1, 10)('10')).toBe(10);
  for (const text of ['0', '11', '1.5', 'x', '']) expect(() => integer(1, 10)(text), text).toThrow('1 to 10');
  expect(rate('0.5')).toBe(0.5);
  for (const text of ['0', '-1', 'x', '1e5']) expect(() => rate(text), text).toThrow();
});
