import { describe, expect, it } from 'vitest';
import { cluster, inc, nodeRecord, routerRecord } from './fixture.ts';
import { Membership } from './membership.ts';

const A = nodeRecord('n1', inc('a'));

describe('a node', () => {
  it.each(['dead', 'left'] as const)('that is %s is told as certified, once', (state) => {
    const membership = new Membership();
    expect(membership.update(cluster([A]), 0).certified).toEqual([]);
    const gone = cluster([nodeRecord('n1', inc('a'), { state })]);
    expect(membership.update(gone, 1).certified).toEqual([A]);
    expect(membership.update(gone, 2).certified).toEqual([]);
    expect(membership.isCertified('n1', inc('a'))).toBe(true);
    expect(membership.living()).toEqual([]);
  });

  it('that another incarnation replaced is certified', () => {
    const membership = new Membership();
    membership.update(cluster([A]), 0);
    const next = nodeRecord('n1', inc('b'));
    expect(membership.update(cluster([next]), 1)).toEqual({ certified: [A], changed: [next], forgotten: [] });
    expect(membership.lives('n1', inc('a'))).toBe(false);
    expect(membership.isCertified('n1', inc('a'))).toBe(true);
  });

  it('that drains still lives', () => {
    const membership = new Membership();
    membership.update(cluster([A]), 0);
    const change = membership.update(cluster([nodeRecord('n1', inc('a'), { state: 'draining' })]), 1);
    expect(change.certified).toEqual([]);
    expect(change.changed).toHaveLength(1);
    expect(membership.lives('n1', inc('a'))).toBe(true);
  });

  it('that an emptied history does not list is not thereby dead', () => {
    const membership = new Membership();
    membership.update(cluster([A]), 0);
    expect(membership.update(cluster([]), 1).certified).toEqual([]);
    expect(membership.lives('n1', inc('a'))).toBe(true);
    membership.update(cluster([A]), 5_000);
    membership.update(cluster([A]), 20_000);
    expect(membership.lives('n1', inc('a'))).toBe(true);
    membership.update(cluster([]), 21_000);
    expect(membership.update(cluster([]), 30_000).forgotten).toEqual([]);
    const { nodes: _nodes, ...unchanged } = cluster([]);
    expect(membership.update(unchanged, 31_000).forgotten).toEqual([A]);
    expect(membership.update(unchanged, 42_000).forgotten).toEqual([]);
    expect(membership.node('n1')).toBeUndefined();
    expect(membership.isCertified('n1', inc('a'))).toBe(false);
  });
});

it('keeps its view when nothing has changed', () => {
  const membership = new Membership();
  membership.update(cluster([A], { n1: 4 }, { routers: [routerRecord('r1', inc('c'))] }), 0);
  const { nodes: _nodes, routers: _routers, ...same } = cluster([A], { n1: 5 });
  expect(membership.update(same, 1)).toEqual({ certified: [], changed: [], forgotten: [] });
  expect(membership.nodes).toEqual([A]);
  expect(membership.routers).toHaveLength(1);
  expect(membership.beat('n1')?.counter).toBe(5);
});
