import { expect, it } from 'vitest';
import type { Cluster } from '../shared/directory/directory.ts';
import { nodeRecord, token } from '../shared/directory/example-records.ts';
import { Placement } from '../shared/placement.ts';
import { firstCandidate } from './candidates.ts';
import { Membership } from './membership.ts';

const placement = new Placement(Buffer.alloc(16, 1));
const programs = [{ pattern: '*', program: 'chat' }];

it('an ownerless room goes where it is pinned, while that node can take it', () => {
  const membership = new Membership();
  const pins = [{ room: 'lobby', node: 'n3', by: 'ann', at: 1 }];
  const cluster = (state: 'active' | 'draining'): Cluster => ({
    runId: 'run',
    gen: 'g1',
    ver: 1,
    beats: {},
    nodes: [
      ...['n1', 'n2'].map((node) => nodeRecord(node, token(node), { programs })),
      nodeRecord('n3', token('n3'), { programs, state }),
    ],
    routers: [],
    pins,
  });
  const first = (isLinked = (_incarnation: string) => true) =>
    firstCandidate('lobby', { membership, placement, isLinked })?.node;
  membership.update(cluster('active'), 0);
  expect(first()).toBe('n3');
  expect(membership.pin('lobby')).toEqual(pins[0]);
  expect(first((incarnation) => incarnation !== token('n3'))).not.toBe('n3');
  membership.update(cluster('draining'), 0);
  expect(first()).not.toBe('n3');
  // A poll that finds no change says nothing of pins.
  membership.update({ runId: 'run', gen: 'g1', ver: 1, beats: {} }, 0);
  expect(membership.pin('lobby')?.node).toBe('n3');
  membership.update({ ...cluster('active'), pins: [] }, 0);
  expect(membership.pin('lobby')).toBeUndefined();
});
