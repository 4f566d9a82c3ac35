/** A node is killed while its rooms talk: with proof of its death (its process is gone from this host), and by patience alone. */
import { afterAll, describe, expect, test } from 'vitest';
import { ScenarioClient } from './client.ts';
import type { Cluster } from './cluster.ts';
import { Load } from './load.ts';
import { expectSound, untilSettled, useCluster } from './suite.ts';
import { BOUND_MS, until } from './wait.ts';

const ROOMS = 12;

/** Rooms of the load whose record names the node. */
async function roomsOf(cluster: Cluster, load: Load, node: string): Promise<string[]> {
  const owners = await cluster.ownersOf(load.rooms);
  return load.rooms.filter((room) => owners.get(room) === node);
}

/** What a member of an orphaned room is told: nothing where there is a log. */
const RESETS = { durable: [], relay: ['owner_lost'] };

describe.each([
  { by: 'proof', rooms: 'durable', routerArgs: ['--certify-by', 'pid'] },
  { by: 'proof', rooms: 'relay', routerArgs: ['--certify-by', 'pid'] },
  { by: 'patience', rooms: 'durable', routerArgs: ['--certify-by', 'patience'] },
] as const)('by $by, $rooms rooms', ({ rooms: kind, routerArgs }) => {
  const cluster = useCluster({ nodes: 2, routers: 2, routerArgs, nodeArgs: ['--relay-rooms', 'relay-*'] });
  let load: Load | undefined;
  afterAll(() => load?.close());

  test('no socket closes, every room answers again, and what was lost is told', async () => {
    const urls = [...cluster().routers.values()].map(({ url }) => url);
    const talk = new Load({ rooms: ROOMS, clients: 3 * ROOMS, rate: 200, urls, signals: true, prefix: kind });
    load = talk;
    await talk.connect();
    talk.start();
    await until('every room was heard', () => talk.clients.every(({ received }) => received > 10));
    const before = new Map(talk.clients.map((client) => [client, client.epoch]));
    const orphans = await roomsOf(cluster(), talk, 'n1');
    expect(orphans.length).toBeGreaterThan(0);

    talk.mark();
    cluster().node('n1').signal('SIGKILL');
    // Comes while the room has no owner, and must get in all the same.
    const [orphan = ''] = orphans;
    const newcomer = ScenarioClient.join({ url: urls[0] ?? '', room: orphan, user: 'newcomer' });
    await until('every orphan speaks under a new owner', () => talk.silent(orphans).length === 0);
    const guest = await newcomer;
    expect(await guest.say('here I am')).toBeGreaterThan(0);
    talk.pause();
    await untilSettled(talk.clients);

    const counts = talk.counts();
    expect(counts.socketsClosed).toBe(0);
    await until('everyone has heard all', () => talk.counts().lost === 0);
    expect(counts.doubled).toBe(0);
    expect(Object.keys(counts.refused).filter((code) => kind === 'durable' || code !== 'owner_lost')).toEqual([]);
    for (const client of talk.clients) {
      const isOrphan = orphans.includes(client.options.room);
      expect(client.resets.map(({ reason }) => reason)).toEqual(isOrphan ? RESETS[kind] : []);
      if (isOrphan) expect(client.epoch).toBeGreaterThan(before.get(client) ?? 0);
    }
    expectSound(cluster(), [...talk.clients, guest]);
    guest.close();
  });

  test('its next life joins and serves new rooms', async () => {
    await cluster().startNode('n1');
    const { url, api } = cluster().router('r1');
    await until('the new life is seen', async () => {
      const n1 = (await api.nodes()).find(({ node }) => node === 'n1');
      return n1?.state === 'active';
    });
    for (let i = 0; i < 200; i++) {
      const client = await ScenarioClient.join({ url, room: `after-${i}`, user: 'ada' });
      await client.say('hello');
      client.close();
      if ((await cluster().recordOf(`after-${i}`))?.node === 'n1') return;
    }
    throw new Error('none of 200 new rooms went to n1');
  });

  test('presence is what is connected', async () => {
    const clients = load?.clients ?? [];
    for (const { api } of cluster().routers.values()) {
      for (const room of load?.rooms ?? []) {
        const users = clients.filter(({ options }) => options.room === room).map(({ options }) => options.user);
        await until(
          `presence of ${room} is exact`,
          async () => {
            const { body } = await api.presence(room);
            const found = body.users.map(({ user }) => user).sort();
            if (found.join() !== users.sort().join()) throw new Error(`it is ${found.join()}`);
            return !body.settling;
          },
          2 * BOUND_MS,
        );
      }
    }
    expectSound(cluster(), clients);
  });
});
