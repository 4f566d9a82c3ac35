import { expect, it } from 'vitest';
import type { NodeRecord } from '../shared/directory/directory.ts';
import { nodeRecord } from '../shared/directory/example-records.ts';
import { shareOf } from './share.ts';

const node = (incarnation: string, weight: number, state: NodeRecord['state'] = 'active'): NodeRecord =>
  nodeRecord(incarnation, incarnation, { weight, state });

it('is the weight over that of all who take rooms', () => {
  const nodes = [node('a', 1), node('b', 3), node('c', 4, 'draining'), node('d', 4, 'dead')];
  expect(['a', 'b', 'c', 'd', 'e'].map((one) => shareOf(nodes, one))).toEqual([0.25, 0.75, 0, 0, 0]);
});

it('is nothing where nobody takes any', () => {
  expect(shareOf([], 'a')).toBe(0);
  expect(shareOf([node('a', 0)], 'a')).toBe(0);
});
