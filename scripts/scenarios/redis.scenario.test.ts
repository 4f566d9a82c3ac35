/** Redis goes away, comes back with its data, is emptied, and comes back empty, while everybody talks: nobody is restarted, nobody is
 *  sent away, and everything works again by itself. */
import { afterAll, expect, test } from 'vitest';
import { ScenarioClient } from './client.ts';
import { Load } from './load.ts';
import { expectSound, untilSettled, useCluster } from './suite.ts';
import { BOUND_MS, pause, until } from './wait.ts';

const cluster = useCluster({ nodes: 2, routers: 2, redisArgs: ['--appendonly', 'yes'] });
let load: Load | undefined;
afterAll(() => load?.close());

const AWAY_MS = 5_000;

function talkOf(): Load {
  if (load === undefined) throw new Error('nobody talks');
  return load;
}

function urls(): string[] {
  return [...cluster().routers.values()].map(({ url }) => url);
}

/** Everything works again: all publishes have outcomes, each room takes one more, a new room opens, presence is exact. */
async function expectHealed(what: string): Promise<void> {
  const talk = talkOf();
  const left = 2 * BOUND_MS;
  await until(
    'every client is heard again',
    async () => {
      await Promise.all(talk.clients.map((client) => client.sayUntilAcked(what, left)));
      return true;
    },
    left,
  );
  const newcomer = await until('a new room opens', async () =>
    ScenarioClient.join({ url: urls()[1] ?? '', room: `new-${what}`, user: 'newcomer' }).catch(() => undefined),
  );
  await newcomer.say('hello');
  newcomer.close();
  for (const { api } of cluster().routers.values()) {
    for (const room of talk.rooms) {
      const users = talk.clients.filter(({ options }) => options.room === room).map(({ options }) => options.user);
      await until(
        `presence of ${room} is exact`,
        async () => {
          const found = (await api.presence(room)).body.users.map(({ user }) => user).sort();
          if (found.join() !== users.sort().join()) throw new Error(`it is ${found.join()}`);
          return true;
        },
        left,
      );
    }
  }
  // While everybody talks somebody is always a message behind, for a moment.
  await until('everyone has heard all', () => talk.counts().lost === 0);
  const { socketsClosed, doubled } = talk.counts();
  expect({ socketsClosed, doubled }).toEqual({ socketsClosed: 0, doubled: 0 });
  expectSound(cluster(), talk.clients);
  const ended = [...cluster().nodes.values(), ...[...cluster().routers.values()].map(({ process }) => process)];
  expect(ended.filter(({ exit }) => exit !== undefined).map(({ name }) => name)).toEqual([]);
}

test('Redis is away for a while and comes back with its data', async () => {
  const talk = new Load({ rooms: 8, clients: 24, rate: 400, urls: urls(), signals: true });
  load = talk;
  await talk.connect();
  talk.start();
  await until('every room was heard', () => talk.clients.every(({ received }) => received > 5));
  await cluster().redis.kill9();
  const began = performance.now();
  // A room that nobody knows cannot be opened now, and whoever wants it is told so soon.
  await pause(1_000);
  const stranger = new ScenarioClient({ url: urls()[0] ?? '', room: 'unknown', user: 'stranger' });
  const asked = performance.now();
  await until('the stranger is turned away', () => stranger.closes.length > 0, 10_000);
  expect(stranger.closes.map(({ code }) => code)).toEqual([1013]);
  expect(stranger.errors.map(({ code, retryable }) => [code, retryable])).toEqual([['redis_unavailable', true]]);
  expect(performance.now() - asked).toBeLessThan(1_500);
  for (const { api } of cluster().routers.values()) {
    expect([await api.status('/livez'), await api.status('/readyz')]).toEqual([200, 200]);
  }
  await pause(Math.max(0, AWAY_MS - (performance.now() - began)));
  await cluster().redis.restart();
  await expectHealed('back-with-data');
});

test('its data is gone, the process is the same', async () => {
  await cluster().flushRedis();
  await expectHealed('flushed');
});

test('it comes back empty', async () => {
  await cluster().redis.kill9();
  await pause(500);
  await cluster().redis.restart({ args: ['--appendonly', 'no'] });
  await expectHealed('back-empty');
  talkOf().pause();
  await untilSettled(talkOf().clients);
});
