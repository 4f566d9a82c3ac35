import { expect, it } from 'vitest';
import { inc, nodeRecord, routerRecord } from '../fixture.ts';
import { ClusterDiff, type ClusterLook } from './cluster-diff.ts';

const A = nodeRecord('n1', inc('a'));
const look = (more: Partial<ClusterLook> = {}): ClusterLook => ({
  nodes: [A],
  routers: [],
  redis: 'answered',
  runId: 'x'.repeat(40),
  ...more,
});
const kinds = (diff: ClusterDiff, at: ClusterLook) => diff.look(at).map(({ kind }) => kind);

it('tells of a node from its arrival to its end, and of its next life', () => {
  const diff = new ClusterDiff();
  expect(kinds(diff, look())).toEqual(['node.joined']);
  expect(kinds(diff, look({ nodes: [{ ...A }] }))).toEqual([]);
  expect(kinds(diff, look({ nodes: [{ ...A, state: 'draining' }] }))).toEqual(['node.draining']);
  expect(kinds(diff, look())).toEqual(['node.joined']);
  expect(kinds(diff, look({ nodes: [{ ...A, state: 'left' }] }))).toEqual(['node.left']);
  const next = nodeRecord('n1', inc('b'));
  expect(kinds(diff, look({ nodes: [next] }))).toEqual(['node.joined']);
  // Its end and the next life in one poll.
  expect(kinds(diff, look({ nodes: [nodeRecord('n1', inc('c'))] }))).toEqual(['node.lost', 'node.joined']);
  expect(kinds(diff, look({ nodes: [nodeRecord('n1', inc('c'), { state: 'dead' })] }))).toEqual(['node.lost']);
  expect(kinds(diff, look({ nodes: [] }))).toEqual([]);
});

it('does not tell of the dead that it finds', () => {
  expect(kinds(new ClusterDiff(), look({ nodes: [{ ...A, state: 'dead' }] }))).toEqual([]);
});

it('tells of a record that Redis has lost', () => {
  const diff = new ClusterDiff();
  diff.look(look());
  expect(diff.look(look({ nodes: [] }))).toMatchObject([{ kind: 'node.lost', node: 'n1' }]);
});

it('tells when Redis goes, comes back, and is another', () => {
  const diff = new ClusterDiff();
  expect(kinds(diff, look({ nodes: [], redis: 'unknown', runId: undefined }))).toEqual([]);
  expect(kinds(diff, look({ nodes: [] }))).toEqual([]);
  expect(kinds(diff, look({ nodes: [], redis: 'failed' }))).toEqual(['redis.away']);
  expect(kinds(diff, look({ nodes: [], runId: 'y'.repeat(40) }))).toEqual(['redis.back', 'redis.history']);
});

it('does not tell that Redis is back where it was not there before', () => {
  const diff = new ClusterDiff();
  expect(kinds(diff, look({ nodes: [], redis: 'failed', runId: undefined }))).toEqual([]);
  expect(kinds(diff, look({ nodes: [] }))).toEqual([]);
});

it('tells of a router once, however many workers it has', () => {
  const diff = new ClusterDiff();
  const workerOf = { router: 'r1', incarnation: inc('e'), pid: 1 };
  const worker = (n: number) => ({ ...routerRecord(`r1.w${n}`, inc(String(n))), workerOf });
  expect(kinds(diff, look({ nodes: [], routers: [worker(1)] }))).toEqual(['router.joined']);
  expect(kinds(diff, look({ nodes: [], routers: [worker(1), worker(2)] }))).toEqual([]);
  expect(kinds(diff, look({ nodes: [], routers: [] }))).toEqual(['router.left']);
});
