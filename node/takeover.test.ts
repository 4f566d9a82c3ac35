/** What a change of owner leaves as it was, whether by handover or after a death: what clients and backends were told before still holds. */
import { expect, it } from 'vitest';
import type { LinkMessage } from '../shared/link/messages.ts';
import { Cluster, type TestNode, texts } from './core-fixture.ts';

const ROOM = 'room';

const events = (all: readonly LinkMessage[], type: string) => texts(all).filter((event) => event['type'] === type);

function certify(cluster: Cluster, node: TestNode): void {
  cluster.nodes.splice(cluster.nodes.indexOf(node), 1);
  const { runId, gen } = node.core.lease;
  const by = { kind: 'proof', how: 'test' } as const;
  const args = { node: node.name, incarnation: node.incarnation, by, runId: runId ?? '', gen: gen ?? '' };
  expect(cluster.directory.execute('certify', args, cluster.clock.now().wallMs)).toMatchObject({ kind: 'certified' });
}

it.each([true, false])('the version of the members does not go back (durable: %s)', (isDurable) => {
  const cluster = new Cluster(isDurable);
  const node = cluster.livingNode('n1');
  const router = node.router();
  router.open(ROOM, [{ session: 'a' }, { session: 'b' }, { session: 'c' }]);
  router.say({ type: 'close-session', session: 3, how: 'left' });
  const before = texts(router.take()).flatMap((event) => event['version'] ?? []) as number[];
  expect(before).toEqual([...before].sort((x, y) => x - y));
  expect(new Set(before).size).toBeGreaterThan(3);
  certify(cluster, node);
  const second = cluster.livingNode('n2').router();
  second.open(ROOM, [{ session: 'a', kind: 'rebind' }]);
  const [presence] = events(second.take(), 'presence');
  expect(presence?.['version']).toBeGreaterThan(before.at(-1) ?? Number.POSITIVE_INFINITY);
});
