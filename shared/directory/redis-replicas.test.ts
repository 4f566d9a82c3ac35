/** The directory over a primary with a replica: what counts only once the replica has it, and what follows when the replica takes the
 *  primary's place, also for one connection alone. */
import type { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { plainRedis } from '../testing/redis-client.ts';
import { type RedisProxy, startRedisProxy } from '../testing/redis-proxy.ts';
import { type RedisServer, startRedis } from '../testing/redis-server.ts';
import { until } from '../testing/until.ts';
import type { Args, DirectoryError, RoomRecord, Triple } from './directory.ts';
import { nodeRecord, token, tripleOf } from './example-records.ts';
import { DIRECTORY_CONNECTIONS, type DirectoryConnection } from './plan.ts';
import { RedisDirectory } from './redis-directory.ts';

const A = token('a');
const N1 = token('n1', 16);
const TIMINGS = { commandTimeoutMs: 1_000, reconnectMs: 500 };
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function started(args: readonly string[] = []): Promise<{ server: RedisServer; plain: Redis; runId: string }> {
  const server = await startRedis({ args });
  closing.push(() => server.stop());
  const plain = await plainRedis(server.port);
  closing.push(() => plain.disconnect());
  const runId = /run_id:(\w+)/.exec(await plain.info('server'))?.[1] ?? '';
  return { server, plain, runId };
}

async function pair() {
  const primary = await started(['--repl-diskless-sync-delay', '0']);
  const replica = await started(['--replicaof', `127.0.0.1 ${primary.server.port}`]);
  await until(async () => (await replica.plain.info('replication')).includes('master_link_status:up'));
  // The primary counts the replica from its first acknowledgement on.
  await until(async () => (await primary.plain.wait(1, 100)) === 1);
  return { primary, replica };
}

async function open(url: string, replicas: number): Promise<RedisDirectory> {
  const directory = RedisDirectory.connect({ url, cluster: 'test', timings: TIMINGS, replicas });
  closing.push(() => directory.close());
  const up = new Set<DirectoryConnection>();
  const complete = new Promise<void>((resolve) => {
    directory.onState((event) => {
      if (event.kind === 'up' && up.add(event.connection).size === DIRECTORY_CONNECTIONS.length) resolve();
    });
  });
  directory.start();
  await complete;
  return directory;
}

const claimArgs = (room: string, runId: string): Args<'claim'> => ({
  room,
  seen: undefined,
  node: 'n1',
  incarnation: A,
  nonce: N1,
  floor: 0,
  numbering: { kind: 'continue' },
  runId,
});

async function claimed(directory: RedisDirectory, room: string, runId: string): Promise<RoomRecord> {
  const reply = await directory.call('claim', claimArgs(room, runId));
  if (reply.kind !== 'owned') throw new Error(`expected to own the room: ${JSON.stringify(reply)}`);
  return reply.record;
}

const batchOf = (room: string, triple: Triple, batch: number): Args<'append'> => ({
  room,
  triple,
  batch,
  head: batch - 1,
  items: [
    { sender: 's1', seat: 1, cseq: batch, id: batch, isResumed: false, message: { from: 'ann', data: `${batch}` } },
  ],
  keep: { entries: 1_000, ms: 86_400_000 },
  forget: [],
  sendersMax: 100,
});

const faultOf = (promise: Promise<unknown>) =>
  promise.then(
    (reply) => JSON.stringify(reply),
    (error: DirectoryError) => error.code,
  );

describe('where a replica must have what counts', { timeout: 60_000 }, () => {
  it('counts nothing that no replica confirmed in time, and goes on when it does again', async () => {
    const { primary, replica } = await pair();
    const { runId } = primary;
    const directory = await open(primary.server.url, 1);
    await directory.call('register', { record: nodeRecord('n1', A), runId, newGen: 'g1' });
    const beat = { node: 'n1', incarnation: A, runId, gen: 'g1', load: { rooms: 0, sessions: 0 } };
    const triple = tripleOf(await claimed(directory, 'lobby', runId));
    expect(await directory.call('heartbeat', beat)).toMatchObject({ kind: 'ok', counter: 1 });
    const first = await directory.call('append', batchOf('lobby', triple, 1));
    expect(first).toMatchObject({ kind: 'appended', head: 1 });

    replica.server.pause();
    closing.push(() => replica.server.resume());
    expect(await faultOf(directory.call('heartbeat', beat))).toBe('timeout');
    expect(await faultOf(directory.call('claim', claimArgs('hall', runId)))).toBe('timeout');
    expect(await faultOf(directory.call('append', batchOf('lobby', triple, 2)))).toBe('timeout');
    // Nor a repetition over a connection that has written nothing yet.
    const other = await open(primary.server.url, 1);
    expect(await faultOf(other.call('append', batchOf('lobby', triple, 2)))).toBe('timeout');
    // The primary has them all the same: the outcome of what does not count is unknown.
    expect(await primary.plain.xlen('bh:room:{lobby}:log')).toBe(2);
    expect(await primary.plain.exists('bh:room:{hall}:owner')).toBe(1);

    replica.server.resume();
    await until(async () => (await replica.plain.xlen('bh:room:{lobby}:log')) === 2);
    expect(await directory.call('append', batchOf('lobby', triple, 2))).toMatchObject({
      kind: 'appended',
      head: 2,
      outcomes: [{ kind: 'logged', seq: 2 }],
    });
    expect(await directory.call('append', batchOf('lobby', triple, 3))).toMatchObject({ kind: 'appended', head: 3 });
    expect(await directory.call('heartbeat', beat)).toMatchObject({ kind: 'ok', counter: 3 });
    const again = { ...claimArgs('hall', runId), seen: undefined };
    expect(await directory.call('claim', again)).toMatchObject({ kind: 'changed', record: { owner: { node: 'n1' } } });
    // And what counted is there.
    expect(await replica.plain.xlen('bh:room:{lobby}:log')).toBe(3);
  });

  it('does not wait for replicas with what only reads or is written behind', async () => {
    const { primary, replica } = await pair();
    const directory = await open(primary.server.url, 1);
    const record = await claimed(directory, 'lobby', primary.runId);
    replica.server.pause();
    closing.push(() => replica.server.resume());
    expect(await directory.call('readRoom', { room: 'lobby' })).toEqual({ kind: 'record', record });
    expect(await directory.call('readLog', { room: 'lobby', after: 0, limit: 1, bytesMax: 1 })).toMatchObject({
      kind: 'log',
    });
    const written = { user: 'ann', set: {}, remove: [], expireMs: 1_000 };
    expect(await directory.call('writeUser', written)).toMatchObject({ kind: 'written' });
  });
});

describe('when the replica takes the primary’s place', { timeout: 60_000 }, () => {
  const READS = {
    control: (directory: RedisDirectory) => directory.call('readRoom', { room: 'lobby' }),
    log: (directory: RedisDirectory) => directory.call('openLog', { room: 'lobby', last: 9, bytesMax: 9 }),
    bulk: (directory: RedisDirectory) => directory.call('readUser', { user: 'ann' }),
  } satisfies Record<DirectoryConnection, unknown>;

  async function behindProxy() {
    const both = await pair();
    const proxy: RedisProxy = await startRedisProxy(both.primary.server.port);
    closing.push(() => proxy.close());
    const directory = await open(proxy.url, 0);
    const triple = tripleOf(await claimed(directory, 'lobby', both.primary.runId));
    await directory.call('append', batchOf('lobby', triple, 1));
    await until(async () => (await both.replica.plain.xlen('bh:room:{lobby}:log')) === 1);
    await both.replica.plain.replicaof('NO', 'ONE');
    proxy.aimAt(both.replica.server.port);
    return { ...both, proxy, directory, triple };
  }

  it.each(DIRECTORY_CONNECTIONS)('the %s connection finds another run, for itself alone', async (moved) => {
    const { primary, replica, proxy, directory, triple } = await behindProxy();
    expect(proxy.cut(moved)).toBe(1);
    await until(async () => (await faultOf(READS[moved](directory))) === 'other-run');
    const fault = await READS[moved](directory).catch((error: DirectoryError) => error);
    expect(fault).toMatchObject({ code: 'other-run', runId: replica.runId });
    // Nothing was executed there; the others go on where they were.
    expect(await replica.plain.info('commandstats')).not.toMatch(/cmdstat_eval/);
    for (const other of DIRECTORY_CONNECTIONS.filter((each) => each !== moved)) {
      await expect(READS[other](directory)).resolves.toBeTruthy();
    }
    const append = () => directory.call('append', batchOf('lobby', triple, 2));
    if (moved === 'log') expect(await faultOf(append())).toBe('other-run');
    else expect(await append()).toMatchObject({ kind: 'appended', head: 2 });
    expect(await replica.plain.xlen('bh:room:{lobby}:log')).toBe(1);
    expect(await primary.plain.xlen('bh:room:{lobby}:log')).toBe(moved === 'log' ? 1 : 2);
  });

  it('goes on there once that run is in force, with what was replicated', async () => {
    const { replica, proxy, directory, triple } = await behindProxy();
    for (const each of DIRECTORY_CONNECTIONS) {
      proxy.cut(each);
      await until(async () => (await faultOf(READS[each](directory))) === 'other-run');
    }
    directory.useRun(replica.runId);
    expect(await READS.control(directory)).toMatchObject({ kind: 'record', record: { head: 1 } });
    expect(await READS.log(directory)).toMatchObject({ first: 1, entries: [{ seq: 1 }], senders: { s1: { id: 1 } } });
    // A batch whose outcome was lost with the old primary is answered as it was.
    expect(await directory.call('append', batchOf('lobby', triple, 1))).toMatchObject({
      kind: 'appended',
      outcomes: [{ kind: 'logged', seq: 1 }],
    });
  });
});
