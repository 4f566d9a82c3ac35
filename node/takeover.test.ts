/** What a change of owner leaves as it was, whether by handover or after a death: what clients and backends were told before still holds. */
import { describe, expect, it } from 'vitest';
import type { LinkMessage, Return } from '../shared/link/messages.ts';
import { DEFAULT_TIMINGS } from '../shared/timing.ts';
import { NodeCalls } from './calls.ts';
import { Cluster, type TestNode, texts } from './core-fixture.ts';
import type { ProgramFactory } from './program.ts';

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

/** A backend's publish under a key. @returns where its answer will stand */
function publish(cluster: Cluster, node: TestNode, data: unknown, key?: string): { result?: Return['result'] } {
  const answer: { result?: Return['result'] } = {};
  const args = { room: ROOM, data, ...(key === undefined ? {} : { key }) };
  new NodeCalls(node.core, () => cluster.clock.now()).handle({ type: 'call', id: 1, op: 'publish', args }, (result) => {
    answer.result = result;
  });
  node.core.turnEnd();
  cluster.settle();
  return answer;
}

function said(cluster: Cluster): string[] {
  const args = { room: ROOM, after: 0, limit: 1_000, bytesMax: 1_000_000 };
  const reply = cluster.directory.execute('readLog', args, cluster.clock.now().wallMs);
  return reply.kind === 'log' ? reply.entries.map((entry) => `${entry.seq}:${entry.data}`) : [];
}

describe('a backend that asks again under its key gets the answer that it got before', () => {
  function asked(isDurable = true) {
    const cluster = new Cluster(isDurable);
    const node = cluster.livingNode('n1');
    node.router().open(ROOM, [{ session: 'a' }]);
    const first = publish(cluster, node, 'once', 'key');
    const epoch = node.core.rooms.held(ROOM)?.epoch;
    expect(first.result).toEqual({ ok: { seq: 1, epoch } });
    publish(cluster, node, 'other', 'another key');
    return { cluster, node, first: first.result };
  }

  it('from the next owner after a takeover', () => {
    const { cluster, node, first } = asked();
    certify(cluster, node);
    const next = cluster.livingNode('n2');
    expect(publish(cluster, next, 'once', 'key').result).toEqual(first);
    expect(said(cluster)).toEqual(['1:"once"', '2:"other"']);
  });

  it('also where the first owner could not answer: it died between the append and its answer', () => {
    const cluster = new Cluster(true);
    const node = cluster.livingNode('n1');
    node.router().open(ROOM, [{ session: 'a' }]);
    const epoch = node.core.rooms.held(ROOM)?.epoch;
    node.fate = (operation) => (operation === 'append' ? 'reply-lost' : undefined);
    expect(publish(cluster, node, 'once', 'key').result).toBeUndefined();
    certify(cluster, node);
    const next = cluster.livingNode('n2');
    expect(publish(cluster, next, 'once', 'key').result).toEqual({ ok: { seq: 1, epoch } });
    expect(said(cluster)).toEqual(['1:"once"']);
  });

  it.each([true, false])('from the next owner after a handover (durable: %s)', (isDurable) => {
    const { cluster, node, first } = asked(isDurable);
    const next = cluster.livingNode('n2');
    cluster.run(1_500);
    expect(node.core.moveRoom(ROOM, 'n2', cluster.clock.now())).toBeUndefined();
    cluster.run(300);
    expect(publish(cluster, next, 'once', 'key').result).toEqual(first);
    expect(next.core.rooms.held(ROOM)?.head).toBe(2);
  });

  it('after Redis lost its data, from the next owner: the one before had put the keys back', () => {
    const { cluster, node, first } = asked();
    cluster.directory.restart({ runId: 'run-2', data: 'empty' });
    cluster.run(2 * DEFAULT_TIMINGS.graceMs, 50);
    expect(publish(cluster, node, 'once', 'key').result).toEqual(first);
    certify(cluster, node);
    const next = cluster.livingNode('n2');
    expect(publish(cluster, next, 'once', 'key').result).toEqual(first);
    expect(said(cluster)).toEqual(['1:"once"', '2:"other"']);
  });
});

it('a backend is told the epoch under which its publish was logged, not the one under which it came', () => {
  const cluster = new Cluster(true);
  const node = cluster.livingNode('n1');
  node.router().open(ROOM, [{ session: 'a' }]);
  const before = node.core.rooms.held(ROOM)?.epoch ?? 0;
  node.fate = (operation) => (operation === 'append' ? 'lost' : undefined);
  const answer = publish(cluster, node, 'x');
  node.core.lease.wentBack(cluster.clock.now());
  node.fate = () => undefined;
  cluster.run(500);
  const after = node.core.rooms.held(ROOM)?.epoch ?? 0;
  expect(after).toBeGreaterThan(before);
  expect(answer.result).toEqual({ ok: { seq: 1, epoch: after } });
});

it('a sender that the log knows and that has not come back is known to the next owner but one, after a takeover and a handover', () => {
  const counter: ProgramFactory = (_room, state) => {
    let count = (state as number | undefined) ?? 0;
    return { message: (_publish, room) => room.broadcast(++count), state: () => count };
  };
  const cluster = new Cluster(true);
  const node = cluster.livingNode('n1', counter);
  const router = node.router();
  router.open(ROOM, [{ session: 'a' }, { session: 'b' }]);
  router.frame(1, 1, 'x');
  router.frame(2, 1, 'x');
  certify(cluster, node);
  const second = cluster.livingNode('n2', counter);
  // Only b comes back there.
  second.router('r2').open(ROOM, [{ session: 'b', kind: 'rebind' }]);
  const third = cluster.livingNode('n3', counter);
  // The room belongs on the node that was added, and goes there by itself.
  cluster.run(3_000);
  expect([second, third].map(({ core }) => core.rooms.get(ROOM)?.ownership.held !== undefined)).toEqual([false, true]);
  const last = third.router('r3');
  last.open(ROOM, [{ session: 'a', kind: 'resume', seat: 2 }]);
  expect(events(last.take(), 'welcome')[0]).not.toHaveProperty('forgotten');
  last.frame(1, 1, 'x', 1);
  last.frame(1, 2, 'y', 2);
  expect(said(cluster)).toEqual(['1:1', '2:2', '3:3']);
});
