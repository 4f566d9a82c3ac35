/** A router is stopped: its clients are told when to come back, and go on at another router where they were. */
import { expect, test } from 'vitest';
import { ScenarioClient } from './client.ts';
import { expectSound, useCluster } from './suite.ts';
import { until } from './wait.ts';

const cluster = useCluster({ nodes: 2, routers: 2, routerArgs: ['--stop-spread-ms', '300'] });

test('a client resumes elsewhere without loss, repeat, or leaving the room', async () => {
  const [one, two] = [cluster().router('r1'), cluster().router('r2')];
  const rooms = ['a', 'b', 'c', 'd'];
  const movers = await Promise.all(rooms.map((room) => ScenarioClient.join({ url: one.url, room, user: 'mover' })));
  const stayers = await Promise.all(rooms.map((room) => ScenarioClient.join({ url: two.url, room, user: 'stayer' })));
  for (const client of [...movers, ...stayers]) await client.say('hello');
  await until('everyone heard both', () => [...movers, ...stayers].every(({ received }) => received === 2));

  one.process.signal('SIGTERM');
  await until('the router is not ready any more', async () => (await one.api.status('/readyz')) !== 200);
  await until('every client was sent away', () => movers.every(({ closes }) => closes.length > 0));
  expect(await one.process.exited).toEqual({ code: 0, signal: null });
  for (const { closes, notices } of movers) {
    expect(closes.map(({ code }) => code)).toEqual([1012]);
    expect(notices.map(({ kind }) => kind)).toHaveLength(1);
    expect(notices[0]?.retryAfterMs).toBeGreaterThanOrEqual(0);
    expect(notices[0]?.retryAfterMs).toBeLessThanOrEqual(300);
  }

  // Said while they are away.
  for (const stayer of stayers) for (let i = 0; i < 5; i++) await stayer.say(i);
  for (const mover of movers) {
    const { resumed, session } = await mover.resume(two.url);
    expect([resumed, session]).toEqual([true, mover.welcomes[0]?.session]);
    await mover.say('back');
  }
  await until('everyone heard all', () => [...movers, ...stayers].every(({ received }) => received === 8));
  for (const mover of movers) expect(mover.messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(stayers.flatMap(({ leaves }) => leaves)).toEqual([]);
  expect([...movers, ...stayers].flatMap(({ resets }) => resets)).toEqual([]);
  expectSound(cluster(), [...movers, ...stayers]);
});
