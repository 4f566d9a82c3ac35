/** A router of two workers: one address and one router to everybody, two processes to the kernel. */
import { expect, test } from 'vitest';
import { buildKeys } from '../../shared/directory/keys.ts';
import { plainRedis } from '../../shared/testing/redis-client.ts';
import { ScenarioClient } from './client.ts';
import { CLUSTER_NAME } from './cluster.ts';
import type { ClusterProcess } from './processes.ts';
import { expectSound, untilSettled, useCluster } from './suite.ts';
import { until } from './wait.ts';

const ROOMS = ['a', 'b'];
const CLIENTS = 200;
const cluster = useCluster({
  nodes: 2,
  routers: 1,
  routerArgs: ['--workers', '2', '--restart-delay-ms', '200', '--stop-spread-ms', '300'],
});
const clients: ScenarioClient[] = [];

const router = () => cluster().router('r1');

/** Pids that a parent said its workers have, by their place; the latest of each. */
function pidsOf({ said }: ClusterProcess): Map<number, number> {
  const started = [...said.matchAll(/"worker":(\d+),"workerPid":(\d+),"event":"worker started"/g)];
  return new Map(started.map(([, worker, pid]) => [Number(worker), Number(pid)]));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Sessions as each worker registered them. */
async function sessionsByWorker(): Promise<Map<string, number>> {
  const redis = await plainRedis(cluster().redis.port);
  try {
    const records = await redis.hgetall(buildKeys({ cluster: CLUSTER_NAME }).cluster.routers);
    return new Map(Object.entries(records).map(([name, record]) => [name, Number(/^\S+ \d+ (\d+)/.exec(record)?.[1])]));
  } finally {
    redis.disconnect();
  }
}

async function routers() {
  const { body } = await router().api.get<{
    readonly routers: readonly { readonly router: string; readonly workers: number; readonly sessions: number }[];
  }>('/routers');
  return body.routers.map(({ router: name, workers, sessions }) => ({ name, workers, sessions }));
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${router().url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

async function untilComplete(): Promise<void> {
  await until('the API shows one router with all sessions', async () => {
    expect(await routers()).toEqual([{ name: 'r1', workers: 2, sessions: CLIENTS }]);
    return true;
  });
  for (const room of ROOMS) {
    await until(`presence of ${room} is right`, async () => {
      const { body } = await router().api.presence(room);
      expect(body.count).toBe(CLIENTS / ROOMS.length);
      return true;
    });
  }
}

async function everyoneSpeaks(): Promise<void> {
  const before = clients.map(({ received }) => received);
  for (const client of clients) client.publish('hello');
  await untilSettled(clients);
  await until('everyone heard everyone in the room', () =>
    clients.every(({ received }, i) => received === (before[i] ?? 0) + CLIENTS / ROOMS.length),
  );
}

test('both workers have clients, and everybody sees one router', async () => {
  const { url, api } = router();
  expect(await api.status('/readyz')).toBe(200);
  for (let i = 0; i < CLIENTS; i += 20) {
    const batch = Array.from({ length: 20 }, (_, j) => i + j);
    const join = (n: number) => ScenarioClient.join({ url, room: ROOMS[n % 2] ?? '', user: `u${n}` });
    clients.push(...(await Promise.all(batch.map(join))));
  }
  await everyoneSpeaks();
  await untilComplete();
  const shares = await sessionsByWorker();
  expect([...shares.keys()].sort()).toEqual(['r1.w1', 'r1.w2']);
  // Handed round; a worker that is busy for a moment gets somewhat less.
  for (const sessions of shares.values()) expect(sessions).toBeGreaterThan(CLIENTS / 8);
  expect((await api.user('u7')).body.sessions.map((one) => one.router)).toEqual(['r1']);
  expect(await metric('bellhop_router_workers')).toBe(2);
  expect(await metric('bellhop_router_sessions')).toBe(CLIENTS);
  expect(await metric('bellhop_router_messages_in_total')).toBe(CLIENTS);
  expectSound(cluster(), clients);
});

/** The first tick of a stream that tells of that many sessions. */
async function tickWith(sessions: number): Promise<void> {
  const stop = new AbortController();
  const { body } = await fetch(`${router().url}/api/v1/stream`, { signal: stop.signal });
  let text = '';
  for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    if (text.includes(`"sessions":${sessions},"rooms":`)) return stop.abort();
  }
}

test('the stream and the events of any worker tell of the whole router', async () => {
  // Connections are handed round, so that several of them reach both.
  await Promise.all(Array.from({ length: 4 }, () => tickWith(CLIENTS)));
  const told = await Promise.all(
    Array.from({ length: 4 }, () => router().api.get<{ readonly events: readonly object[] }>('/events')),
  );
  for (const { body } of told) expect(body).toEqual(told[0]?.body);
  const { events = [] } = told[0]?.body ?? {};
  for (const room of ROOMS) {
    expect(events.filter((event) => 'room' in event && event.room === room)).toMatchObject([{ kind: 'room.claimed' }]);
  }
  expect(events.filter((event) => 'router' in event)).toMatchObject([{ kind: 'router.joined', router: 'r1' }]);
});

test('a worker that is killed takes nobody else’s clients with it, and is replaced', async () => {
  const { url, process: parent } = router();
  const before = pidsOf(parent);
  const victims = (await sessionsByWorker()).get('r1.w1') ?? 0;
  process.kill(before.get(1) ?? 0, 'SIGKILL');
  await until('its clients lost their sockets', () => clients.filter(({ isOpen }) => !isOpen).length === victims);
  const lost = clients.filter(({ isOpen }) => !isOpen);
  const kept = clients.filter(({ isOpen }) => isOpen);
  await Promise.all(
    lost.map(async (client) => {
      const { resumed, session } = await client.resume(url);
      expect([resumed, session]).toEqual([true, client.welcomes[0]?.session]);
    }),
  );
  await until('another process is in its place', () => {
    const now = pidsOf(parent);
    return now.get(1) !== before.get(1) && now.get(2) === before.get(2);
  });
  await untilComplete();
  await everyoneSpeaks();
  expect(kept.flatMap(({ closes, leaves, resets }) => [...closes, ...leaves, ...resets])).toEqual([]);
  expect(lost.map(({ closes }) => closes.length)).toEqual(lost.map(() => 1));
  // What the dead worker had shown stays counted, or a scraper would see the router start anew.
  expect(await metric('bellhop_router_messages_in_total')).toBe(2 * CLIENTS);
  expect(await metric('bellhop_router_worker_restarts_total')).toBe(1);
  expect(await router().api.status('/readyz')).toBe(200);
  expectSound(cluster(), clients);
});

test('a port that is taken is told in a sentence', async () => {
  const port = new URL(router().url).port;
  const second = cluster().startRouter('r2', ['--port', port]);
  await expect(second).rejects.toThrow(`Cannot listen on port ${port} of 127.0.0.1: it is taken.`);
});

test('workers end with their parent', async () => {
  const other = await cluster().startRouter('r3');
  const pids = [...pidsOf(other.process).values()];
  expect(pids.map(isAlive)).toEqual([true, true]);
  await other.process.kill();
  await until('no worker is left', () => !pids.some(isAlive));
});

test('SIGTERM has every worker send its clients away', async () => {
  const { process: parent } = router();
  const pids = [...pidsOf(parent).values()];
  parent.signal('SIGTERM');
  expect(await parent.exited).toEqual({ code: 0, signal: null });
  expect(pids.some(isAlive)).toBe(false);
  await until('every client heard its close', () => clients.every(({ isOpen }) => !isOpen));
  expect(new Set(clients.map(({ closes }) => closes.at(-1)?.code))).toEqual(new Set([1012]));
  expect(clients.every(({ notices }) => notices.length === 1)).toBe(true);
  // They took their records away.
  expect([...(await sessionsByWorker()).keys()].filter((name) => name.startsWith('r1'))).toEqual([]);
});
