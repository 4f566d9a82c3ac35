/** Some ways between processes fail and others do not, at the worst moments that the model of the protocol found: a reply is lost and its
 *  command comes late, one connection of several comes back, a node and a router are cut off together, a link and a heartbeat fail at once.
 *  Nothing acked is lost, nobody speaks who may not, and nobody is declared dead who is not. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../shared/clock.ts';
import { buildKeys } from '../../shared/directory/keys.ts';
import { evenIfFull, loadScript } from '../../shared/directory/scripts.ts';
import { knowsScriptFlags, parseServerInfo } from '../../shared/directory/server-info.ts';
import { isGated } from '../../shared/link/messages.ts';
import { plainRedis } from '../../shared/testing/redis-client.ts';
import { startRedis } from '../../shared/testing/redis-server.ts';
import { DEFAULT_TIMINGS } from '../../shared/timing.ts';
import type { FaultProxy } from '../chaos/fault-proxy.ts';
import { Network } from '../chaos/network.ts';
import { CLUSTER_NAME, Cluster, type ClusterOptions } from './cluster.ts';
import { expectWhole, join, say, talkers } from './conversation.ts';
import { LinkRouter } from './link-router.ts';
import { SavedData } from './saved-data.ts';
import { pause, until } from './wait.ts';

const HOLD = { kind: 'hold', up: true, down: true } as const;
/** Three times what is waited for at most. */
const PATIENT_MS = 40_000;
const keys = buildKeys({ cluster: CLUSTER_NAME });

/** A cluster of two routers in which every way to Redis and to nodes leads through a proxy. */
class Proxied {
  readonly open: { close(): void }[] = [];
  #cluster: Cluster | undefined;
  #network: Network | undefined;

  constructor(nodes: number, options: Pick<ClusterOptions, 'nodeArgs' | 'routerArgs'>) {
    beforeAll(async () => {
      const redis = await startRedis();
      const network = await Network.open(['n1', 'n2'].slice(0, nodes), ['r1', 'r2'], redis.port);
      this.#network = network;
      const argsOf = (id: string) => network.argsOf(id);
      this.#cluster = await Cluster.start({ ...options, nodes, routers: 2, redis, argsOf });
    });
    afterAll(async () => {
      for (const one of this.open) one.close();
      await this.#cluster?.stop();
      await this.#network?.close();
    });
  }

  get cluster(): Cluster {
    if (this.#cluster === undefined) throw new Error('the cluster did not start');
    return this.#cluster;
  }

  toRedis(id: string): FaultProxy {
    return existing(this.#network?.toRedis.get(id));
  }

  toNode(id: string): FaultProxy {
    return existing(this.#network?.toNode.get(id));
  }

  /** What Redis says to one question. */
  async ask<T>(question: (redis: Awaited<ReturnType<typeof plainRedis>>) => Promise<T>): Promise<T> {
    const redis = await plainRedis(this.cluster.redis.port);
    try {
      return await question(redis);
    } finally {
      redis.disconnect();
    }
  }
}

function existing(proxy: FaultProxy | undefined): FaultProxy {
  if (proxy === undefined) throw new Error('there is no such way');
  return proxy;
}

// Nobody is certified here: how long Redis is out of reach for the node does not matter.
describe('a node of which one connection to Redis fails', () => {
  const stage = new Proxied(1, {
    nodeArgs: ['--room-idle-ms', '0'],
    routerArgs: ['--certify-by', 'supervisor'],
  });

  test('its release of a room that comes after the room was claimed again changes nothing', async () => {
    const { cluster } = stage;
    const { room, ...first } = await talkers(cluster, 'n1', 'released');
    await say(first.ada, 1, 3);
    const before = await cluster.recordOf(room);
    const sha = await stage.ask(async (redis) => {
      const script = loadScript('release');
      const sent = knowsScriptFlags(parseServerInfo(await redis.info())) ? evenIfFull(script) : script;
      // A server that does not know it yet would answer a late one by that alone.
      await redis.script('LOAD', sent.source);
      return sent.sha;
    });
    const late = stage.toRedis('n1').keep(sha);
    for (const client of [first.ada, first.bob]) client.close();
    await until('the release is on its way', () => late.isHere);
    const [ada, bob] = await Promise.all([join(cluster, 'r1', room, 'ada', 50), join(cluster, 'r2', room, 'bob', 50)]);
    stage.open.push(ada, bob);
    await say(ada, 4, 6);
    const after = await cluster.recordOf(room);
    expect(after?.epoch).toBeGreaterThan(before?.epoch ?? 0);
    const monitor = await (await plainRedis(cluster.redis.port)).monitor();
    let isHere = false;
    monitor.on('monitor', (_at: string, words: readonly string[]) => {
      isHere ||= words.includes(sha);
    });
    late.letGo();
    await until('the release has come', () => isHere);
    monitor.disconnect();
    await say(bob, 7, 9);
    expect(await cluster.recordOf(room)).toEqual(after);
    await expectWhole(cluster, room, [ada, bob], 9);
  });

  test('its log connection, back alone after a rollback, appends nothing to the older log', async () => {
    const { cluster } = stage;
    const { room, ada, bob } = await talkers(cluster, 'n1', 'rolled-back');
    stage.open.push(ada, bob);
    await say(ada, 1, 5);
    const older = await SavedData.of(cluster.redis);
    await say(bob, 6, 10);
    const before = await cluster.recordOf(room);
    const way = stage.toRedis('n1');
    way.fail({ kind: 'cut' }, '-control@');
    await older.putBack();
    const meanwhile = ada.sayUntilAcked(11, PATIENT_MS);
    await until('the log connection is back, and has read whose data this is', async () => {
      const clients = await stage.ask((redis) => redis.call('CLIENT', 'LIST'));
      return /-log@.* cmd=info/.test(String(clients));
    });
    // Whoever would append does so at once; that nothing comes shows only with time.
    await pause(2 * DEFAULT_TIMINGS.commandTimeoutMs);
    const { owner, log } = keys.room(room);
    const [[last] = [], record] = await stage.ask((redis) =>
      Promise.all([redis.xrevrange(log, '+', '-', 'COUNT', 1), redis.hgetall(owner)]),
    );
    expect([last?.[0], record['head'], record['epoch']]).toEqual(['5-0', '5', String(before?.epoch)]);
    way.heal();
    expect(await meanwhile).toBe(11);
    await say(bob, 12, 15);
    await expectWhole(cluster, room, [ada, bob], 15);
    expect((await cluster.recordOf(room))?.epoch).toBeGreaterThan(before?.epoch ?? 0);
  });
});

describe('a node and a router that are cut from Redis together', () => {
  const stage = new Proxied(2, { routerArgs: ['--certify-by', 'patience'] });

  test('the node is silent before another speaks for it; clients of the other router go on, those of the first wait', async () => {
    const { cluster } = stage;
    const { room, ada, bob } = await talkers(cluster, 'n1');
    const heard = await LinkRouter.open(cluster, 'n1', room);
    stage.open.push(ada, bob, heard);
    await say(ada, 1, 5);
    const chatter = setInterval(() => heard.signal('anyone there?'), 50);
    stage.open.push({ close: () => clearInterval(chatter) });
    await until('the node speaks on the link', () => heard.heardSignal);
    let nextMs = 0;
    bob.onMessage = ({ seq }) => {
      if (seq === 6) nextMs = systemClock.now().monoMs;
    };
    for (const id of ['n1', 'r1']) stage.toRedis(id).fail(HOLD);
    const waits = ada.sayUntilAcked(60, PATIENT_MS);
    await until('the other node has the room', async () => (await cluster.recordOf(room))?.node === 'n2', PATIENT_MS);
    const elsewhere = await bob.sayUntilAcked(61, PATIENT_MS);
    expect(ada.closes).toEqual([]);
    expect(await cluster.node('n1').exited).toEqual({ code: 3, signal: null });
    const gatedMs = heard.frames.filter(({ message }) => isGated(message)).map(({ atMs }) => atMs);
    expect(Math.max(...gatedMs)).toBeLessThan(nextMs);
    for (const id of ['n1', 'r1']) stage.toRedis(id).heal();
    const [one, other] = [[await waits, 60] as const, [elsewhere, 61] as const].sort(([a], [b]) => a - b);
    await expectWhole(cluster, room, [ada, bob], 7, [1, 2, 3, 4, 5, one?.[1] ?? 0, other?.[1] ?? 0]);
  });
});

// All periods are three times as long as they need to be: a busy machine must not look like a dead node.
const SLOW = ['--fence-ms', '4500', '--dead-ms', '7800', '--grace-ms', '7800'];

describe('a link that breaks and is refused while the node’s heartbeat is blocked', () => {
  const stage = new Proxied(2, { nodeArgs: SLOW, routerArgs: [...SLOW, '--certify-by', 'patience'] });

  test('is no proof of death: the node keeps its rooms', async () => {
    const { cluster } = stage;
    const { room, ada, bob } = await talkers(cluster, 'n1');
    stage.open.push(ada, bob);
    await say(ada, 1, 5);
    const before = await cluster.recordOf(room);
    const beat = () => stage.ask((redis) => redis.hget(keys.cluster.beats, 'n1'));
    stage.toRedis('n1').fail(HOLD);
    const blocked = await beat();
    stage.toNode('n1').fail({ kind: 'cut' }, '"r1"');
    const waits = ada.sayUntilAcked(7, PATIENT_MS);
    await pause(1_000);
    stage.toRedis('n1').heal();
    await until('its heart beats again', async () => (await beat()) !== blocked);
    // Those of the first router wait: its link is still refused.
    await say(bob, 6, 6);
    const nodes = await cluster.router('r1').api.nodes();
    expect(nodes.map(({ node, state }) => [node, state]).sort()).toEqual([
      ['n1', 'active'],
      ['n2', 'active'],
    ]);
    expect(await cluster.recordOf(room)).toEqual(before);
    stage.toNode('n1').heal();
    expect(await waits).toBe(7);
    await say(ada, 8, 9);
    await expectWhole(cluster, room, [ada, bob], 9);
    expect(await cluster.recordOf(room)).toEqual(before);
    expect(cluster.node('n1').exit).toBeUndefined();
  });
});
