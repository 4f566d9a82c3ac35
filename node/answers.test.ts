/** Links that are lost with what a client was answered: its publish has an outcome all the same. */
import { expect, it } from 'vitest';
import type { LinkMessage, OpenSession } from '../shared/link/messages.ts';
import { Cluster, type TestNode, type TestRouter, texts } from './core-fixture.ts';

const ROOM = 'room';

const events = (all: readonly LinkMessage[], type: string) => texts(all).filter((event) => event['type'] === type);

function seated(isDurable: boolean) {
  const cluster = new Cluster(isDurable);
  const node = cluster.livingNode('n1');
  const router = node.router('r1');
  router.open(ROOM, [{ session: 'a' }]);
  router.frame(1, 1, 'x');
  router.take();
  return { cluster, node, router };
}

/** The router at `node` binds anew after its link broke, and has the acks of all frames up to `acked`. */
function rebound(cluster: Cluster, node: TestNode, router: TestRouter, acked?: number): LinkMessage[] {
  node.core.linkDown(router.link, cluster.clock.now());
  const again = node.router('r1');
  const session: Partial<OpenSession> & { session: string } = { session: 'a', kind: 'rebind' };
  again.open(ROOM, [{ ...session, ...(acked === undefined ? {} : { acked }) }]);
  return again.take();
}

it.each([true, false])('an ack of what nobody echoes is repeated to who cannot have it (durable: %s)', (isDurable) => {
  const { cluster, node, router } = seated(isDurable);
  router.frame(1, 2, 'x', 1);
  expect(events(router.take(), 'ack')).toEqual([{ type: 'ack', id: 1, seq: 1 }]);
  const sent = rebound(cluster, node, router, 1);
  const opened = sent.findIndex((one) => one.type === 'opened');
  expect(sent[opened]).toMatchObject({ cseq: 2 });
  expect(events(sent, 'ack')).toEqual([{ type: 'ack', id: 1, seq: 1 }]);
  // OPENED acks its frame: should the link break between the two, it would be lost behind it.
  expect(events(sent.slice(0, opened), 'ack')).toHaveLength(1);
});

it.each([true, false])('so is an error, and nothing that the router has acks of (durable: %s)', (isDurable) => {
  const { cluster, node, router } = seated(isDurable);
  const payload = (id: number) => Buffer.from(`{"type":"publish","id":${id},"data":}`);
  router.say({ type: 'client-frame', session: 1, cseq: 2, resent: false, payload: payload(2) });
  router.say({ type: 'client-frame', session: 1, cseq: 3, resent: false, payload: payload(3) });
  const told = events(router.take(), 'error');
  expect(told).toHaveLength(2);
  expect(events(rebound(cluster, node, router, 2), 'error')).toEqual(told.slice(1));
  // Of an earlier version, which does not say what it has.
  expect(events(rebound(cluster, node, router), 'error')).toEqual([]);
});

it('what is settled while its session has no link is told once it has one', () => {
  const { cluster, node, router } = seated(true);
  node.fate = (operation) => (operation === 'append' ? 'unavailable' : undefined);
  // Said before, in a message that has left the memory.
  for (let cseq = 2; cseq <= 14; cseq++) router.frame(1, cseq, cseq);
  node.fate = () => undefined;
  cluster.run(300);
  router.take();
  node.fate = (operation) => (operation === 'append' ? 'unavailable' : undefined);
  router.frame(1, 15, 'x', 1);
  node.core.linkDown(router.link, cluster.clock.now());
  node.fate = () => undefined;
  cluster.run(300);
  expect(events(rebound(cluster, node, router, 14), 'ack')).toEqual([{ type: 'ack', id: 1, seq: 1 }]);
});

it('a refusal is repeated though its frame was acked before it, and not for ever', () => {
  const { cluster, node, router } = seated(true);
  router.open(ROOM, [{ session: 'b', handle: 2 }]);
  node.fate = (operation) => (operation === 'append' ? 'unavailable' : undefined);
  router.frame(2, 1, 'in flight');
  router.frame(1, 2, 'refused', 2);
  cluster.run(10_500);
  const refusal = [expect.objectContaining({ code: 'redis_unavailable', id: 2 })];
  expect(events(router.take(), 'error')).toEqual(refusal);
  expect(events(rebound(cluster, node, router, 2), 'error')).toEqual(refusal);
  node.fate = () => undefined;
  cluster.run(130_000, 500);
  expect(events(rebound(cluster, node, router, 2), 'error')).toEqual([]);
});

it('a handover carries what may not have been heard', () => {
  const { cluster, node, router } = seated(true);
  const next = cluster.livingNode('n2');
  cluster.run(1_500);
  router.frame(1, 2, 'x', 1);
  node.core.linkDown(router.link, cluster.clock.now());
  expect(node.core.moveRoom(ROOM, 'n2', cluster.clock.now())).toBeUndefined();
  cluster.run(300);
  expect(next.core.rooms.held(ROOM)).toBeDefined();
  const there = next.router('r1');
  there.open(ROOM, [{ session: 'a', kind: 'rebind', acked: 1 }]);
  expect(events(there.take(), 'ack')).toEqual([{ type: 'ack', id: 1, seq: 1 }]);
});

it('another socket of the session is told nothing of what the one before it asked', () => {
  const { cluster, node, router } = seated(true);
  router.frame(1, 2, 'x', 1);
  const other = node.router('r2');
  other.open(ROOM, [{ session: 'a', handle: 5, kind: 'resume', seat: 2 }]);
  other.take();
  node.core.linkDown(other.link, cluster.clock.now());
  const again = node.router('r2');
  again.open(ROOM, [{ session: 'a', handle: 5, kind: 'rebind', seat: 2, acked: 0 }]);
  expect(events(again.take(), 'ack')).toEqual([]);
});
