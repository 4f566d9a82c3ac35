import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { passTime, plainRedis, redisTime } from '../testing/redis-client.ts';
import { type RedisServer, startRedis } from '../testing/redis-server.ts';
import { CONFORMANCE_CERTS_MAX, directoryConformance } from './conformance.ts';
import type { Args, DirectoryError, RoomRecord } from './directory.ts';
import { nodeRecord, token, tripleOf } from './example-records.ts';
import { DIRECTORY_CONNECTIONS } from './plan.ts';
import { type DirectoryEvent, RedisDirectory, type RedisDirectoryOptions } from './redis-directory.ts';
import { loadScript } from './scripts.ts';

const TIMINGS = { commandTimeoutMs: 1_000, reconnectMs: 500 };
/** Where no time-out is meant to happen, however slow the machine. */
const PATIENT = { commandTimeoutMs: 20_000, reconnectMs: 5_000 };
const A = token('a');

/** Resolves with the first event that fits; every event since `start` is looked at. */
function watch(directory: RedisDirectory) {
  const events: DirectoryEvent[] = [];
  const waiting = new Set<() => void>();
  directory.onState((event) => {
    events.push(event);
    for (const look of waiting) look();
  });
  return {
    events,
    until: (fits: (event: DirectoryEvent) => boolean, from = 0) =>
      new Promise<DirectoryEvent>((resolve) => {
        const look = () => {
          const found = events.slice(from).find(fits);
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
  };
}

/** Starts a directory and waits until all of its connections are up. */
async function opened(options: Partial<RedisDirectoryOptions> & { url: string }) {
  const directory = RedisDirectory.connect({ cluster: 'test', timings: TIMINGS, ...options });
  const watched = watch(directory);
  directory.start();
  for (const connection of DIRECTORY_CONNECTIONS)
    await watched.until((event) => event.kind === 'up' && event.connection === connection);
  return { directory, ...watched };
}

const faultOf = (promise: Promise<unknown>): Promise<DirectoryError> =>
  promise.then(
    (reply) => {
      throw new Error(`expected a fault, not ${JSON.stringify(reply)}`);
    },
    (error: DirectoryError) => error,
  );

/** The outcome of a call that is repeated, as a caller would, until it is another than `code`. */
async function outcomeAfter(code: string, attempt: () => Promise<unknown>): Promise<unknown> {
  for (;;) {
    const outcome = await attempt().catch((error: DirectoryError) => error);
    if (!(outcome instanceof Error && 'code' in outcome && outcome.code === code)) return outcome;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('with one server for all', () => {
  let server: RedisServer;
  let plain: Redis;
  let directory: RedisDirectory;
  let runId: string;

  beforeAll(async () => {
    server = await startRedis();
    plain = await plainRedis(server.port);
    const open = await opened({ url: server.url, certsMax: CONFORMANCE_CERTS_MAX, timings: PATIENT });
    directory = open.directory;
    runId = (await directory.call('readCluster', {})).runId;
  });

  beforeEach(() => plain.flushall());

  afterAll(async () => {
    await directory.close();
    plain.disconnect();
    await server.stop();
  });

  directoryConformance('RedisDirectory', async () => ({
    directory,
    runId,
    passTime: (ms) => passTime(plain, ms),
    now: () => redisTime(plain),
  }));

  const register = () => directory.call('register', { record: nodeRecord('n1', A), runId, newGen: 'g1' });
  const heartbeat = () =>
    directory.call('heartbeat', { node: 'n1', incarnation: A, runId, gen: 'g1', load: { rooms: 0, sessions: 0 } });
  const claim = {
    node: 'n1',
    incarnation: A,
    nonce: token('n', 16),
    floor: 0,
    numbering: { kind: 'continue' },
  } as const;

  const append = (record: RoomRecord, more: Partial<Args<'append'>> = {}): Args<'append'> => ({
    room: 'lobby',
    triple: tripleOf(record),
    batch: 1,
    head: record.head,
    items: [
      { sender: 's1', seat: 1, cseq: 1, id: 1, isResumed: false, message: { from: 'ann', session: 's1', data: '1' } },
    ],
    keep: { entries: 1_000, ms: 86_400_000 },
    forget: [],
    sendersMax: 100,
    ...more,
  });

  describe('46 beyond its maxmemory', () => {
    afterEach(() => plain.config('SET', 'maxmemory', '0'));

    it('46 takes heartbeats, certificates and changes of owner, and nothing that would grow', async () => {
      await register();
      const owned = await directory.call('claim', { room: 'lobby', seen: undefined, ...claim, runId });
      if (owned.kind !== 'owned') throw new Error(owned.kind);
      const { record } = owned;
      await directory.call('append', append(record));
      await plain.config('SET', 'maxmemory', '1');
      // Before Redis 7 a script cannot say that it may run now.
      const version = /redis_version:(\d+)/.exec(await plain.info('server'))?.[1];
      if (Number(version) < 7) return expect(await faultOf(heartbeat())).toMatchObject({ code: 'bad-reply' });

      expect(await heartbeat()).toMatchObject({ kind: 'ok' });
      const seen = { incarnation: A, epoch: record.epoch, nonce: record.nonce };
      const again = await directory.call('claim', { room: 'lobby', seen, ...claim, nonce: token('m', 16), runId });
      if (again.kind !== 'owned') throw new Error(again.kind);
      expect(again.record).toMatchObject({ head: 1 });

      const batch = append(again.record, { items: append(record).items.map((item) => ({ ...item, id: 2 })) });
      const refusals = await Promise.all([
        faultOf(directory.call('append', batch)),
        faultOf(directory.call('claim', { room: 'new', seen: undefined, ...claim, runId })),
      ]);
      for (const refusal of refusals) {
        expect(refusal).toMatchObject({ code: 'bad-reply', retryable: true });
        expect(refusal.message).toMatch(/maxmemory/);
      }
      const triple = tripleOf(again.record);
      const released = await directory.call('release', {
        room: 'lobby',
        triple,
        head: 1,
        expireMs: 60_000,
        isLogged: false,
      });
      expect(released).toMatchObject({ kind: 'released' });
      const by = { kind: 'proof', how: 'reaped' } as const;
      const certified = await directory.call('certify', { node: 'n1', incarnation: A, runId, gen: 'g1', by });
      expect(certified).toMatchObject({ kind: 'certified' });
      await plain.config('SET', 'maxmemory', '0');
      expect(await plain.xlen('bh:room:{lobby}:log')).toBe(1);
      expect(await plain.exists('bh:room:{new}:owner')).toBe(0);
    });

    it('46 keeps of a log what it is told to keep, and of its senders no more than may be', async () => {
      await register();
      const owned = await directory.call('claim', { room: 'lobby', seen: undefined, ...claim, runId });
      if (owned.kind !== 'owned') throw new Error(owned.kind);
      const [item] = append(owned.record).items;
      if (item === undefined) throw new Error('no item');
      const keep = { entries: 100, ms: 86_400_000 };
      for (let batch = 1; batch <= 50; batch++) {
        const items = Array.from({ length: 64 }, (_, i) => ({ ...item, sender: `s${batch}-${i}` }));
        const head = (batch - 1) * 64;
        const reply = await directory.call(
          'append',
          append(owned.record, { batch, head, items, keep, sendersMax: 50 }),
        );
        expect(reply).toMatchObject({ kind: 'appended', head: batch * 64 });
      }
      const entries = await plain.xlen('bh:room:{lobby}:log');
      // Trimmed in whole parts of a stream, of 100 entries each.
      expect(entries).toBeGreaterThanOrEqual(100);
      expect(entries).toBeLessThanOrEqual(300);
      // The mark that says that some were forgotten is beside them.
      expect(await plain.hlen('bh:room:{lobby}:senders')).toBeLessThanOrEqual(51);
      expect(await plain.zcard('bh:room:{lobby}:order')).toBeLessThanOrEqual(50);
      // Two for the cluster's name and nodes, one for beats, and what one room has.
      expect(await plain.dbsize()).toBeLessThanOrEqual(10);
    });
  });

  it('finds an emptied history with the next heartbeat', async () => {
    await register();
    expect(await heartbeat()).toMatchObject({ kind: 'ok' });
    await plain.flushall();
    expect(await heartbeat()).toEqual({ kind: 'empty' });
  });

  it('sends its scripts again to a server that has forgotten them', async () => {
    await register();
    await plain.script('FLUSH');
    expect(await heartbeat()).toMatchObject({ kind: 'ok', counter: 1 });
    expect(await heartbeat()).toMatchObject({ kind: 'ok', counter: 2 });
  });

  it('lets all keys of a released room expire at one moment, and none of a claimed one', async () => {
    const kept = ['owner', 'log', 'senders', 'order', 'state'].map((part) => `bh:room:{lobby}:${part}`);
    const [owner = ''] = kept;
    await plain.set('bh:room:{lobby}:presence', 'x', 'PX', 300_000);
    const owned = await directory.call('claim', { room: 'lobby', seen: undefined, ...claim, runId });
    if (owned.kind !== 'owned') throw new Error('expected to own the room');
    const { epoch, nonce } = owned.record;
    await directory.call('append', append(owned.record, { snapshot: '{}' }));
    await directory.call('release', {
      room: 'lobby',
      triple: { incarnation: A, epoch, nonce },
      head: 1,
      expireMs: 9e6,
      isLogged: false,
    });
    const moments = await Promise.all(kept.map((key) => plain.call('pexpiretime', key)));
    expect(new Set(moments).size).toBe(1);
    expect(await plain.pttl(owner)).toBeGreaterThan(8e6);
    const presence = await plain.pttl('bh:room:{lobby}:presence');
    expect(presence).toBeLessThanOrEqual(300_000);
    const seen = { incarnation: undefined, epoch, nonce };
    expect(await directory.call('claim', { room: 'lobby', seen, ...claim, runId })).toMatchObject({ kind: 'owned' });
    expect(await Promise.all(kept.map((key) => plain.pttl(key)))).toEqual([-1, -1, -1, -1, -1]);
    expect(await plain.pttl('bh:room:{lobby}:presence')).toBeGreaterThan(0);
  });

  describe('a log that is not the record’s', () => {
    const LOG = 'bh:room:{lobby}:log';
    const twoSaid = async () => {
      const owned = await directory.call('claim', { room: 'lobby', seen: undefined, ...claim, runId });
      if (owned.kind !== 'owned') throw new Error('expected to own the room');
      await directory.call('append', append(owned.record));
      return { ...owned.record, head: 1 };
    };
    const dump = async () => ({
      record: await plain.hgetall('bh:room:{lobby}:owner'),
      log: await plain.xrange(LOG, '-', '+'),
      senders: await plain.hgetall('bh:room:{lobby}:senders'),
    });

    it.each<[string, string, () => Promise<unknown>]>([
      ['that is longer', '7', () => plain.xadd(LOG, '7-0', 'x', 'y')],
      ['that is shorter', '1', () => plain.hset('bh:room:{lobby}:owner', 'head', '4')],
      [
        'that is empty and was longer',
        '9',
        async () => {
          await plain.xadd(LOG, '9-0', 'x', 'y');
          await plain.xtrim(LOG, 'MAXLEN', 0);
        },
      ],
    ])('refuses a batch, and writes nothing: one %s', async (_what, end, tamper) => {
      const record = await twoSaid();
      await tamper();
      const before = await dump();
      const head = Number(before.record['head']);
      const items = [
        { sender: 's2', seat: 1, cseq: 1, id: 5, isResumed: true },
        ...append(record).items.map((item) => ({ ...item, cseq: 2, id: 2 })),
      ];
      const reply = await directory.call('append', append(record, { batch: 2, head, items }));
      expect(reply).toEqual({ kind: 'rolled-back', head: Number(end) });
      expect(await dump()).toEqual(before);
    });

    it('goes with the next claim, and the room is usable', async () => {
      const record = await twoSaid();
      await plain.xadd(LOG, '7-0', 'x', 'y');
      const seen = { incarnation: A, epoch: record.epoch, nonce: record.nonce };
      const again = await directory.call('claim', { room: 'lobby', seen, ...claim, runId });
      if (again.kind !== 'owned') throw new Error('expected to own the room');
      const next = append(again.record, { items: append(record).items.map((item) => ({ ...item, id: 2 })) });
      expect(await directory.call('append', next)).toMatchObject({ kind: 'appended', head: 2 });
    });
  });

  it('reports what Redis refuses, in its words, and goes on', async () => {
    await plain.set('bh:room:{lobby}:owner', 'not a hash');
    const fault = await faultOf(directory.call('readRoom', { room: 'lobby' }));
    expect(fault).toMatchObject({ code: 'bad-reply', retryable: true });
    expect(fault.message).toMatch(/WRONGTYPE/);
    expect(await register()).toMatchObject({ kind: 'registered' });
  });

  it('reports data that is not its own', async () => {
    await plain.hset('bh:{test}:nodes', 'n1', 'nonsense');
    expect(await faultOf(directory.call('readCluster', {}))).toMatchObject({ code: 'bad-reply' });
  });

  it.each(['{}', 'null', '{"timings":{"fenceMs":"1500"}}'])(
    'names the record of a router that is none, and hands it to nobody (%s)',
    async (json) => {
      await plain.hset('bh:{test}:routers', 'r\n1', `${A} 1 0\n${json}`);
      const fault = await faultOf(directory.call('readCluster', {}));
      expect(fault).toMatchObject({ code: 'bad-reply', message: expect.stringContaining('router "r\\n1"') });
    },
  );

  it('reads the record of a router of another version, whatever it shows of itself', async () => {
    await plain.hset('bh:{test}:routers', 'r1', `${A} 1 7\n{"timings":{"fenceMs":1500,"deadMs":2600},"pid":"9"}`);
    expect((await directory.call('readCluster', {})).routers).toMatchObject([
      { router: 'r1', incarnation: A, counter: 1, sessions: 7, timings: { deadMs: 2_600 }, url: '', pid: 0 },
    ]);
  });

  it.each(['null', '7', '[]', '{"user":7}', 'nonsense'])(
    'passes over what is no member, session, pin or order (%s)',
    async (json) => {
      const [session, other] = [token('1'), token('2')];
      const member = { user: 'ada', node: 'n1', router: 'r1', since: 1, meta: { any: ['thing'] } };
      const place = { room: 'lobby', node: 'n1', incarnation: A, router: 'r1', since: 1 };
      await plain.hset('bh:room:{lobby}:presence', session, JSON.stringify(member), other, json);
      await plain.hset('bh:user:{ada}', session, `7\n${JSON.stringify(place)}`, other, `7\n${json}`);
      await plain.hset('bh:{test}:pins', 'lobby', json);
      await directory.call('appendAudit', { entry: { by: 'ada', action: 'move', room: 'lobby' } });
      await plain.xadd('bh:{test}:audit', '9-0', 'at', '5', 'entry', json);
      expect(await directory.call('readPresence', { room: 'lobby', limit: 9 })).toMatchObject({
        members: [{ session, member }],
      });
      // Nor is a page shorter for it: that would be taken for the last one.
      await plain.hset('bh:room:{lobby}:presence', token('0'), json);
      expect(await directory.call('readPresence', { room: 'lobby', limit: 1 })).toMatchObject({
        members: [{ session, member }],
      });
      expect(await directory.call('readUser', { user: 'ada' })).toEqual({
        sessions: [{ session, at: { ...place, epoch: 7 } }],
      });
      expect((await directory.call('readCluster', {})).pins).toEqual([]);
      const { entries } = await directory.call('readAudit', { after: 0, limit: 9 });
      expect(entries).toMatchObject([{ by: 'ada', action: 'move', room: 'lobby' }]);
    },
  );

  it('says what is wrong with the server’s settings', async () => {
    expect(await directory.checkServer()).toEqual([]);
    await plain.config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await directory.checkServer()).toEqual([expect.stringMatching(/allkeys-lru and must be noeviction/)]);
    await plain.config('SET', 'maxmemory-policy', 'noeviction');
  });

  it('does not count a write that no replica confirms', async () => {
    const careful = await opened({ url: server.url, replicas: 1 });
    const record = nodeRecord('n2', A);
    const args = { record, runId, newGen: 'g1' };
    expect(await faultOf(careful.directory.call('register', args))).toMatchObject({ code: 'timeout' });
    expect(await careful.directory.call('readCluster', {})).toMatchObject({ nodes: [{ node: 'n2' }] });
    await careful.directory.close();
  });

  it('tells of every call and its outcome', async () => {
    const events: DirectoryEvent[] = [];
    const stop = directory.onState((event) => events.push(event));
    await heartbeat();
    await directory.call('readUser', { user: 'u' });
    stop();
    await heartbeat();
    expect(events).toEqual([
      { kind: 'call', connection: 'control', operation: 'heartbeat', ms: expect.any(Number), outcome: 'ok' },
      { kind: 'call', connection: 'bulk', operation: 'readUser', ms: expect.any(Number), outcome: 'ok' },
    ]);
  });
});

describe('connections', () => {
  const servers: RedisServer[] = [];
  const directories: RedisDirectory[] = [];
  const others: (() => void)[] = [];

  const server = async (args: string[] = []) => {
    const started = await startRedis({ args });
    servers.push(started);
    return started;
  };
  const open = async (options: Partial<RedisDirectoryOptions> & { url: string }) => {
    const result = await opened(options);
    directories.push(result.directory);
    return result;
  };

  afterEach(async () => {
    for (const each of servers) each.resume();
    await Promise.all(directories.splice(0).map((directory) => directory.close()));
    await Promise.all(servers.splice(0).map((each) => each.stop()));
    for (const stop of others.splice(0)) stop();
  });

  it('sends nothing to another run until it is put in force', async () => {
    const redis = await server();
    const { directory, events, until } = await open({ url: redis.url });
    const before = await directory.call('readCluster', {});
    await directory.call('createHistory', { gen: 'g1' });
    const from = events.length;
    await redis.restart();
    const refused = await outcomeAfter('unavailable', () => directory.call('createHistory', { gen: 'g2' }));
    expect(refused).toMatchObject({ code: 'other-run', retryable: true });
    const { runId } = refused as DirectoryError;
    expect(runId).toMatch(/^[0-9a-f]{40}$/);
    expect(runId).not.toBe(before.runId);
    for (const connection of ['bulk', 'log'])
      await until((event) => event.kind === 'up' && event.connection === connection, from);
    expect(await faultOf(directory.call('readUser', { user: 'u' }))).toMatchObject({ code: 'other-run', runId });
    const openLog = { room: 'lobby', last: 1, bytesMax: 1 };
    expect(await faultOf(directory.call('openLog', openLog))).toMatchObject({ code: 'other-run', runId });
    const plain = await plainRedis(redis.port);
    others.push(() => plain.disconnect());
    expect(await plain.keys('*')).toEqual([]);
    expect(await plain.info('commandstats')).not.toMatch(/cmdstat_eval/);

    directory.useRun(runId);
    expect(await directory.call('readCluster', {})).toMatchObject({ runId, gen: undefined });
    expect(await directory.call('readUser', { user: 'u' })).toEqual({ sessions: [] });
    directory.useRun(before.runId);
    expect(await faultOf(directory.call('readCluster', {}))).toMatchObject({ code: 'other-run', runId });
    directory.useRun(undefined);
    expect(await directory.call('readCluster', {})).toMatchObject({ runId });
  });

  it('never sends to a new connection before its run id is known', async () => {
    const redis = await server();
    const { directory } = await open({ url: redis.url });
    await directory.call('readCluster', {});
    // Callers that try in every turn of the loop while the server is replaced.
    let isOver = false;
    const outcomes = new Set<string>();
    const caller = async () => {
      while (!isOver) {
        const attempt = directory.call('createHistory', { gen: 'g1' });
        outcomes.add(
          await attempt.then(
            ({ kind }) => kind,
            (error: DirectoryError) => error.code,
          ),
        );
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const callers = [caller(), caller(), caller()];
    await redis.kill9();
    await redis.restart();
    while (!outcomes.has('other-run')) await new Promise((resolve) => setImmediate(resolve));
    isOver = true;
    await Promise.all(callers);
    expect(outcomes).toContain('unavailable');
    const plain = await plainRedis(redis.port);
    others.push(() => plain.disconnect());
    expect(await plain.keys('*')).toEqual([]);
    expect(await plain.info('commandstats')).not.toMatch(/cmdstat_eval/);
  });

  it('times out while Redis is stopped, and matches no late reply to a later command', async () => {
    const redis = await server();
    const { directory } = await open({ url: redis.url });
    const { runId } = await directory.call('readCluster', {});
    const plain = await plainRedis(redis.port);
    others.push(() => plain.disconnect());
    await plain.script('LOAD', loadScript('create-history').source);
    redis.pause();
    const fault = await faultOf(directory.call('createHistory', { gen: 'g1' }));
    expect(fault).toMatchObject({ code: 'timeout' });
    redis.resume();
    // The same connection answers the command that was given up, and then these.
    const room = directory.call('readRoom', { room: 'lobby' });
    const standing = directory.call('standing', { node: 'n1', incarnation: A });
    const history = directory.call('createHistory', { gen: 'g2' });
    expect(await room).toEqual({ kind: 'missing' });
    expect(await standing).toEqual({ runId, gen: 'g1', standing: 'unknown' });
    // It was carried out although it had timed out.
    expect(await history).toEqual({ kind: 'exists', gen: 'g1' });
  });

  it('does not teach Redis a script that its caller has given up', async () => {
    const redis = await server();
    const { directory } = await open({ url: redis.url });
    redis.pause();
    expect(await faultOf(directory.call('createHistory', { gen: 'g1' }))).toMatchObject({ code: 'timeout' });
    redis.resume();
    // Answered on the same connection after the reply that came too late.
    expect(await directory.call('readCluster', {})).toMatchObject({ gen: undefined });
    expect(await directory.call('createHistory', { gen: 'g2' })).toEqual({ kind: 'created' });
  });

  it('leaves a connection that stays silent, and is back when Redis is', async () => {
    const redis = await server();
    const { directory, events, until } = await open({ url: redis.url });
    await directory.call('readCluster', {});
    redis.pause();
    const outcome = await outcomeAfter('timeout', () => directory.call('readCluster', {}));
    expect(outcome).toMatchObject({ code: 'unavailable' });
    expect(events).toContainEqual({ kind: 'down', connection: 'control', reason: expect.stringMatching(/silent/) });
    const from = events.length;
    redis.resume();
    await until((event) => event.kind === 'up' && event.connection === 'control', from);
    expect(await directory.call('readCluster', {})).toMatchObject({ gen: undefined });
  });

  it('reports a command in flight on a lost connection as unknown, not as failed', async () => {
    const redis = await server();
    const { directory } = await open({ url: redis.url });
    redis.pause();
    const inFlight = faultOf(directory.call('createHistory', { gen: 'g1' }));
    await redis.kill9();
    expect(await inFlight).toMatchObject({ code: 'timeout' });
  });

  it('refuses at once while Redis is away, and keeps nothing for later', async () => {
    const redis = await server();
    const { directory, events, until } = await open({ url: redis.url });
    await directory.call('readCluster', {});
    await redis.kill9();
    await until((event) => event.kind === 'down' && event.connection === 'control');
    expect(await faultOf(directory.call('createHistory', { gen: 'g1' }))).toMatchObject({ code: 'unavailable' });
    const from = events.length;
    await redis.restart();
    const up = await until((event) => event.kind === 'up' && event.connection === 'control', from);
    directory.useRun(up.kind === 'up' ? up.runId : undefined);
    expect(await directory.call('readCluster', {})).toMatchObject({ gen: undefined });
  });

  it('gives up an attempt that is not answered and makes another', async () => {
    const sockets = new Set<Socket>();
    const silent: Server = createServer((socket) => sockets.add(socket));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    others.push(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const address = silent.address();
    if (address === null || typeof address === 'string') throw new Error('expected a port');
    const directory = RedisDirectory.connect({
      url: `redis://127.0.0.1:${address.port}`,
      cluster: 'test',
      timings: { commandTimeoutMs: 50, reconnectMs: 60 },
    });
    directories.push(directory);
    const { events, until } = watch(directory);
    directory.start();
    await until((event) => event.kind === 'down');
    await until((event) => event.kind === 'down' && event.connection === 'control', events.length);
    expect(events).not.toContainEqual(expect.objectContaining({ kind: 'up' }));
    expect(await faultOf(directory.call('readCluster', {}))).toMatchObject({ code: 'unavailable' });
  });

  it('does not write to a replica', async () => {
    const redis = await server(['--replicaof', '127.0.0.1 1']);
    const directory = RedisDirectory.connect({ url: redis.url, cluster: 'test', timings: TIMINGS });
    directories.push(directory);
    const { until } = watch(directory);
    directory.start();
    expect(await until((event) => event.kind === 'down')).toMatchObject({ reason: 'the server is a replica' });
  });

  it('leaves a primary that has become a replica', async () => {
    const redis = await server();
    const { directory, until } = await open({ url: redis.url });
    const plain = await plainRedis(redis.port);
    others.push(() => plain.disconnect());
    await plain.replicaof('127.0.0.1', 1);
    const outcome = await directory.call('createHistory', { gen: 'g1' }).catch((error: unknown) => error);
    expect(outcome).toMatchObject({ code: 'bad-reply', message: expect.stringMatching(/READONLY/) });
    await until((event) => event.kind === 'down' && event.reason === 'the server is a replica');
    await plain.replicaof('no', 'one');
  });

  it('closes once, and leaves nothing behind', async () => {
    const redis = await server();
    const { directory } = await open({ url: redis.url });
    const plain = await plainRedis(redis.port);
    others.push(() => plain.disconnect());
    await Promise.all([directory.close(), directory.close()]);
    expect(await faultOf(directory.call('readCluster', {}))).toMatchObject({ code: 'unavailable' });
    directory.start();
    expect(await faultOf(directory.call('readCluster', {}))).toMatchObject({ code: 'unavailable' });
    const clients = String(await plain.call('client', 'list'))
      .trim()
      .split('\n');
    expect(clients).toHaveLength(1);
  });

  it('does no input or output before start', () => {
    const directory = RedisDirectory.connect({ url: 'redis://127.0.0.1:1', cluster: 'test', timings: TIMINGS });
    directories.push(directory);
    expect(() => RedisDirectory.connect({ url: 'ftp://h', cluster: 'test', timings: TIMINGS })).toThrow(RangeError);
    expect(() => RedisDirectory.connect({ url: 'redis://h', cluster: 'a{', timings: TIMINGS })).toThrow(RangeError);
  });
});
