/** Node records as they stand in a real Redis: signed, unsigned, changed by another hand. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LinkAllow } from '../link/allow.ts';
import { plainRedis } from '../testing/redis-client.ts';
import { type RedisServer, startRedis } from '../testing/redis-server.ts';
import { until } from '../testing/until.ts';
import type { NodeRecord } from './directory.ts';
import { nodeRecord } from './example-records.ts';
import { RecordGuard } from './record-guard.ts';
import { RedisDirectory } from './redis-directory.ts';

const A = 'a'.repeat(32);
const OLD = 'a secret of yesterday';
const NEW = 'a secret of tomorrow';
const STRANGE = 'a secret of somebody else';
const TIMINGS = { commandTimeoutMs: 5_000, reconnectMs: 500 };
const NODES = 'bh:{test}:nodes';

let server: RedisServer;
let redis: Awaited<ReturnType<typeof plainRedis>>;
const open: RedisDirectory[] = [];

beforeAll(async () => {
  server = await startRedis();
  redis = await plainRedis(server.port);
});
beforeEach(async () => {
  await redis.flushall();
  await Promise.all(open.splice(0).map((one) => one.close()));
});
afterAll(async () => {
  await Promise.all(open.map((one) => one.close()));
  redis?.disconnect();
  await server?.stop();
});

async function connected(secrets: readonly string[] | undefined, options: { cluster?: string; prefix?: string } = {}) {
  const ignored: string[] = [];
  const allow = new LinkAllow([]);
  const directory = RedisDirectory.connect({
    url: server.url,
    cluster: 'test',
    timings: TIMINGS,
    ...options,
    trust: secrets && { secrets, allow },
  });
  open.push(directory);
  directory.onState((event) => {
    if (event.kind === 'ignored') ignored.push(`${event.node}: ${event.why}`);
  });
  directory.start();
  await until(async () => (await directory.call('readCluster', {})).runId !== '');
  const { runId } = await directory.call('readCluster', {});
  return {
    directory,
    ignored,
    register: (record: NodeRecord) => directory.call('register', { record, runId, newGen: 'g1' }),
    weigh: (weight: number) =>
      directory.call('setState', { node: 'n1', incarnation: A, state: 'draining', weight, runId }),
    nodes: async () => (await directory.call('readCluster', {})).nodes ?? [],
  };
}

describe('a signed record', () => {
  test('is read as it was written, and after its weight and state were changed', async () => {
    const node = await connected([NEW]);
    const router = await connected([NEW]);
    const record = nodeRecord('n1', A, { weight: 0.3 });
    await node.register(record);
    expect(await router.nodes()).toEqual([record]);
    await node.weigh(0.1);
    expect(await router.nodes()).toEqual([{ ...record, weight: 0.1, state: 'draining' }]);
    expect(router.ignored).toEqual([]);
  });

  test('47 signed with either of two secrets is believed while both are accepted, and no longer', async () => {
    const record = nodeRecord('n1', A);
    await (await connected([OLD, NEW])).register(record);
    expect(await (await connected([NEW, OLD])).nodes()).toEqual([record]);
    const after = await connected([NEW]);
    expect(await after.nodes()).toEqual([]);
    expect(after.ignored).toEqual(['n1: its signature is not of this cluster’s secret']);
  });

  test('of a life that is over is ignored without a word once its secret was retired', async () => {
    await (await connected([OLD])).register(nodeRecord('n1', A, { state: 'dead' }));
    const after = await connected([NEW]);
    expect(await after.nodes()).toEqual([]);
    expect(after.ignored).toEqual([]);
  });
});

describe('a record that is not believed', () => {
  const stored = () => redis.hget(NODES, 'n1').then((text) => text ?? '');

  test('48 unsigned, it is ignored and reported once, and the others are read', async () => {
    await (await connected(undefined)).register(nodeRecord('n1', A));
    const reader = await connected([NEW]);
    const good = nodeRecord('n2', 'b'.repeat(32));
    await reader.register(good);
    for (let i = 0; i < 3; i++) expect(await reader.nodes()).toEqual([good]);
    expect(reader.ignored).toEqual(['n1: it is not signed']);
    // One that comes back is another matter.
    const record = await stored();
    await redis.hdel(NODES, 'n1');
    await reader.nodes();
    await redis.hset(NODES, 'n1', record);
    await reader.nodes();
    expect(reader.ignored).toEqual(['n1: it is not signed', 'n1: it is not signed']);
  });

  test('48 of thousands, each is reported once at most, few at a time, and by no more than a name', () => {
    const told: string[] = [];
    const guard = new RecordGuard({
      ...{ prefix: 'bh', cluster: 'test', secrets: [NEW], allow: new LinkAllow([]) },
      onIgnored: (node) => told.push(node),
    });
    const nothing = () => {
      throw new TypeError('it is none');
    };
    const many = Array.from({ length: 1_200 }, (_, i) => `${i}-${'x'.repeat(1_000)}`);
    for (let list = 1; list <= 60; list++) {
      guard.begin();
      for (const node of many) guard.open(node, 'nonsense', nothing, nothing);
      expect(told.length).toBe(Math.min(20 * list, 1_000));
    }
    expect(new Set(told).size).toBe(1_000);
    expect(told[0]?.length).toBe(256);
  });

  test('48 signed with another secret, for another cluster or under another prefix, it is ignored', async () => {
    const reader = await connected([NEW]);
    const sources = [
      { by: await connected([STRANGE]), key: NODES },
      { by: await connected([NEW], { cluster: 'other' }), key: 'bh:{other}:nodes' },
      { by: await connected([NEW], { prefix: 'other' }), key: 'other:{test}:nodes' },
    ];
    for (const { by, key } of sources) {
      await by.register(nodeRecord('n1', A));
      const text = (await redis.hget(key, 'n1')) ?? '';
      await redis.del(NODES);
      await redis.hset(NODES, 'n1', text);
      expect(await reader.nodes(), key).toEqual([]);
    }
    expect(new Set(reader.ignored)).toEqual(new Set(['n1: its signature is not of this cluster’s secret']));
  });

  test('48 with any part changed that is signed, or copied under another name, it is ignored', async () => {
    const reader = await connected([NEW]);
    await reader.register(nodeRecord('n1', A, { link: '127.0.0.1:7070', weight: 1 }));
    const good = await stored();
    const changes: Readonly<Record<string, string>> = {
      link: good.replace('127.0.0.1:7070', '127.0.0.1:7071'),
      incarnation: good.replace(A, 'c'.repeat(32)),
      weight: good.replace(' 1~', ' 9~'),
      program: good.replace('"programs":', '"programs":[],"x":'),
      'no weight signature': good.replace(/ 1~\S+/, ' 1'),
      'no signature': good.replace(/\n~\S+\n/, '\n'),
      'a state that is none': good.replace(' active ', ' \u001b[31mactive '),
      nothing: '',
      words: 'a b c d',
      'not JSON': good.replace('{', '['),
    };
    for (const [what, text] of Object.entries(changes)) {
      expect(text, what).not.toBe(good);
      await redis.hset(NODES, 'n1', text);
      expect(await reader.nodes(), what).toEqual([]);
    }
    await redis.hset(NODES, 'n1', good);
    expect((await reader.nodes()).length, 'the good one').toBe(1);
    await redis.hset(NODES, 'n9', good);
    expect((await reader.nodes()).map(({ node }) => node)).toEqual(['n1']);
    expect(reader.ignored.length).toBe(Object.keys(changes).length + 1);
  });

  test.each([
    ['169.254.169.254:80', '169.254.169.254 is a link-local or metadata address'],
    ['[::ffff:169.254.169.254]:80', '::ffff:169.254.169.254 is a link-local or metadata address'],
    ['0.0.0.0:7070', '0.0.0.0 is an any address'],
    ['[ff02::1]:7070', 'ff02::1 is a multicast address'],
    ['node-1:7070', 'the host name node-1 is not allowed'],
    ['8.8.8.8:7070', 'the address 8.8.8.8 is not allowed'],
    ['127.0.0.1:7070/x', 'it names no address of a link'],
    ['127.0.0.1:0', 'it names no address of a link'],
  ])('49 signed and well, but at %s, it is ignored and reported', async (link, why) => {
    const reader = await connected([NEW]);
    await reader.register(nodeRecord('n1', A, { link }));
    expect(await reader.nodes()).toEqual([]);
    expect(reader.ignored).toEqual([`n1: ${why}`]);
  });

  test('49 an attendant whose target is a metadata address is ignored', async () => {
    const reader = await connected([NEW]);
    await reader.register(nodeRecord('n1', A, { attends: 'ws://169.254.169.254:80/{room}' }));
    expect(await reader.nodes()).toEqual([]);
    expect(reader.ignored).toEqual(['n1: its target is a link-local or metadata address']);
  });
});
