import { expect, it } from 'vitest';
import type { Beat } from '../shared/directory/directory.ts';
import { Placed } from './placed.ts';

const beat = (incarnation: string, counter: number): Beat => ({
  incarnation,
  counter,
  load: { rooms: 0, sessions: 0 },
});
const n1 = { node: 'n1', incarnation: 'i1' };
const n2 = { node: 'n2', incarnation: 'i2' };

it('counts a room once, where it was sent last', () => {
  const placed = new Placed();
  placed.add('a', n1, beat('i1', 3));
  placed.add('a', n1, beat('i1', 3));
  expect(placed.at('n1')).toBe(1);
  placed.add('a', n2, beat('i2', 9));
  expect([placed.at('n1'), placed.at('n2')]).toEqual([0, 1]);
});

it('counts it until the node has written two more heartbeats', () => {
  const placed = new Placed();
  placed.add('a', n1, beat('i1', 3));
  placed.add('b', n2, undefined);
  placed.read({ n1: beat('i1', 4) });
  expect(placed.at('n1')).toBe(1);
  placed.read({ n1: beat('i1', 5), n2: beat('i2', 1) });
  expect([placed.at('n1'), placed.at('n2')]).toEqual([0, 1]);
});

it('counts nothing of an incarnation that was followed by another', () => {
  const placed = new Placed();
  placed.add('a', n1, beat('i1', 3));
  placed.read({ n1: beat('i9', 1) });
  expect(placed.at('n1')).toBe(0);
});

it('counts nothing of a count that began anew, as in an emptied Redis', () => {
  const placed = new Placed();
  placed.add('a', n1, beat('i1', 1_000_000));
  placed.read({ n1: beat('i1', 3) });
  expect(placed.at('n1')).toBe(0);
});

it('knows a bounded number of rooms', () => {
  const placed = new Placed();
  for (let i = 0; i < 25_000; i++) placed.add(`room-${i}`, i % 2 === 0 ? n1 : n2, undefined);
  expect(placed.at('n1') + placed.at('n2')).toBe(20_000);
});
