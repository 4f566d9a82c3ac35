/** Two node processes under one id: the second is refused while the first lives, and takes its place once it is dead. */
import { expect, test } from 'vitest';
import { ScenarioClient } from './client.ts';
import { expectSound, useCluster } from './suite.ts';

// Routers leave it to the newcomer to find out.
const cluster = useCluster({ nodes: 1, routers: 1, routerArgs: ['--certify-by', 'supervisor'] });

test('a living namesake is told by a sentence and exit code 2; a dead one is followed', async () => {
  const { url } = cluster().router('r1');
  const ada = await ScenarioClient.join({ url, room: 'lobby', user: 'ada' });
  await ada.say('before');
  const twin = cluster().launchNode('n1');
  expect(await twin.exited).toEqual({ code: 2, signal: null });
  expect(twin.said).toMatch(/a node named n1 is alive/);
  expect(cluster().node('n1').exit).toBeUndefined();
  await ada.say('still here');

  await cluster().node('n1').kill();
  await cluster().startNode('n1');
  await ada.sayUntilAcked('after');
  expect(ada.resets).toEqual([]);
  expect(ada.closes).toEqual([]);
  expectSound(cluster(), [ada]);
});
