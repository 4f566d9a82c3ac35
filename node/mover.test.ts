/** Planned moves on an injected clock: which rooms go, in which order, how fast, and when none does. */
import { describe, expect, it } from 'vitest';
import type { Return } from '../shared/link/messages.ts';
import { Placement } from '../shared/placement.ts';
import { NodeCalls } from './calls.ts';
import { Cluster, type TestNode, type TestRouter } from './core-fixture.ts';

const placement = new Placement(Buffer.alloc(16, 1));

function ask<T = Record<string, unknown>>(cluster: Cluster, node: TestNode, op: string, args: unknown = {}): T {
  let result: Return['result'] | undefined;
  new NodeCalls(node.core, () => cluster.clock.now()).handle({ type: 'call', id: 1, op, args }, (answer) => {
    result = answer;
  });
  return (result !== undefined && 'error' in result ? result.error : result?.ok) as T;
}

/** Opens `room-1` … at a node. */
function open(node: TestNode, count: number): TestRouter {
  const router = node.router();
  for (let n = 1; n <= count; n++) router.open(`room-${n}`, [{ session: `s${n}`, handle: n }]);
  return router;
}

const held = (node: TestNode) =>
  [...node.core.rooms.all()].filter(({ ownership }) => ownership.held).map((one) => one.name);
const recordOf = (cluster: Cluster, node: string) =>
  cluster.directory.execute('readCluster', {}, 0).nodes?.find((one) => one.node === node);
const pin = (cluster: Cluster, room: string, node: string) =>
  cluster.directory.execute('setPin', { pin: { room, node, by: 'ann', at: 1 } }, 0);

describe('a node that joins', () => {
  it('takes its weight in ten steps, and the rooms that placement gives it, each once', () => {
    const cluster = new Cluster();
    const first = cluster.livingNode('n1');
    const router = open(first, 200);
    router.take();
    const second = cluster.node('n2');
    const weights = new Set<number>();
    for (let i = 0; i < 300; i++) {
      cluster.run(100);
      const weight = recordOf(cluster, 'n2')?.weight;
      if (weight !== undefined) weights.add(weight);
    }
    expect([...weights]).toEqual([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]);
    const both = [
      { node: 'n1', weight: 1 },
      { node: 'n2', weight: 1 },
    ];
    const wanted = Array.from({ length: 200 }, (_, i) => `room-${i + 1}`).filter(
      (room) => placement.first(room, both) === 'n2',
    );
    expect(held(second).sort()).toEqual(wanted.sort());
    expect(router.takeTypes().filter((type) => type === 'moved')).toHaveLength(wanted.length);
    expect(ask(cluster, first, 'moves')).toMatchObject({
      state: 'idle',
      moved: wanted.length,
      failed: 0,
      belongElsewhere: 0,
    });
    expect(ask(cluster, second, 'moves')).toMatchObject({ moved: 0 });
  });

  it('takes it all at once where nobody serves rooms yet, or where steps are off', () => {
    const cluster = new Cluster();
    cluster.livingNode('n1');
    cluster.livingNode('n2');
    expect(recordOf(cluster, 'n2')?.weight).toBe(1);
    open(cluster.nodes[0] ?? cluster.node('x'), 3);
    cluster.run(500);
    cluster.moves = { ...cluster.moves, stepMs: 0 };
    cluster.livingNode('n3');
    expect(recordOf(cluster, 'n3')?.weight).toBe(1);
  });

  it('gets a room that belongs to it in the end from where it is, though another is nearer meanwhile', () => {
    const cluster = new Cluster();
    cluster.moves = { roomsPerSecond: 500, cooldownMs: 60_000, stepMs: 500 };
    const [first, second] = [cluster.livingNode('n1'), cluster.livingNode('n2')];
    const names = Array.from({ length: 120 }, (_, i) => `room-${i + 1}`);
    for (const room of names) pin(cluster, room, 'n1');
    open(first, names.length);
    cluster.run(500);
    const third = cluster.node('n3');
    while (recordOf(cluster, 'n3')?.weight !== 0.1) cluster.run(20);
    for (const room of names) cluster.directory.execute('removePin', { pinned: room }, 0);
    cluster.run(8_000);
    for (const node of [second, third]) expect(ask(cluster, node, 'moves')).toMatchObject({ state: 'idle', moved: 0 });
    const all = ['n1', 'n2', 'n3'].map((node) => ({ node, weight: 1 }));
    for (const node of [first, second, third]) {
      for (const room of held(node)) expect([room, placement.first(room, all)]).toEqual([room, node.name]);
    }
  });

  it('waits with its next step while moves are paused', () => {
    const cluster = new Cluster();
    const first = cluster.livingNode('n1');
    open(first, 5);
    cluster.run(500);
    const second = cluster.livingNode('n2');
    second.fate = (operation) => (operation === 'heartbeat' ? 'unavailable' : undefined);
    const before = recordOf(cluster, 'n2')?.weight;
    expect(before).toBeLessThan(1);
    cluster.run(1_400);
    for (let i = 0; i < 10; i++) cluster.run(2_000);
    expect(recordOf(cluster, 'n2')?.weight).toBe(before);
  });
});

describe('rebalancing', () => {
  /** n1 with rooms and n2 at full weight, of which n2 wants about half. */
  function pair(
    count: number,
    roomsPerSecond: number,
  ): { cluster: Cluster; first: TestNode; second: TestNode; router: TestRouter } {
    const cluster = new Cluster();
    cluster.moves = { roomsPerSecond, cooldownMs: 60_000, stepMs: 0 };
    const first = cluster.livingNode('n1');
    const router = open(first, count);
    const second = cluster.livingNode('n2');
    return { cluster, first, second, router };
  }

  it('keeps its rate', () => {
    const { cluster, second } = pair(200, 10);
    while (held(second).length === 0) cluster.run(20);
    const before = held(second).length;
    cluster.run(3_000);
    expect(held(second).length - before).toBeGreaterThanOrEqual(29);
    expect(held(second).length - before).toBeLessThanOrEqual(31);
  });

  it('moves idle rooms before talkative ones, and small before large ones', () => {
    const cluster = new Cluster();
    cluster.moves = { roomsPerSecond: 1, cooldownMs: 60_000, stepMs: 0 };
    const first = cluster.livingNode('n1');
    const router = open(first, 40);
    const both = ['n1', 'n2'].map((node) => ({ node, weight: 1 }));
    const going = Array.from({ length: 40 }, (_, i) => i + 1).filter(
      (n) => placement.first(`room-${n}`, both) === 'n2',
    );
    const [loud = 0, large = 0] = going;
    for (const handle of [101, 102]) router.open(`room-${large}`, [{ session: `m${handle}`, handle }]);
    let cseq = 0;
    const talk = (ms: number) => {
      for (let past = 0; past < ms; past += 200) {
        router.frame(loud, ++cseq, 'x');
        cluster.run(200);
      }
    };
    talk(6_000);
    expect(
      ask<{ rooms: { room: string }[] }>(cluster, first, 'hot', { limit: 1 }).rooms.map(({ room }) => room),
    ).toEqual([`room-${loud}`, `room-${large}`]);
    cluster.node('n2');
    const left: string[] = [];
    while (left.length < going.length) {
      talk(200);
      const here = new Set(held(first));
      for (const n of going) if (!here.has(`room-${n}`) && !left.includes(`room-${n}`)) left.push(`room-${n}`);
    }
    expect(left.slice(-2)).toEqual([`room-${large}`, `room-${loud}`]);
  });

  it('leaves a room where it came by a handover for the cooldown', () => {
    const { cluster, first, second } = pair(20, 50);
    cluster.run(3_000);
    const [room = ''] = held(first);
    pin(cluster, room, 'n2');
    cluster.run(2_000);
    expect(held(second)).toContain(room);
    cluster.directory.execute('removePin', { pinned: room }, 0);
    cluster.run(50_000, 100);
    expect(held(second)).toContain(room);
    expect(ask(cluster, second, 'moves')).toMatchObject({ state: 'running', belongElsewhere: 1 });
    expect(ask(cluster, second, 'room', { room })).toMatchObject({
      belongs: { to: 'n1', why: 'it moved less than a minute ago' },
    });
    cluster.run(15_000, 100);
    expect(held(first)).toContain(room);
  });

  it('goes home at once where it was only while its own node was drained', () => {
    const { cluster, first, second } = pair(40, 50);
    cluster.run(5_000);
    const home = held(first).sort();
    const rest = held(second).sort();
    expect(home.length).toBeGreaterThan(10);
    ask(cluster, first, 'drain', { by: 'ann' });
    cluster.run(4_000);
    expect(held(second)).toHaveLength(40);
    ask(cluster, first, 'undrain', { by: 'ann' });
    cluster.run(4_000);
    expect(held(first).sort()).toEqual(home);
    expect(held(second).sort()).toEqual(rest);
    expect(ask(cluster, second, 'moves')).toMatchObject({ state: 'idle', belongElsewhere: 0 });

    // One that was pinned away at another time rests as ever, though its node is drained later.
    const [room = ''] = home;
    pin(cluster, room, 'n2');
    cluster.run(6_000);
    ask(cluster, first, 'drain', { by: 'ann' });
    cluster.run(4_000);
    cluster.directory.execute('removePin', { pinned: room }, 0);
    ask(cluster, first, 'undrain', { by: 'ann' });
    cluster.run(4_000);
    expect(held(first).sort()).toEqual(home.filter((one) => one !== room));
    expect(ask(cluster, second, 'room', { room })).toMatchObject({
      belongs: { to: 'n1', why: 'it moved less than a minute ago' },
    });
  });

  it('gives a room up whose handovers are called off, until the next change', () => {
    const { cluster, first, second } = pair(1, 50);
    const [room = ''] = [...held(first), ...held(second)];
    const [from, to] = held(first).includes(room) ? [first, second] : [second, first];
    from.reaches = false;
    from.cutPeers();
    pin(cluster, room, to.name);
    cluster.run(20_000, 50);
    expect(ask(cluster, from, 'moves')).toMatchObject({ state: 'idle', failed: 3, belongElsewhere: 0 });
    expect(ask(cluster, from, 'room', { room })).toMatchObject({
      belongs: { to: to.name, why: '3 attempts to hand it over were called off' },
    });
    from.reaches = true;
    pin(cluster, 'other', to.name);
    cluster.run(2_000);
    expect(held(to)).toContain(room);
  });

  it('is off at rate 0, and for attendants', () => {
    const { cluster, first } = pair(40, 0);
    cluster.run(5_000);
    expect(held(first)).toHaveLength(40);
    // What an operator moves is not tried again: nothing is left to be done.
    first.reaches = false;
    first.core.moveRoom('room-1', 'n2', cluster.clock.now());
    cluster.run(4_000);
    expect(ask(cluster, first, 'moves')).toMatchObject({ state: 'idle', failed: 1, belongElsewhere: 0 });
    const attendants = new Cluster();
    const one = attendants.livingNode('y1', undefined, { attends: 'ws://127.0.0.1:1/{room}' });
    open(one, 40);
    attendants.livingNode('y2', undefined, { attends: 'ws://127.0.0.1:2/{room}' });
    attendants.run(5_000);
    expect(held(one)).toHaveLength(40);
  });
});

describe('moves are paused', () => {
  function busy(): { cluster: Cluster; first: TestNode; second: TestNode; third: TestNode } {
    const cluster = new Cluster();
    cluster.moves = { roomsPerSecond: 2, cooldownMs: 60_000, stepMs: 0 };
    const first = cluster.livingNode('n1');
    open(first, 60);
    cluster.run(500);
    const second = cluster.livingNode('n2');
    const third = cluster.livingNode('n3');
    return { cluster, first, second, third };
  }
  const whyOf = (cluster: Cluster, node: TestNode) => ask<{ why?: string }>(cluster, node, 'moves').why;

  it('while Redis does not answer', () => {
    const { cluster, first } = busy();
    first.fate = () => 'unavailable';
    cluster.run(400);
    const before = held(first).length;
    cluster.run(800);
    expect(ask(cluster, first, 'moves')).toMatchObject({ state: 'paused', why: 'Redis does not answer this node' });
    expect(held(first)).toHaveLength(before);
    first.fate = () => undefined;
    cluster.run(1_500);
    expect(ask(cluster, first, 'moves')).toMatchObject({ state: 'running' });
  });

  it('while a node that died is taken over', () => {
    const { cluster, first, third } = busy();
    cluster.nodes.splice(cluster.nodes.indexOf(third), 1);
    const { gen = '' } = cluster.directory.execute('readCluster', {}, 0);
    const by = { kind: 'proof', how: 'reaped' } as const;
    const dead = { node: 'n3', incarnation: third.incarnation, by, runId: 'run-1', gen };
    cluster.directory.execute('certify', dead, 0);
    cluster.run(1_500);
    expect(whyOf(cluster, first)).toBe('node n3 has died, and its rooms are being taken over');
    const before = held(first).length;
    cluster.run(1_000);
    expect(held(first)).toHaveLength(before);
    cluster.run(3_000);
    expect(whyOf(cluster, first)).toBeUndefined();
    expect(held(first).length).toBeLessThan(before);
  });

  it('while another node is drained', () => {
    const { cluster, first, second } = busy();
    cluster.run(2_000);
    ask(cluster, second, 'drain', { roomsPerSecond: 0.2, by: 'ann' });
    cluster.run(1_500);
    expect(whyOf(cluster, first)).toBe('node n2 is being drained');
    expect(ask(cluster, second, 'drain-status')).toMatchObject({ state: 'running' });
    ask(cluster, second, 'undrain', { by: 'ann' });
    cluster.run(1_500);
    expect(whyOf(cluster, first)).toBeUndefined();
  });

  it('of two drains the one of the lower name goes first', () => {
    const { cluster, first, second } = busy();
    cluster.run(4_000);
    ask(cluster, second, 'drain', { roomsPerSecond: 1, by: 'ann' });
    ask(cluster, first, 'drain', { roomsPerSecond: 1, by: 'ben' });
    cluster.run(1_500);
    expect(ask(cluster, first, 'drain-status')).toMatchObject({ state: 'running', by: 'ben' });
    expect(ask(cluster, second, 'drain-status')).toMatchObject({ state: 'paused', why: 'node n1 is being drained' });
  });
});

describe('a drain that gets nowhere', () => {
  it('holds up no other for more than a minute', () => {
    const cluster = new Cluster();
    cluster.moves = { ...cluster.moves, stepMs: 0 };
    const [first, second] = ['n1', 'n2', 'n3'].map((name) => cluster.livingNode(name));
    if (first === undefined || second === undefined) throw new Error('they were made');
    for (const [at, node] of [first, second].entries())
      for (let n = 0; n < 10; n++) node.router().open(`room-${at}-${n}`, [{ session: `s${at}-${n}` }]);
    first.reaches = false;
    for (const node of [first, second]) {
      ask(cluster, node, 'drain', { by: 'ann', roomsPerSecond: 50 });
      cluster.run(2_000, 100);
    }
    cluster.run(30_000, 100);
    expect(held(second).length).toBeGreaterThan(0);
    expect(ask(cluster, second, 'drain-status')).toMatchObject({ state: 'paused', why: 'node n1 is being drained' });
    cluster.run(45_000, 100);
    expect(held(first).length).toBeGreaterThan(0);
    expect(ask(cluster, second, 'drain-status')).toMatchObject({ state: 'done', left: 0 });
  });
});

describe('a pin', () => {
  it('to a node that is gone is not followed', () => {
    const cluster = new Cluster();
    cluster.moves = { ...cluster.moves, stepMs: 0 };
    const first = cluster.livingNode('n1');
    cluster.livingNode('n2');
    open(first, 30);
    for (let n = 1; n <= 30; n++) pin(cluster, `room-${n}`, 'n9');
    cluster.run(4_000);
    const both = ['n1', 'n2'].map((node) => ({ node, weight: 1 }));
    for (const room of held(first)) expect(placement.first(room, both)).toBe('n1');
    expect(held(first).length).toBeLessThan(30);
  });
});
