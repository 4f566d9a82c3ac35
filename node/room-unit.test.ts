/** What a program says to one publish is one thing to its log: all of it or nothing, and of a publish that was refused the program has
 *  heard nothing. */
import { describe, expect, it } from 'vitest';
import type { LinkMessage } from '../shared/link/messages.ts';
import { type Cluster, oneNode, ROOM, type TestNode, texts } from './core-fixture.ts';
import type { Json, ProgramFactory } from './program.ts';
import { UNIT_ITEMS_MAX } from './room-speech.ts';

const events = (all: readonly LinkMessage[], type: string) => texts(all).filter((event) => event['type'] === type);

function said(cluster: Cluster): string[] {
  const args = { room: ROOM, after: 0, limit: 1_000, bytesMax: 1_000_000 };
  const reply = cluster.directory.execute('readLog', args, cluster.clock.now().wallMs);
  return reply.kind === 'log' ? reply.entries.map((entry) => entry.data) : [];
}

function snapshot(cluster: Cluster): unknown {
  const args = { room: ROOM, last: 0, bytesMax: 1 };
  const state = cluster.directory.execute('openLog', args, cluster.clock.now().wallMs).snapshot?.state;
  return state === undefined ? undefined : JSON.parse(state);
}

function certify(cluster: Cluster, node: TestNode): void {
  cluster.nodes.splice(cluster.nodes.indexOf(node), 1);
  const { runId, gen } = node.core.lease;
  const by = { kind: 'proof', how: 'test' } as const;
  const args = { node: node.name, incarnation: node.incarnation, by, runId: runId ?? '', gen: gen ?? '' };
  expect(cluster.directory.execute('certify', args, cluster.clock.now().wallMs)).toMatchObject({ kind: 'certified' });
}

/** Remembers what it heard, and says each publish in as many parts as the publish says. */
const parts: ProgramFactory = (_room, state) => {
  const heard = [...((state as Json[] | undefined) ?? [])];
  return {
    message({ data }, room) {
      heard.push(data);
      for (let part = 1; part <= Number(data); part++) room.broadcast(`${data}/${part}`);
    },
    join: ({ session }) => void heard.push(`+${session}`),
    leave: ({ session }) => void heard.push(`-${session}`),
    state: () => heard,
  };
};

describe('what a program says to one publish', () => {
  it('is in one batch, whatever waits beside it: a new owner finds all of it or calls its program anew', () => {
    const { cluster, node, router } = oneNode(['a', 'b', 'c'], parts);
    node.fate = (operation) => (operation === 'append' ? 'unavailable' : undefined);
    router.frame(1, 1, 40);
    router.frame(2, 1, 50);
    router.frame(3, 1, 60);
    // One batch passes, and its owner dies before the next.
    let appends = 0;
    node.fate = (operation) => (operation === 'append' && ++appends > 1 ? 'lost' : undefined);
    cluster.run(300);
    const before = said(cluster);
    expect([before.length, before.at(-1)]).toEqual([40, '"40/40"']);
    expect(snapshot(cluster)).toEqual(['+a', '+b', '+c', 40]);
    certify(cluster, node);
    const second = cluster.livingNode('n2', parts).router();
    second.open(
      ROOM,
      ['a', 'b', 'c'].map((session) => ({ session, kind: 'rebind' as const })),
    );
    second.frame(1, 1, 40, 1, true);
    second.frame(2, 1, 50, 1, true);
    second.frame(3, 1, 60, 1, true);
    cluster.run(100);
    expect(said(cluster)).toHaveLength(40 + 50 + 60);
    expect(new Set(said(cluster)).size).toBe(40 + 50 + 60);
  });

  it('is refused as a whole where it is more than is appended at once', () => {
    const { cluster, router } = oneNode(['a'], parts);
    router.frame(1, 1, UNIT_ITEMS_MAX + 1);
    expect(events(router.take(), 'error')).toMatchObject([{ code: 'too_large', id: 1 }]);
    expect(said(cluster)).toEqual([]);
    router.frame(1, 2, UNIT_ITEMS_MAX);
    expect(said(cluster)).toHaveLength(UNIT_ITEMS_MAX);
  });
});

describe('a publish that was refused', () => {
  it('was not heard by its program, which hears the others in their order, with who came and went between', () => {
    const { cluster, node, router } = oneNode(['a', 'b', 'c'], parts);
    node.fate = (operation) => (operation === 'append' ? 'unavailable' : undefined);
    router.frame(1, 1, 1);
    cluster.run(100);
    router.frame(2, 1, 2);
    router.open(ROOM, [{ session: 'd', handle: 4 }]);
    router.say({ type: 'close-session', session: 3, how: 'left' });
    cluster.run(10_000);
    expect(events(router.take(), 'error')).toMatchObject([{ code: 'redis_unavailable', id: 1 }]);
    router.frame(2, 2, 3);
    node.fate = () => undefined;
    cluster.run(500);
    expect(said(cluster)).toEqual(['"1/1"', '"3/1"', '"3/2"', '"3/3"']);
    expect(snapshot(cluster)).toEqual(['+a', '+b', '+c', 1, '+d', '-c', 3]);
  });

  it('does not hold the program’s timers back for longer than it would have waited', () => {
    const make: ProgramFactory = () => ({
      open: (room) => room.setTimer('tick', 1_000),
      timer(_name, room) {
        room.setTimer('tick', 1_000);
        room.broadcast('tick');
      },
      message: (publish, room) => room.relay(publish),
    });
    const { cluster, node, router } = oneNode(['a', 'b'], make);
    node.fate = (operation) => (operation === 'append' ? 'unavailable' : undefined);
    router.frame(1, 1, 'in flight');
    router.frame(2, 1, 'waits, and its sender is away');
    router.say({ type: 'close-session', session: 2, how: 'broken' });
    cluster.run(14_500);
    node.fate = () => undefined;
    cluster.run(300);
    expect(said(cluster).slice(0, 2)).toEqual(['"in flight"', '"waits, and its sender is away"']);
    expect(said(cluster).slice(2)).toEqual(new Array(5).fill('"tick"'));
  });
});

it('words that a program says by itself keep their order with what it says to publishes', () => {
  let speak = (_text: string) => {};
  const make: ProgramFactory = () => ({
    open(room) {
      speak = (text) => room.broadcast(text);
    },
    message: ({ data }, room) => room.broadcast(data),
  });
  const { cluster, node, router } = oneNode(['a'], make);
  node.fate = (operation) => (operation === 'append' ? 'unavailable' : undefined);
  router.frame(1, 1, 'first');
  router.frame(1, 2, 'second');
  speak('third');
  router.frame(1, 3, 'fourth');
  node.fate = () => undefined;
  cluster.run(300);
  expect(said(cluster)).toEqual(['"first"', '"second"', '"third"', '"fourth"']);
});
