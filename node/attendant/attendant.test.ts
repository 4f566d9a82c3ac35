/** What is different about a node that attends a server: its rest, what its rooms cannot do, and what does not move with them. */
import { describe, expect, it } from 'vitest';
import type { Return } from '../../shared/link/messages.ts';
import { NodeCalls } from '../calls.ts';
import { Cluster, type TestNode } from '../core-fixture.ts';

const ATTENDS = { attends: 'ws://127.0.0.1:1234/{room}' };

function ask(cluster: Cluster, node: TestNode, op: string, args: unknown): unknown {
  let result: Return['result'] | undefined;
  new NodeCalls(node.core, () => cluster.clock.now()).handle({ type: 'call', id: 1, op, args }, (answer) => {
    result = answer;
  });
  cluster.settle();
  return result !== undefined && 'error' in result ? result.error : result?.ok;
}

async function stateOf(cluster: Cluster, node: string): Promise<string | undefined> {
  const { nodes } = cluster.directory.execute('readCluster', {}, cluster.clock.now().wallMs);
  return nodes?.find((one) => one.node === node)?.state;
}

describe('an attendant whose server is ill', () => {
  it('closes its rooms, gives them up and is shown as draining, until the server is well', async () => {
    const cluster = new Cluster();
    const node = cluster.livingNode('y1', undefined, ATTENDS);
    const router = node.router();
    router.open('doc', [{ session: 'a' }]);
    expect(router.takeTypes()).toContain('opened');
    node.core.standby.rest();
    cluster.run(200);
    expect(router.take().find(({ type }) => type === 'gone')).toMatchObject({ code: 1012 });
    expect(await stateOf(cluster, 'y1')).toBe('draining');
    const { record } = cluster.directory.execute('readRoom', { room: 'doc' }, 0) as { record: { owner?: unknown } };
    expect(record.owner).toBeUndefined();
    router.open('doc', [{ session: 'b', handle: 2 }]);
    expect(router.take()).toMatchObject([{ type: 'refused', session: 2, reason: 'draining' }]);

    node.core.standby.serve();
    cluster.run(200);
    expect(await stateOf(cluster, 'y1')).toBe('active');
    router.open('doc', [{ session: 'b', handle: 2 }]);
    expect(router.takeTypes()).toContain('opened');
    expect(node.ended).toEqual([]);
  });

  it('says so again where what it said was lost, or its record was written anew', async () => {
    const cluster = new Cluster();
    const node = cluster.livingNode('y1', undefined, ATTENDS);
    let lost = 0;
    node.fate = (operation) => (operation === 'setState' && ++lost < 3 ? 'unavailable' : undefined);
    node.core.standby.rest();
    cluster.run(500);
    expect([lost, await stateOf(cluster, 'y1')]).toEqual([3, 'draining']);
    node.core.ownRecord.registered(cluster.clock.now());
    cluster.run(100);
    expect(lost).toBe(4);
  });

  it('may drain in the end', async () => {
    const cluster = new Cluster();
    const node = cluster.livingNode('y1', undefined, ATTENDS);
    node.core.standby.rest();
    cluster.run(100);
    node.core.drain(cluster.clock.now());
    cluster.run(3_000);
    expect(node.ended).toEqual([{ kind: 'left' }]);
  });
});

describe('an attended room', () => {
  it('can be neither spoken to nor read, but its members can', () => {
    const cluster = new Cluster();
    const node = cluster.livingNode('y1', undefined, ATTENDS);
    const router = node.router();
    router.open('doc', [{ session: 'a' }]);
    for (const op of ['publish', 'direct', 'messages']) {
      expect(ask(cluster, node, op, { room: 'doc', data: 1, session: 'a' })).toMatchObject({ code: 'unsupported' });
    }
    expect(ask(cluster, node, 'presence', { room: 'doc' })).toMatchObject({ count: 1, members: [{ user: 'u-a' }] });
    expect(ask(cluster, node, 'kick', { room: 'doc', session: 'a' })).toEqual({ closed: true });
    expect(router.take().at(-1)).toMatchObject({ type: 'close-client', session: 1 });
  });

  it('is handed over without its members, whose sockets cannot follow', () => {
    const cluster = new Cluster();
    const from = cluster.livingNode('y1', undefined, ATTENDS);
    const to = cluster.livingNode('y2', undefined, ATTENDS);
    const router = from.router();
    router.open('doc', [{ session: 'a' }]);
    cluster.run(1_500);
    expect(from.core.moveRoom('doc', 'y2', cluster.clock.now())).toBeUndefined();
    cluster.run(1_000);
    expect(router.take().at(-1)).toMatchObject({ type: 'moved', to: { node: 'y2' } });
    expect(ask(cluster, to, 'presence', { room: 'doc' })).toMatchObject({ count: 0 });
  });

  it('begins with nobody after a takeover, where another room waits for its members', () => {
    for (const [more, count] of [
      [ATTENDS, 0],
      [{}, 1],
    ] as const) {
      const cluster = new Cluster();
      const first = cluster.livingNode('y1', undefined, more);
      first.router().open('doc', [{ session: 'a' }]);
      cluster.run(500);
      cluster.nodes.splice(0);
      const { runId, gen = '' } = cluster.directory.execute('readCluster', {}, 0);
      const by = { kind: 'proof', how: 'test' } as const;
      cluster.directory.execute('certify', { node: 'y1', incarnation: first.incarnation, by, runId, gen }, 0);
      const second = cluster.livingNode('y2', undefined, more);
      second.router().open('doc', [{ session: 'b', user: 'bob' }]);
      cluster.run(100);
      expect(ask(cluster, second, 'presence', { room: 'doc' })).toMatchObject({ count: count + 1 });
    }
  });
});
