/** Two routers, two nodes: what members of one room see of each other, and what the API says of them. */
import { expect, test } from 'vitest';
import type { RoomAnswer } from './api.ts';
import { ScenarioClient } from './client.ts';
import { expectSound, useCluster } from './suite.ts';
import { until } from './wait.ts';

const cluster = useCluster({ nodes: 2, routers: 2 });

test('members on two routers hear one order, and presence agrees on both', async () => {
  const [one, two] = [cluster().router('r1'), cluster().router('r2')];
  const ada = await ScenarioClient.join({ url: one.url, room: 'lobby', user: 'ada' });
  // As wscat comes: no subprotocol.
  const bob = await ScenarioClient.join({ url: two.url, room: 'lobby', user: 'bob', plain: true });
  await until('ada sees bob', () => ada.users.join() === 'ada,bob');
  await until('bob sees ada', () => bob.users.join() === 'ada,bob');

  const said = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? ada : bob).say({ n: i }));
  bob.signal('typing');
  await Promise.all(said);
  await until('both heard all', () => ada.received === 40 && bob.received === 40 && ada.signals === 1);
  expect(ada.messages.map(({ seq, tag, data }) => [seq, tag, data])).toEqual(
    bob.messages.map(({ seq, tag, data }) => [seq, tag, data]),
  );
  expect(ada.messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  expect(bob.signals).toBe(0);

  for (const { api } of [one, two]) {
    const presence = await until('presence names both', async () => {
      const answer = await api.presence('lobby');
      return answer.body.count === 2 ? answer : undefined;
    });
    expect(presence.status).toBe(200);
    expect(presence.body.users.map(({ user }) => user).sort()).toEqual(['ada', 'bob']);
    const user = await until('ada is found', async () => {
      const answer = await api.user('ada');
      return answer.status === 200 ? answer : undefined;
    });
    expect(user.body.sessions.map(({ session, room }) => [session, room])).toEqual([[ada.session, 'lobby']]);
  }

  bob.close();
  await until('ada sees bob go', () => ada.users.join() === 'ada');
  for (const { api } of [one, two]) {
    await until('presence forgets bob', async () => (await api.presence('lobby')).body.count === 1);
  }
  expectSound(cluster(), [ada, bob]);
  ada.close();
});

test('what is not there: an unknown room and user are 404, an empty presence is 200', async () => {
  for (const { api } of cluster().routers.values()) {
    expect((await api.get('/rooms/nobody-was-here')).status).toBe(404);
    expect((await api.user('nobody')).status).toBe(404);
    const presence = await api.presence('nobody-was-here');
    expect([presence.status, presence.body.count]).toEqual([200, 0]);
    expect((await api.get('/rooms/%20')).status).toBe(400);
  }
});

test('a first join may ask for what was said before', async () => {
  const { url } = cluster().router('r1');
  const first = await ScenarioClient.join({ url, room: 'past', user: 'first' });
  for (let i = 1; i <= 5; i++) await first.say(i);
  const late = await ScenarioClient.join({ url: cluster().router('r2').url, room: 'past', user: 'late', history: 3 });
  await until('the last three come', () => late.received === 3);
  await first.say(6);
  await until('and what is live', () => late.received === 4);
  expect(late.messages.map(({ data }) => data)).toEqual([3, 4, 5, 6]);
  expectSound(cluster(), [first, late]);
});

test('a backend speaks in a room: members hear it in their order, and the room tells its head', async () => {
  const { url, api } = cluster().router('r1');
  const ada = await ScenarioClient.join({ url, room: 'served', user: 'ada' });
  const bob = await ScenarioClient.join({ url: cluster().router('r2').url, room: 'served', user: 'bob' });
  await ada.say('before');
  const speech = { data: 'from behind', from: 'clock' };
  const posted = await api.post<{ readonly seq: number; readonly epoch: number }>('/rooms/served/messages', speech);
  expect([posted.status, posted.body]).toEqual([200, { seq: 2, epoch: ada.welcome.epoch }]);
  expect(await bob.say('after')).toBe(3);
  await until('both heard all', () => ada.received === 3 && bob.received === 3);
  expect(ada.messages.map(({ from, data }) => [from, data])).toEqual([
    ['ada', 'before'],
    ['clock', 'from behind'],
    ['bob', 'after'],
  ]);
  const room = await api.get<RoomAnswer>('/rooms/served');
  expect(room.status).toBe(200);
  expect(room.body).toMatchObject({ room: 'served', epoch: ada.welcome.epoch, head: 3, sessions: 2 });
  expect(room.body.node).toBe((await cluster().recordOf('served'))?.node);
  expectSound(cluster(), [ada, bob]);
});
