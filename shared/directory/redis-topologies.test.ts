/** The directory over a Redis Cluster of three primaries, and over a primary that a sentinel names: the whole conformance suite on
 *  both, and what follows when a primary is another one than before. */
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { passTime, plainRedis, redisTime } from '../testing/redis-client.ts';
import { type ClusterPrimary, type RedisCluster, startRedisCluster } from '../testing/redis-cluster.ts';
import { type RedisServer, startRedis } from '../testing/redis-server.ts';
import { CONFORMANCE_CERTS_MAX, directoryConformance } from './conformance.ts';
import type { DirectoryError } from './directory.ts';
import { nodeRecord, token } from './example-records.ts';
import { buildKeys, slotOf } from './keys.ts';
import { RedisDirectory } from './redis-directory.ts';

/** Where no time-out is meant to happen, however slow the machine. */
const PATIENT = { commandTimeoutMs: 20_000, reconnectMs: 5_000 };
const HOOK_MS = 60_000;
const TIMINGS = { commandTimeoutMs: 2_000, reconnectMs: 500 };
const A = token('a');
const servers: RedisServer[] = [];
const clients: Redis[] = [];
const directories: RedisDirectory[] = [];

afterEach(async () => {
  await Promise.all(directories.splice(0).map((directory) => directory.close()));
  for (const client of clients.splice(0)) client.disconnect();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function started(options: Parameters<typeof startRedis>[0]): Promise<{ server: RedisServer; plain: Redis }> {
  const server = await startRedis(options);
  servers.push(server);
  return { server, plain: await client(server) };
}

async function client(server: RedisServer): Promise<Redis> {
  const plain = await plainRedis(server.port);
  clients.push(plain);
  return plain;
}

function connect(url: string, timings = TIMINGS): RedisDirectory {
  const directory = RedisDirectory.connect({ url, cluster: 'test', timings, certsMax: CONFORMANCE_CERTS_MAX });
  directory.start();
  return directory;
}

function open(url: string): RedisDirectory {
  const directory = connect(url);
  directories.push(directory);
  return directory;
}

/** The run id in force, once every kind of connection is up. */
async function runIdOf(directory: RedisDirectory): Promise<string> {
  await eventually(() => readPresence(directory, 'lobby'), isReply);
  await eventually(() => directory.call('openLog', { room: 'lobby', last: 1, bytesMax: 1 }), isReply);
  const read = await eventually(() => directory.call('readCluster', {}), isReply);
  if (read instanceof Error) throw read;
  return read.runId;
}

/** What comes of an attempt that is repeated, as a caller would, until its outcome fits. The test's own time limit bounds it. */
async function eventually<T>(attempt: () => Promise<T>, fits: (outcome: T | DirectoryError) => boolean) {
  for (;;) {
    const outcome = await attempt().catch((error: DirectoryError) => error);
    if (fits(outcome)) return outcome;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const readPresence = (directory: RedisDirectory, room: string) => directory.call('readPresence', { room, limit: 1 });
const isReply = (outcome: unknown) => !(outcome instanceof Error);
const isOtherRun = (outcome: unknown) => outcome instanceof Error && 'code' in outcome && outcome.code === 'other-run';

describe('over a Redis Cluster', { timeout: 60_000 }, () => {
  const clusters: RedisCluster[] = [];

  async function started3(): Promise<RedisCluster> {
    const cluster = await startRedisCluster(3);
    clusters.push(cluster);
    return cluster;
  }

  afterEach(async () => {
    await Promise.all(clusters.splice(0).map((cluster) => cluster.stop()));
  });

  /** A room whose keys this primary holds. */
  const roomOf = ({ holds }: ClusterPrimary) => {
    for (let i = 0; ; i++) if (holds(slotOf(buildKeys({ cluster: 'test' }).room(`room${i}`).owner))) return `room${i}`;
  };

  const claim = (directory: RedisDirectory, room: string, runId: string) =>
    directory.call('claim', {
      room,
      seen: undefined,
      node: 'n1',
      incarnation: A,
      nonce: token('n', 16),
      floor: 0,
      numbering: { kind: 'continue' },
      runId,
    });

  it('serves rooms of every primary under one run id', async () => {
    const { url, primaries } = await started3();
    const directory = open(url);
    const first = await eventually(() => directory.call('readCluster', {}), isReply);
    if (first instanceof Error) throw first;
    const { runId } = first;
    const registered = await directory.call('register', { record: nodeRecord('n1', A), runId, newGen: 'g1' });
    expect(registered).toMatchObject({ kind: 'registered', first: true });
    expect(await directory.call('standing', { node: 'n1', incarnation: A })).toEqual({
      runId,
      gen: 'g1',
      standing: 'living',
    });
    for (const primary of primaries) {
      const room = roomOf(primary);
      expect(await claim(directory, room, runId)).toMatchObject({ kind: 'owned' });
      expect(await primary.plain.exists(`bh:room:{${room}}:owner`)).toBe(1);
      // A server's own run id is not that of the whole.
      const ownId = /run_id:(\w+)/.exec(await primary.plain.info('server'))?.[1] ?? '';
      expect(ownId).not.toBe(runId);
      expect(await claim(directory, room, token('old', 40))).toEqual({ kind: 'other-run', runId });
    }
    expect(await directory.checkServer()).toEqual([]);
  });

  it('takes another life of one primary for another history of all', async () => {
    const { primaries } = await started3();
    const [low, , high] = primaries as [ClusterPrimary, ClusterPrimary, ClusterPrimary];
    const directory = open(`redis+cluster://127.0.0.1:${high.server.port}`);
    const first = await eventually(() => directory.call('readCluster', {}), isReply);
    if (first instanceof Error) throw first;
    await low.server.restart();
    const refused = await eventually(() => directory.call('readRoom', { room: roomOf(high) }), isOtherRun);
    const { runId } = refused as DirectoryError;
    expect(runId).not.toBe(first.runId);
    // Every kind of connection has to find it for itself.
    for (const room of [roomOf(low), roomOf(high)]) {
      expect(
        await eventually(() => directory.call('openLog', { room, last: 1, bytesMax: 1 }), isOtherRun),
      ).toBeTruthy();
      expect(await eventually(() => readPresence(directory, room), isOtherRun)).toBeTruthy();
    }
    directory.useRun(runId);
    for (const room of primaries.map(roomOf)) {
      const reply = await eventually(() => claim(directory, room, runId ?? ''), isReply);
      expect(reply).toMatchObject({ kind: 'owned' });
    }
  });

  it('finds a slot that has moved, and says meanwhile that nothing was done', async () => {
    const { url, primaries } = await started3();
    const [low, , high] = primaries as [ClusterPrimary, ClusterPrimary, ClusterPrimary];
    const directory = open(url);
    const first = await eventually(() => directory.call('readCluster', {}), isReply);
    if (first instanceof Error) throw first;
    const room = roomOf(low);
    const slot = String(slotOf(buildKeys({ cluster: 'test' }).room(room).owner));
    const target = String(await high.plain.call('CLUSTER', 'MYID'));
    await high.plain.call('CLUSTER', 'SETSLOT', slot, 'NODE', target);
    await low.plain.call('CLUSTER', 'SETSLOT', slot, 'NODE', target);
    const refused = await directory.call('readRoom', { room }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'unavailable', message: expect.stringMatching(/MOVED/) });
    const reply = await eventually(() => claim(directory, room, first.runId), isReply);
    expect(reply).toMatchObject({ kind: 'owned' });
    expect(await high.plain.exists(`bh:room:{${room}}:owner`)).toBe(1);
  });
});

describe('a cluster of three primaries', () => {
  let cluster: RedisCluster;
  let directory: RedisDirectory;
  let runId: string;

  beforeAll(async () => {
    cluster = await startRedisCluster(3);
    directory = connect(cluster.url, PATIENT);
    runId = await runIdOf(directory);
  }, HOOK_MS);

  afterAll(async () => {
    await directory.close();
    await cluster.stop();
  });

  directoryConformance('RedisDirectory over it', async () => {
    await Promise.all(cluster.primaries.map(({ plain }) => plain.flushall()));
    return {
      directory,
      runId,
      passTime: async (ms) => {
        await Promise.all(cluster.primaries.map(({ plain }) => passTime(plain, ms)));
      },
      now: async () => Math.max(...(await Promise.all(cluster.primaries.map(({ plain }) => redisTime(plain))))),
    };
  });

  it('has each primary hold some of the rooms that the suite used', async () => {
    const calls = await Promise.all(
      cluster.primaries.map(async ({ plain }) => /cmdstat_evalsha:calls=(\d+)/.exec(await plain.info('commandstats'))),
    );
    expect(calls.filter((found) => Number(found?.[1]) > 0).length).toBeGreaterThan(1);
  });
});

describe('a primary that a sentinel names', () => {
  let primary: RedisServer;
  let sentinel: RedisServer;
  let plain: Redis;
  let directory: RedisDirectory;
  let runId: string;

  beforeAll(async () => {
    primary = await startRedis();
    sentinel = await startRedis({ sentinelOf: { name: 'main', port: primary.port } });
    plain = await plainRedis(primary.port);
    directory = connect(`redis+sentinel://127.0.0.1:${sentinel.port}/main`, PATIENT);
    runId = await runIdOf(directory);
  }, HOOK_MS);

  afterAll(async () => {
    await directory.close();
    plain.disconnect();
    await Promise.all([sentinel.stop(), primary.stop()]);
  });

  directoryConformance('RedisDirectory over it', async () => {
    await plain.flushall();
    return { directory, runId, passTime: (ms) => passTime(plain, ms), now: () => redisTime(plain) };
  });
});

describe('over a sentinel', { timeout: 60_000 }, () => {
  it('reaches the primary that the first sentinel which answers names', async () => {
    const primary = await started({});
    const sentinel = await startRedis({ sentinelOf: { name: 'main', port: primary.server.port } });
    servers.push(sentinel);
    const directory = open(`redis+sentinel://127.0.0.1:1,127.0.0.1:${sentinel.port}/main`);
    const runId = /run_id:(\w+)/.exec(await primary.plain.info('server'))?.[1];
    expect(await eventually(() => directory.call('readCluster', {}), isReply)).toMatchObject({ runId });
  });

  it('follows to another primary, which is another run', async () => {
    const primary = await started({});
    const replica = await started({
      args: ['--replicaof', `127.0.0.1 ${primary.server.port}`, '--repl-diskless-sync-delay', '0'],
    });
    await eventually(
      () => replica.plain.info('replication'),
      (info) => typeof info === 'string' && info.includes('master_link_status:up'),
    );
    const sentinel = await startRedis({ sentinelOf: { name: 'main', port: primary.server.port } });
    servers.push(sentinel);
    const directory = open(`redis+sentinel://127.0.0.1:${sentinel.port}/main`);
    await eventually(() => directory.call('createHistory', { gen: 'g1' }), isReply);
    // Read before the failover, which closes every client of the promoted server.
    const nextId = /run_id:(\w+)/.exec(await replica.plain.info('server'))?.[1];
    const control = await client(sentinel);
    await eventually(
      async () => String(await control.call('SENTINEL', 'replicas', 'main')),
      (text) => typeof text === 'string' && text.includes(String(replica.server.port)),
    );
    await eventually(
      () => control.call('SENTINEL', 'failover', 'main'),
      (reply) => reply === 'OK',
    );
    const refused = await eventually(() => directory.call('readCluster', {}), isOtherRun);
    const { runId } = refused as DirectoryError;
    expect(runId).toBe(nextId);
    directory.useRun(runId);
    expect(await eventually(() => directory.call('readCluster', {}), isReply)).toMatchObject({ runId, gen: 'g1' });
  });
});
