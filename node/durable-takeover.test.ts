/** A durable room whose owner is certified, at its next owner: what is asked of Redis, and when. */
import { describe, expect, it } from 'vitest';
import type { Operation } from '../shared/directory/directory.ts';
import { Cluster, type TestNode, texts } from './core-fixture.ts';

const ROOM = 'room';

/** n1 had the room, in which `a` has said 0 … 29; n2 is there, and what it asks is written down.
 *  @param recentBytesMax  what n2 may remember */
function lost(recentBytesMax?: number) {
  const cluster = new Cluster(true);
  cluster.recentMax = 20;
  const first = cluster.livingNode('n1');
  const router = first.router();
  router.open(ROOM, [{ session: 'a' }]);
  for (let at = 0; at < 30; at++) router.frame(1, at + 1, at);
  cluster.run(300);
  const tag = String(texts(router.take()).find((one) => one['type'] === 'message')?.['tag']);
  cluster.nodes.splice(cluster.nodes.indexOf(first), 1);
  const { runId, gen } = first.core.lease;
  const by = { kind: 'proof', how: 'test' } as const;
  const args = { node: first.name, incarnation: first.incarnation, by, runId: runId ?? '', gen: gen ?? '' };
  cluster.directory.execute('certify', args, cluster.clock.now().wallMs);
  cluster.recentBytesMax = recentBytesMax;
  const second = cluster.livingNode('n2');
  return { cluster, first, second, tag, asked: asked(second) };
}

function asked(node: TestNode): Operation[] {
  const operations: Operation[] = [];
  node.fate = (operation) => {
    if (operation !== 'heartbeat' && operation !== 'readCluster') operations.push(operation);
    return undefined;
  };
  return operations;
}

const seqs = (all: Parameters<typeof texts>[0]) =>
  texts(all)
    .filter((one) => one['type'] === 'message')
    .map((one) => one['seq']);

const upTo = (head: number, count: number) => Array.from({ length: count }, (_, at) => head - count + 1 + at);

describe('a takeover', () => {
  it('asks about the lost owner with the record, who was present with the claim, and for the log in the claim', () => {
    const { second, first, tag, asked } = lost();
    const router = second.router();
    const { name: node, incarnation } = first;
    router.say({
      ...{ type: 'open', room: ROOM, floor: 0, cursor: { seq: 28, tag }, lost: { node, incarnation } },
      sessions: [{ handle: 1, session: 'a', user: 'u-a', seat: 1, kind: 'rebind', since: 1 }],
    });
    expect(asked.slice(0, 4)).toEqual(['readRoom', 'standing', 'readPresence', 'claim']);
    expect(asked).not.toContain('openLog');
    const sent = router.take();
    expect(seqs(sent)).toEqual([29, 30]);
    expect(sent.find((one) => one.type === 'opened')).toMatchObject({ verdict: 'resumed' });
  });

  it('reads the log for a cursor that the claim’s part of it does not reach', () => {
    const { second, tag, asked } = lost();
    const router = second.router();
    router.open(ROOM, [{ session: 'a', kind: 'rebind' }], { cursor: { seq: 3, tag } });
    expect(asked).toContain('readLog');
    expect(seqs(router.take())).toEqual(upTo(30, 27));
  });

  it('gives whoever asks for the last messages as many as there are', () => {
    const { second } = lost();
    const router = second.router();
    router.open(ROOM, [{ session: 'b', history: 18 }]);
    expect(seqs(router.take())).toEqual(upTo(30, 18));
  });

  it('by a node that may remember no more gives them from the log, also once memory was filled up', () => {
    const { cluster, second } = lost(1);
    const router = second.router();
    router.open(ROOM, [{ session: 'a', kind: 'rebind' }]);
    cluster.run(3_000);
    expect(second.core.rooms.held(ROOM)?.carry().entries).toHaveLength(1);
    router.take();
    router.open(ROOM, [{ session: 'b', handle: 2, history: 18 }]);
    expect(seqs(router.take())).toEqual(upTo(30, 18));
  });

  it('fills memory up a moment later, and then once', () => {
    const { cluster, second, asked } = lost();
    const router = second.router();
    router.open(ROOM, [{ session: 'a', kind: 'rebind' }]);
    const room = second.core.rooms.held(ROOM);
    expect(room?.carry().entries).toHaveLength(16);
    router.frame(1, 31, 'more');
    cluster.run(1_200);
    expect(room?.carry().entries.map(({ seq }) => seq)).toEqual(upTo(31, 20));
    const count = asked.filter((operation) => operation === 'readLog').length;
    expect(count).toBe(1);
    cluster.run(3_000);
    router.open(ROOM, [{ session: 'b', handle: 2, history: 20 }]);
    expect(asked.filter((operation) => operation === 'readLog')).toHaveLength(count);
  });
});
