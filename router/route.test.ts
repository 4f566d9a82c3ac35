import { expect, it } from 'vitest';
import { RouteCache } from './route.ts';

const A = { node: 'n1', incarnation: 'a' };
const B = { node: 'n2', incarnation: 'b' };

it('remembers a place for as long as it is trusted, and its epoch for longer', () => {
  const cache = new RouteCache(10);
  cache.put('r', A, 7, 1_000);
  expect(cache.get('r', 11_000, 10_000)).toBe(A);
  expect(cache.get('r', 11_001, 10_000)).toBeUndefined();
  expect(cache.lastKnown('r')).toBe(A);
  expect(cache.floor('r')).toBe(7);
});

it('never lets an epoch go down', () => {
  const cache = new RouteCache(10);
  cache.put('r', A, 7, 0);
  cache.put('r', B, 5, 0);
  expect(cache.get('r', 0, 1)).toBe(B);
  expect(cache.floor('r')).toBe(7);
});

it('forgets a place that is proved wrong, and keeps its epoch', () => {
  const cache = new RouteCache(10);
  cache.forgetPlace('r');
  expect(cache.size).toBe(0);
  cache.put('r', A, 7, 0);
  cache.forgetPlace('r');
  expect(cache.get('r', 0, 10_000)).toBeUndefined();
  expect(cache.floor('r')).toBe(7);
});

it('drops the oldest when it is full', () => {
  const cache = new RouteCache(2);
  cache.put('a', A, 1, 0);
  cache.put('b', A, 1, 0);
  cache.put('a', A, 1, 1);
  cache.put('c', A, 1, 2);
  expect([cache.floor('a'), cache.floor('b'), cache.floor('c'), cache.size]).toEqual([1, 0, 1, 2]);
});
