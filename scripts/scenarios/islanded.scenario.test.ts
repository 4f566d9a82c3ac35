/** Redis is away, for all or for some: rooms go on exactly while every registered router says that Redis does not answer it. */
import { afterAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import { isGated } from '../../shared/link/messages.ts';
import { DEFAULT_TIMINGS } from '../../shared/timing.ts';
import { ScenarioClient } from './client.ts';
import type { Cluster } from './cluster.ts';
import { LinkRouter } from './link-router.ts';
import { Load } from './load.ts';
import { expectSound, untilSettled, useCluster } from './suite.ts';
import { pause, until } from './wait.ts';

const { fenceMs } = DEFAULT_TIMINGS;
/** What goes on without Redis: durable rooms wait for it with what they are told to log. */
const RELAY = ['--relay-rooms', 'load-*,new,unknown,island*'];
/** From its last question to a router until a node is silent, and what it had checked by then is on the wire. */
const SILENT_MS = fenceMs + 1_000;

/** Talks and signals in rooms of every node, through every router. */
async function talkIn(cluster: Cluster): Promise<Load> {
  await cluster.untilRoutersAreKnown();
  const urls = [...cluster.routers.values()].map(({ url }) => url);
  const talk = new Load({ rooms: 6, clients: 18, rate: 150, urls, signals: true });
  await talk.connect();
  talk.start();
  await until('every room was heard', () => talk.clients.every(({ received }) => received > 5));
  return talk;
}

/** Every client hears of the others from now on, messages and signals. */
async function untilHeard(clients: readonly ScenarioClient[]): Promise<void> {
  const before = clients.map(({ received, signals }) => ({ received, signals }));
  await until('everyone hears messages and signals', () =>
    clients.every((client, i) => {
      const { received, signals } = before[i] ?? { received: 0, signals: 0 };
      return client.received > received + 5 && client.signals > signals;
    }),
  );
}

function saysOf(cluster: Cluster, node: string, event: string): number {
  return cluster
    .node(node)
    .said.split('\n')
    .filter((line) => line.includes(`"${event}"`)).length;
}

function lastGatedMs({ frames }: LinkRouter): number {
  return Math.max(0, ...frames.filter(({ message }) => isGated(message)).map(({ atMs }) => atMs));
}

/** Listens at a node, in one of its rooms, and has signals sent there all the time. */
class Eavesdropper {
  readonly link: LinkRouter;
  readonly #chatter: NodeJS.Timeout;

  private constructor(link: LinkRouter) {
    this.link = link;
    this.#chatter = setInterval(() => link.signal('anyone there?'), 20);
  }

  static async at(cluster: Cluster, node: string, rooms: readonly string[]): Promise<Eavesdropper> {
    const owners = await cluster.ownersOf(rooms);
    const room = rooms.find((one) => owners.get(one) === node);
    if (room === undefined) throw new Error(`${node} owns none of the rooms`);
    const eavesdropper = new Eavesdropper(await LinkRouter.open(cluster, node, room));
    await until('signals are heard on the link', () => eavesdropper.link.heardSignal);
    return eavesdropper;
  }

  close(): void {
    clearInterval(this.#chatter);
    this.link.close();
  }
}

async function expectWhole(cluster: Cluster, talk: Load): Promise<void> {
  await untilHeard(talk.clients);
  talk.pause();
  await untilSettled(talk.clients);
  await until('everyone has heard all', () => talk.counts().lost === 0);
  const { socketsClosed, doubled } = talk.counts();
  expect({ socketsClosed, doubled }).toEqual({ socketsClosed: 0, doubled: 0 });
  expectSound(cluster, talk.clients);
}

describe('away for everybody', () => {
  const cluster = useCluster({ nodes: 2, routers: 2, nodeArgs: RELAY });
  const closers: (() => void)[] = [];
  afterAll(() => {
    for (const close of closers) close();
  });

  test('rooms, signals and joins go on, unknown rooms are refused, and it heals by itself', async () => {
    const talk = await talkIn(cluster());
    closers.push(() => talk.close());
    const [room = ''] = talk.rooms;
    const logged = await ScenarioClient.join({ url: cluster().router('r1').url, room: 'logged', user: 'ada' });
    await logged.say('before');
    cluster().redis.pause();
    const began = performance.now();
    const waits = logged.say('meanwhile');
    try {
      await until('both nodes are islanded', () => ['n1', 'n2'].every((id) => saysOf(cluster(), id, 'islanded') > 0));
      // What is heard from here on was said without a lease.
      await untilHeard(talk.clients);
      for (const { url } of cluster().routers.values()) {
        const guest = await ScenarioClient.join({ url, room, user: 'guest' });
        await guest.say('hello');
        guest.close();
        const stranger = new ScenarioClient({ url, room: 'unknown', user: 'stranger' });
        await until('the stranger is turned away', () => stranger.closes.length > 0);
        expect(stranger.errors.map(({ code, retryable }) => [code, retryable])).toEqual([['redis_unavailable', true]]);
      }
      await pause(Math.max(0, 6_000 - (performance.now() - began)));
      await untilHeard(talk.clients);
    } finally {
      cluster().redis.resume();
    }
    const { url } = cluster().router('r1');
    await until('a new room opens', () =>
      ScenarioClient.join({ url, room: 'new', user: 'newcomer' }).then(
        (newcomer) => {
          newcomer.close();
          return true;
        },
        () => false,
      ),
    );
    // What could not be logged meanwhile waited, and is there once.
    expect(await waits).toBe(2);
    expect([logged.received, logged.resets, logged.closes]).toEqual([2, [], []]);
    logged.close();
    await expectWhole(cluster(), talk);
    expect(talk.counts().resets).toBe(0);
  });
});

describe('away for one node and one router', () => {
  const cluster = useCluster({ nodes: 2, routers: 2, nodeArgs: RELAY, gated: true });
  const closers: (() => void)[] = [];
  afterAll(() => {
    for (const close of closers) close();
  });

  test('the node is silent in time, since the other router may certify it, and does', async () => {
    const talk = await talkIn(cluster());
    closers.push(() => talk.close());
    const heard = await Eavesdropper.at(cluster(), 'n1', talk.rooms);
    closers.push(() => heard.close());
    const cutMs = systemClock.now().monoMs;
    cluster().gate('n1').cut();
    cluster().gate('r1').cut();
    expect(await cluster().node('n1').exited).toEqual({ code: 3, signal: null });
    expect(lastGatedMs(heard.link)).toBeLessThan(cutMs + SILENT_MS);
    cluster().gate('r1').restore();
    await expectWhole(cluster(), talk);
  });
});

describe('away for everybody, and one router says nothing', () => {
  const cluster = useCluster({ nodes: 2, routers: 2, nodeArgs: RELAY });
  const closers: (() => void)[] = [];
  afterAll(() => {
    for (const close of closers) close();
  });

  test('the nodes are silent in time, and speak again when Redis is back', async () => {
    const talk = await talkIn(cluster());
    closers.push(() => talk.close());
    const heard = await Eavesdropper.at(cluster(), 'n1', talk.rooms);
    closers.push(() => heard.close());
    const { process: silent } = cluster().router('r2');
    silent.signal('SIGSTOP');
    cluster().redis.pause();
    const awayMs = systemClock.now().monoMs;
    try {
      await until('both nodes are silent', () => ['n1', 'n2'].every((id) => saysOf(cluster(), id, 'suspended') > 0));
      await pause(SILENT_MS);
      expect(lastGatedMs(heard.link)).toBeLessThan(awayMs + SILENT_MS);
    } finally {
      cluster().redis.resume();
      silent.signal('SIGCONT');
    }
    await expectWhole(cluster(), talk);
  });
});

describe('away for everybody, and one router regains it first', () => {
  const cluster = useCluster({ nodes: 2, routers: 2, nodeArgs: RELAY, gated: true });
  const closers: (() => void)[] = [];
  afterAll(() => {
    for (const close of closers) close();
  });

  test('the nodes are silent in time, and nobody is certified whom Redis has back before that', async () => {
    const all = ['n1', 'n2', 'r1', 'r2'];
    const talk = await talkIn(cluster());
    closers.push(() => talk.close());
    const heard = await Eavesdropper.at(cluster(), 'n1', talk.rooms);
    closers.push(() => heard.close());
    for (const id of all) cluster().gate(id).cut();
    await until('both nodes are islanded', () => ['n1', 'n2'].every((id) => saysOf(cluster(), id, 'islanded') > 0));
    await untilHeard(talk.clients);
    expect(saysOf(cluster(), 'n1', 'suspended')).toBe(0);
    cluster().gate('r1').restore();
    await until('both nodes are silent', () => ['n1', 'n2'].every((id) => saysOf(cluster(), id, 'suspended') > 0));
    // What had passed the gate may still be on its way here for a moment.
    await pause(200);
    const silentMs = systemClock.now().monoMs;
    await pause(400);
    expect(lastGatedMs(heard.link)).toBeLessThan(silentMs);
    for (const id of all) cluster().gate(id).restore();
    await expectWhole(cluster(), talk);
    expect(cluster().node('n1').exit).toBeUndefined();
  });
});
