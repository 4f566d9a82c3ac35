/** A node leaves in peace while its rooms talk: nothing closes, nothing is lost, nothing is said twice, and a program's state goes along. */
import { afterAll, expect, test } from 'vitest';
import { ScenarioClient } from './client.ts';
import { Load } from './load.ts';
import { expectSound, untilSettled, useCluster } from './suite.ts';
import { until } from './wait.ts';

const cluster = useCluster({ nodes: 3, routers: 2 });
let load: Load | undefined;
const counters: ScenarioClient[] = [];
afterAll(() => {
  load?.close();
  for (const one of counters) one.terminate();
});

test('a drain under load loses nothing, and its process exits with 0', async () => {
  const urls = [...cluster().routers.values()].map(({ url }) => url);
  const [url = ''] = urls;
  const talk = new Load({ rooms: 24, clients: 72, rate: 400, urls, signals: true });
  load = talk;
  await talk.connect();
  for (let i = 0; i < 6; i++) {
    const counter = await ScenarioClient.join({ url, room: `counter-${i}`, user: 'counting' });
    counters.push(counter);
    for (let add = 1; add <= 4; add++) await counter.say({ add });
  }
  talk.start();
  await until('every room was heard', () => talk.clients.every(({ received }) => received > 10));

  for (const id of ['n1', 'n2']) {
    talk.mark();
    const node = cluster().node(id);
    node.signal('SIGTERM');
    expect(await node.exited).toEqual({ code: 0, signal: null });
    // The next is drained onto a node that is there again.
    await cluster().startNode(id);
  }
  talk.pause();
  await untilSettled(talk.clients);
  await until('everyone has heard all', () => talk.counts().lost === 0);
  const { socketsClosed, lost, doubled, resets, refused } = talk.counts();
  expect({ socketsClosed, lost, doubled, resets, refused }).toEqual({
    socketsClosed: 0,
    lost: 0,
    doubled: 0,
    resets: 0,
    refused: {},
  });

  for (const counter of counters) {
    await counter.say({ add: 100 });
    await until('the sum is told', () => counter.messages.length === 5);
    expect(counter.messages.at(-1)?.data).toMatchObject({ count: 110 });
    expect(counter.resets).toEqual([]);
  }
  expectSound(cluster(), [...talk.clients, ...counters]);
});

test('a second SIGTERM ends it at once', async () => {
  const node = cluster().node('n3');
  node.signal('SIGTERM');
  node.signal('SIGTERM');
  expect(await node.exited).toEqual({ code: 0, signal: null });
  await until('every room answers', async () => {
    await Promise.all(counters.map((counter) => counter.sayUntilAcked({ add: 1 })));
    return true;
  });
  expect(counters.flatMap(({ closes }) => closes)).toEqual([]);
});
