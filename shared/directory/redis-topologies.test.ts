/** The directory over a Redis Cluster of two primaries, and over a primary that a sentinel names. */
import type { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { plainRedis } from '../testing/redis-client.ts';
import { type RedisServer, startRedis } from '../testing/redis-server.ts';
import type { DirectoryError } from './directory.ts';
import { nodeRecord, token } from './example-records.ts';
import { buildKeys, slotOf } from './keys.ts';
import { RedisDirectory } from './redis-directory.ts';

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

function open(url: string): RedisDirectory {
  const directory = RedisDirectory.connect({ url, cluster: 'test', timings: TIMINGS });
  directories.push(directory);
  directory.start();
  return directory;
}

/** What comes of an attempt that is repeated, as a caller would, until its outcome fits. The test's own time limit bounds it. */
async function eventually<T>(attempt: () => Promise<T>, fits: (outcome: T | DirectoryError) => boolean) {
  for (;;) {
    const outcome = await attempt().catch((error: DirectoryError) => error);
    if (fits(outcome)) return outcome;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const isReply = (outcome: unknown) => !(outcome instanceof Error);
const isOtherRun = (outcome: unknown) => outcome instanceof Error && 'code' in outcome && outcome.code === 'other-run';

describe('over a Redis Cluster', { timeout: 60_000 }, () => {
  const CUT = 8_192;
  const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--cluster-require-full-coverage', 'no'];
  /** A room whose keys live below (or not) the slot at which the two primaries share the slots. */
  const roomIn = (isLow: boolean) => {
    for (let i = 0; ; i++)
      if (slotOf(buildKeys({ cluster: 'test' }).room(`room${i}`).owner) < CUT === isLow) return `room${i}`;
  };

  async function cluster() {
    const low = await started({ args });
    const high = await started({ args });
    await low.plain.call('CLUSTER', 'ADDSLOTSRANGE', '0', String(CUT - 1));
    await high.plain.call('CLUSTER', 'ADDSLOTSRANGE', String(CUT), '16383');
    await high.plain.call('CLUSTER', 'SET-CONFIG-EPOCH', '2');
    await low.plain.call('CLUSTER', 'MEET', '127.0.0.1', String(high.server.port));
    for (const { plain } of [low, high]) {
      await eventually(
        () => plain.call('CLUSTER', 'SLOTS'),
        (slots) => Array.isArray(slots) && slots.length === 2,
      );
      await eventually(
        () => plain.call('CLUSTER', 'INFO'),
        (info) => typeof info === 'string' && info.includes('cluster_state:ok'),
      );
    }
    return { low, high };
  }

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
    const { low, high } = await cluster();
    const directory = open(`redis+cluster://127.0.0.1:${low.server.port}`);
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
    const [lowRoom, highRoom] = [roomIn(true), roomIn(false)];
    expect(await claim(directory, lowRoom, runId)).toMatchObject({ kind: 'owned' });
    expect(await claim(directory, highRoom, runId)).toMatchObject({ kind: 'owned' });
    expect(await low.plain.exists(`bh:room:{${lowRoom}}:owner`)).toBe(1);
    expect(await high.plain.exists(`bh:room:{${highRoom}}:owner`)).toBe(1);
    // A server's own run id is not that of the whole.
    const ownId = /run_id:(\w+)/.exec(await high.plain.info('server'))?.[1] ?? '';
    expect(ownId).not.toBe(runId);
    expect(await claim(directory, highRoom, token('old', 40))).toEqual({ kind: 'other-run', runId });
    expect(await directory.checkServer()).toEqual([]);
  });

  it('takes another life of one primary for another history of all', async () => {
    const { low, high } = await cluster();
    const directory = open(`redis+cluster://127.0.0.1:${high.server.port}`);
    const first = await eventually(() => directory.call('readCluster', {}), isReply);
    if (first instanceof Error) throw first;
    await low.server.restart();
    const refused = await eventually(() => directory.call('readRoom', { room: roomIn(false) }), isOtherRun);
    const { runId } = refused as DirectoryError;
    expect(runId).not.toBe(first.runId);
    directory.useRun(runId);
    for (const room of [roomIn(true), roomIn(false)]) {
      const reply = await eventually(() => claim(directory, room, runId ?? ''), isReply);
      expect(reply).toMatchObject({ kind: 'owned' });
    }
  });

  it('finds a slot that has moved, and says meanwhile that nothing was done', async () => {
    const { low, high } = await cluster();
    const directory = open(`redis+cluster://127.0.0.1:${low.server.port}`);
    const first = await eventually(() => directory.call('readCluster', {}), isReply);
    if (first instanceof Error) throw first;
    const room = roomIn(true);
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
