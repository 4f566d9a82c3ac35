import { describe, expect, it } from 'vitest';
import type { Return } from '../shared/link/messages.ts';
import { NodeCalls } from './calls.ts';
import { Cluster, type TestNode } from './core-fixture.ts';
import { HEARD_MS } from './farewell.ts';

function rooms(node: ReturnType<Cluster['livingNode']>, count: number) {
  const router = node.router();
  node.isAnswered = true;
  for (let n = 1; n <= count; n++) router.open(`room-${n}`, [{ session: `s${n}`, handle: n }]);
  return router;
}
const stateOf = (cluster: Cluster, node: string) =>
  cluster.directory.execute('readCluster', {}, 0).nodes?.find((one) => one.node === node)?.state;

describe('a drain', () => {
  it('tells the others, hands every room over, and leaves', () => {
    const cluster = new Cluster();
    const first = cluster.livingNode('n1');
    const second = cluster.livingNode('n2');
    const router = rooms(first, 20);
    first.core.drain(cluster.clock.now());
    first.core.drain(cluster.clock.now());
    cluster.run(20);
    expect(stateOf(cluster, 'n1')).toBe('draining');
    router.open('new', [{ session: 'x', handle: 99 }]);
    expect(router.take().at(-1)).toMatchObject({ type: 'refused', session: 99, reason: 'draining' });
    cluster.run(4_000);
    expect(first.ended).toEqual([{ kind: 'left' }]);
    expect(stateOf(cluster, 'n1')).toBe('left');
    expect(second.core.load().rooms).toBe(20);
    const types = router.takeTypes();
    expect(types.filter((type) => type === 'moved')).toHaveLength(20);
    expect(types).not.toContain('close-client');
  });

  it('with nobody else leaves at once, and says what is left', () => {
    const cluster = new Cluster();
    const node = cluster.livingNode('n1');
    rooms(node, 2);
    node.core.drain(cluster.clock.now());
    cluster.run(1_000);
    expect(node.ended).toEqual([{ kind: 'left' }]);
    expect(node.logs).toContain('leaving with rooms that could not be handed over');
    expect(node.traced).toEqual(['drain begins', 'drain: 2 rooms left']);
  });

  it('does not take those who drain too for somebody else', () => {
    const cluster = new Cluster();
    const first = cluster.livingNode('n1');
    const second = cluster.livingNode('n2');
    rooms(first, 1);
    for (const node of [first, second]) node.core.drain(cluster.clock.now());
    cluster.run(2_000);
    expect([first.ended, second.ended]).toEqual([[{ kind: 'left' }], [{ kind: 'left' }]]);
  });

  it('ends at its deadline when rooms cannot be handed over', () => {
    const cluster = new Cluster();
    const node = cluster.livingNode('n1');
    cluster.livingNode('n2');
    cluster.run(1_500);
    rooms(node, 1);
    node.reaches = false;
    node.core.drain(cluster.clock.now());
    cluster.run(19_000, 50);
    expect(node.ended).toEqual([]);
    expect(node.core.load().rooms).toBe(1);
    cluster.run(1_500, 50);
    expect(node.ended).toEqual([{ kind: 'left' }]);
  });

  it('says that it has left once every router has answered behind what it was told', () => {
    const cluster = new Cluster();
    const first = cluster.livingNode('n1');
    cluster.livingNode('n2');
    const router = rooms(first, 1);
    const other = first.router('r2');
    first.isAnswered = false;
    first.core.drain(cluster.clock.now());
    const before = cluster.clock.now();
    cluster.run(500);
    expect(router.takeTypes()).toContain('moved');
    expect(first.pings).toEqual([router.link, other.link]);
    const answered = (link: number, askedAt = cluster.clock.now()) => {
      first.core.pong(link, askedAt, 'answered', cluster.clock.now());
      cluster.run(20);
      return stateOf(cluster, 'n1');
    };
    // An answer to an earlier question may have come before what was told since.
    expect(answered(router.link, before)).toBe('draining');
    expect(answered(router.link)).toBe('draining');
    expect(answered(router.link)).toBe('draining');
    expect(answered(other.link)).toBe('left');
    expect(first.ended).toEqual([{ kind: 'left' }]);
  });

  it('waits for no router whose link is gone, nor longer than a second for one that is silent', () => {
    const cluster = new Cluster();
    const [first, second] = [cluster.livingNode('n1'), cluster.livingNode('n2')];
    for (const node of [first, second]) {
      node.router();
      node.core.drain(cluster.clock.now());
    }
    cluster.run(500);
    expect([first.ended, second.ended]).toEqual([[], []]);
    first.core.linkDown(1, cluster.clock.now());
    cluster.run(100);
    expect([first.ended, second.ended]).toEqual([[{ kind: 'left' }], []]);
    cluster.run(HEARD_MS);
    expect(second.ended).toEqual([{ kind: 'left' }]);
  });

  it('without Redis ends too', () => {
    const cluster = new Cluster();
    const node = cluster.livingNode('n1');
    node.fate = () => 'unavailable';
    node.core.drain(cluster.clock.now());
    cluster.run(26_000, 50);
    expect(node.ended).toEqual([{ kind: 'left' }]);
  });

  it('with nothing to hand over leaves as soon as it was told', () => {
    const cluster = new Cluster();
    const node = cluster.livingNode('n1');
    cluster.livingNode('n2');
    node.core.drain(cluster.clock.now());
    cluster.run(500);
    expect(node.ended).toEqual([{ kind: 'left' }]);
  });
});

function ask(cluster: Cluster, node: TestNode, op: string, args: unknown = {}): Record<string, unknown> | null {
  let result: Return['result'] | undefined;
  new NodeCalls(node.core, () => cluster.clock.now()).handle({ type: 'call', id: 1, op, args }, (answer) => {
    result = answer;
  });
  return (result !== undefined && 'error' in result ? result.error : result?.ok) as Record<string, unknown> | null;
}

describe('a drain that was ordered', () => {
  /** n1 with rooms, and two others that could take them. */
  function cluster(count: number): { all: Cluster; first: TestNode; others: readonly TestNode[] } {
    const all = new Cluster();
    all.moves = { roomsPerSecond: 0, cooldownMs: 60_000, stepMs: 0 };
    const [first, ...others] = ['n1', 'n2', 'n3'].map((name) => all.livingNode(name)) as [TestNode, TestNode, TestNode];
    rooms(first, count);
    return { all, first, others };
  }

  it('is planned without anything being changed', () => {
    const { all, first } = cluster(30);
    const plan = ask(all, first, 'drain', { roomsPerSecond: 10, deadlineMs: 9_000, dryRun: true, by: 'ann' });
    expect(plan).toMatchObject({ state: 'planned', rooms: 30, moved: 0, left: 30, estimateMs: 3_000, by: 'ann' });
    const targets = plan?.['targets'] as Record<string, number>;
    expect(Object.keys(targets).sort()).toEqual(['n2', 'n3']);
    expect((targets['n2'] ?? 0) + (targets['n3'] ?? 0)).toBe(30);
    all.run(1_000);
    expect([ask(all, first, 'drain-status'), stateOf(all, 'n1'), first.core.draining]).toEqual([null, 'active', false]);
  });

  it('goes at its rate, and leaves the node there without rooms', () => {
    const { all, first, others } = cluster(30);
    const begun = ask(all, first, 'drain', { roomsPerSecond: 10, by: 'ann' });
    expect(begun).toMatchObject({ state: 'running', rooms: 30, left: 30, roomsPerSecond: 10 });
    all.run(500);
    const { moved: before } = ask(all, first, 'drain-status') as { moved: number };
    all.run(2_000);
    const { moved, left, pauseP99Ms } = ask(all, first, 'drain-status') as {
      moved: number;
      left: number;
      pauseP99Ms: number;
    };
    expect(moved - before).toBeGreaterThanOrEqual(19);
    expect(moved - before).toBeLessThanOrEqual(21);
    expect(moved + left).toBe(30);
    expect(pauseP99Ms).toBeGreaterThanOrEqual(0);
    all.run(2_000);
    const done = ask(all, first, 'drain-status');
    expect(done).toMatchObject({ state: 'done', moved: 30, left: 0, failed: 0, estimateMs: 0 });
    const planned = begun?.['targets'] as Record<string, number>;
    for (const { name, core } of others) expect(core.load().rooms).toBe(planned[name]);
    expect([first.ended, stateOf(all, 'n1'), first.core.draining]).toEqual([[], 'draining', true]);
  });

  it('says how long the rest takes by what it really does', () => {
    const { all, first } = cluster(60);
    first.reaches = false;
    ask(all, first, 'drain', { roomsPerSecond: 10, deadlineMs: 600_000, by: 'ann' });
    all.run(1_000);
    expect(ask(all, first, 'drain-status')).toMatchObject({ estimateMs: 6_000 });
    first.reaches = true;
    all.run(3_000);
    const { left, estimateMs } = ask(all, first, 'drain-status') as { left: number; estimateMs: number };
    expect(estimateMs).toBeGreaterThanOrEqual(left * 100);
    expect(estimateMs).toBeLessThan(left * 130);
    // As asked for it would be over in no time; not one gets there.
    first.reaches = false;
    first.cutPeers();
    all.run(10_000);
    const stuck = ask(all, first, 'drain-status') as { left: number; estimateMs: number };
    expect(stuck.estimateMs).toBeGreaterThan(stuck.left * 500);
  });

  it('is undone at any moment: while it runs, and once it is done', () => {
    const { all, first } = cluster(30);
    const router = first.router('r2');
    ask(all, first, 'drain', { roomsPerSecond: 10, by: 'ann' });
    all.run(1_000);
    const undone = ask(all, first, 'undrain', { by: 'ben' });
    expect(undone).toMatchObject({ state: 'cancelled', why: 'undone by ben', by: 'ann' });
    all.run(500);
    expect(stateOf(all, 'n1')).toBe('active');
    const { rooms: left } = first.core.load();
    all.run(2_000);
    expect(first.core.load().rooms).toBe(left);
    expect(left).toBe(undone?.['left']);
    router.open('new', [{ session: 'x', handle: 99 }]);
    expect(router.takeTypes()).toContain('opened');
    expect(ask(all, first, 'undrain', { by: 'ben' })).toBeNull();

    // Rebalancing is off: nothing is left to go.
    expect(ask(all, first, 'moves')).toMatchObject({ state: 'idle', belongElsewhere: 0 });

    ask(all, first, 'drain', { by: 'ann' });
    all.run(3_000);
    expect(ask(all, first, 'drain-status')).toMatchObject({ state: 'done', left: 0 });
    expect(ask(all, first, 'undrain', { by: 'ben' })).toMatchObject({ state: 'cancelled', left: 0 });
    all.run(500);
    expect([stateOf(all, 'n1'), first.core.draining]).toEqual(['active', false]);
  });

  it('says past its deadline what is left, keeps it, and goes on', () => {
    const { all, first } = cluster(10);
    first.reaches = false;
    first.cutPeers();
    ask(all, first, 'drain', { deadlineMs: 4_000, by: 'ann' });
    all.run(2_500, 50);
    expect(ask(all, first, 'drain-status')).toMatchObject({ state: 'running', left: 10 });
    all.run(4_000, 50);
    const late = ask(all, first, 'drain-status');
    expect(late).toMatchObject({
      state: 'late',
      why: 'its deadline has passed',
      left: 10,
      moved: 0,
    });
    expect(late?.['failed']).toBeGreaterThan(0);
    expect([first.ended, first.core.load().rooms]).toEqual([[], 10]);
    first.reaches = true;
    all.run(3_000);
    expect(ask(all, first, 'drain-status')).toMatchObject({ state: 'done', why: 'after its deadline', moved: 10 });
  });

  it('is one at a time, and the same order twice is one', () => {
    const { all, first } = cluster(10);
    ask(all, first, 'drain', { roomsPerSecond: 1, deadlineMs: 60_000, by: 'ann' });
    expect(ask(all, first, 'drain', { roomsPerSecond: 1, deadlineMs: 60_000, by: 'ben' })).toMatchObject({ by: 'ann' });
    expect(ask(all, first, 'drain', { by: 'ben' })).toMatchObject({ by: 'ann' });
    expect(ask(all, first, 'drain', { roomsPerSecond: 2, by: 'ben' })).toMatchObject({ code: 'conflict' });
  });

  it('needs somebody else who could take the rooms', () => {
    const all = new Cluster();
    const first = all.livingNode('n1');
    rooms(first, 1);
    expect(ask(all, first, 'drain', { by: 'ann' })).toMatchObject({ code: 'conflict' });
    expect(ask(all, first, 'drain', { roomsPerSecond: -1, by: 'ann' })).toMatchObject({ code: 'bad_request' });
    expect(first.core.draining).toBe(false);
  });

  it('ends the node where it says so, and gives way to being told to end, which cannot be undone', () => {
    const { all, first, others } = cluster(10);
    ask(all, first, 'drain', { leave: true, by: 'ann' });
    expect(ask(all, first, 'undrain', { by: 'ann' })).toMatchObject({ code: 'conflict' });
    all.run(4_000);
    expect([first.ended, stateOf(all, 'n1')]).toEqual([[{ kind: 'left' }], 'left']);
    const [second] = others;
    if (second === undefined) throw new Error('there is no n2');
    ask(all, second, 'drain', { roomsPerSecond: 0.1, by: 'ann' });
    all.run(1_000);
    second.core.drain(all.clock.now());
    expect(ask(all, second, 'drain-status')).toMatchObject({ by: 'sigterm' });
    all.run(4_000);
    expect(second.ended).toEqual([{ kind: 'left' }]);
    const { entries } = all.directory.execute('readAudit', { limit: 9 }, 0);
    expect(entries).toMatchObject([{ by: 'sigterm', action: 'drain', node: 'n2' }]);
  });

  it('that ends the node some day gives way to being told to end now', () => {
    const { all, first } = cluster(1);
    first.reaches = false;
    first.cutPeers();
    ask(all, first, 'drain', { leave: true, roomsPerSecond: 1, deadlineMs: 3_600_000, by: 'ann' });
    all.run(1_000);
    first.core.drain(all.clock.now());
    expect(ask(all, first, 'drain-status')).toMatchObject({ by: 'sigterm' });
    all.run(10_000, 50);
    first.core.drain(all.clock.now());
    all.run(11_500, 50);
    expect(first.ended).toEqual([{ kind: 'left' }]);
  });

  it('of a node that is told to end waits for no other, and for a takeover only while there is time', () => {
    const { all, first, others } = cluster(10);
    const [second, third] = others;
    if (second === undefined || third === undefined) throw new Error('there are three nodes');
    ask(all, second, 'drain', { by: 'ann' });
    all.nodes.splice(all.nodes.indexOf(third), 1);
    const { gen = '' } = all.directory.execute('readCluster', {}, 0);
    const by = { kind: 'proof', how: 'reaped' } as const;
    all.directory.execute('certify', { node: 'n3', incarnation: third.incarnation, by, runId: 'run-1', gen }, 0);
    all.run(500);
    // Twenty seconds are left: none to lose. Only n2 is there, which drains: nobody can take the rooms.
    ask(all, second, 'undrain', { by: 'ann' });
    all.run(500);
    first.core.drain(all.clock.now());
    all.run(1_500);
    expect([first.ended, second.core.load().rooms]).toEqual([[{ kind: 'left' }], 10]);
  });

  it('is told again where a history was lost', () => {
    const { all, first } = cluster(3);
    ask(all, first, 'drain', { by: 'ann' });
    all.run(3_000);
    all.directory.restart({ runId: 'run-2', data: 'empty' });
    all.run(8_000);
    expect(stateOf(all, 'n1')).toBe('draining');
  });
});
