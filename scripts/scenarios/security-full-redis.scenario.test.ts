/** A Redis that is full: it refuses writes, and what it refuses is nobody's. */
import { expect, test } from 'vitest';
import { plainRedis } from '../../shared/testing/redis-client.ts';
import { ScenarioClient } from './client.ts';
import { expectSound, untilSettled, useCluster } from './suite.ts';
import { pause, until } from './wait.ts';

const cluster = useCluster({ nodes: 2, routers: 1, redisArgs: ['--maxmemory-policy', 'noeviction'] });

test('46 a full Redis refuses writes: nothing that was acked is lost, nobody is declared dead, and all goes on when it has room', async () => {
  const { url, api } = cluster().router('r1');
  const [ann, ben] = await Promise.all(['ann', 'ben'].map((user) => ScenarioClient.join({ url, room: 'full', user })));
  if (ann === undefined || ben === undefined) throw new Error('nobody came');
  for (let n = 1; n <= 20; n++) await ann.say(`before ${n}`);
  const owners = await cluster().ownersOf(['full']);
  const incarnations = (await api.nodes()).map(({ incarnation }) => incarnation);

  const redis = await plainRedis(cluster().redis.port);
  await redis.config('SET', 'maxmemory', '1mb');
  const waiting = ann.publish('while it is full');
  // Longer than it takes to declare a silent node dead.
  await pause(4_000);
  expect(ann.outcomes.get(waiting)).toBeUndefined();
  const before = ben.signals;
  await until('signals go on', () => {
    ann.signal('still here');
    return ben.signals > before;
  });
  expect((await api.nodes()).map(({ incarnation, state }) => [incarnation, state])).toEqual(
    incarnations.map((incarnation) => [incarnation, 'active']),
  );
  await redis.config('SET', 'maxmemory', '0');
  redis.disconnect();

  await ann.say('after');
  expect(ann.outcomes.get(waiting)?.kind).toBe('acked');
  await untilSettled([ann]);
  await until('ben has heard it', () => ben.messages.at(-1)?.data === 'after');
  expect(ben.messages.map(({ data }) => data)).toEqual([
    ...Array.from({ length: 20 }, (_, n) => `before ${n + 1}`),
    'while it is full',
    'after',
  ]);
  expect(ben.messages.map(({ seq }) => seq)).toEqual(ben.messages.map((_, n) => n + 1));
  expect(await cluster().ownersOf(['full'])).toEqual(owners);
  expect([ann.closes, ben.closes, ann.resets, ben.resets]).toEqual([[], [], [], []]);
  const late = await ScenarioClient.join({ url, room: 'full', user: 'late', history: 100 });
  await until('the log has all of it', () => late.messages.length === 22);
  expectSound(cluster(), [ann, ben, late]);
  for (const client of [ann, ben, late]) client.close();
});
