import { expect, it } from 'vitest';
import { Cluster } from './core-fixture.ts';
import { heatOf } from './heat.ts';

it('tells the rooms at the top by messages, by bytes and by members, and how much all rooms say', () => {
  const cluster = new Cluster();
  const node = cluster.livingNode('n1');
  const router = node.router();
  for (let n = 1; n <= 5; n++) router.open(`room-${n}`, [{ session: `s${n}`, handle: n }]);
  for (let handle = 11; handle < 15; handle++) router.open('room-3', [{ session: `m${handle}`, handle }]);
  // Joins are told too: they belong to the past by the time that counts.
  cluster.run(5_100);
  for (let i = 1; i <= 120; i++) {
    router.frame(1, i, 'x');
    if (i % 2 === 0) router.frame(2, i / 2, 'long '.repeat(150));
    cluster.run(100);
  }
  const { rooms, messagesPerSecond } = heatOf(node.core.rooms.all(), 1);
  expect(rooms.map(({ room }) => room)).toEqual(['room-1', 'room-2', 'room-3']);
  expect(rooms[0]?.messagesPerSecond).toBeGreaterThan(9);
  expect(rooms[0]?.messagesPerSecond).toBeLessThan(11);
  expect(rooms[1]?.bytesPerSecond).toBeGreaterThan(1_900);
  expect(rooms[2]).toMatchObject({ messagesPerSecond: 0, members: 5 });
  expect(messagesPerSecond).toBeGreaterThan(10);
  expect(heatOf(node.core.rooms.all(), 0).rooms).toEqual([]);
  cluster.run(10_100);
  expect(heatOf(node.core.rooms.all(), 5).messagesPerSecond).toBe(0);
});
