import { describe, expect, it } from 'vitest';
import { Cluster } from './core-fixture.ts';
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
