/** Backends are told who comes and goes, whatever dies: the owner, a router, the receiver for a while. */
import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ScenarioClient } from './client.ts';
import { Cluster } from './cluster.ts';
import { until } from './wait.ts';

interface Told {
  readonly id: string;
  readonly type: string;
  readonly room: string;
  readonly epoch: number;
  readonly number: number;
  readonly user?: string;
}

const SECRETS = ['the-secret-of-before', 'the-secret-of-today'];

let server: Server;
let cluster: Cluster;
let isWell = true;
const told: Told[] = [];
const forged: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      if (!isWell) return response.writeHead(503).end();
      const header = (name: string) => String(request.headers[name]);
      const content = `${header('webhook-id')}.${header('webhook-timestamp')}.${body}`;
      // A receiver that knows only the newer secret.
      const signature = createHmac('sha256', SECRETS[1] ?? '')
        .update(content)
        .digest('base64');
      if (!header('webhook-signature').split(' ').includes(`v1,${signature}`)) forged.push(body);
      told.push(...(JSON.parse(body) as { readonly events: Told[] }).events);
      return response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks?key=hidden`;
  cluster = await Cluster.start({
    nodes: 3,
    routers: 3,
    nodeArgs: [
      ...['--webhook-url', url, '--webhook-secret', SECRETS.join(',')],
      ...['--leave-broken-ms', '500', '--leave-router-lost-ms', '1500'],
    ],
  });
});

afterAll(async () => {
  await cluster?.stop();
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

const has = (type: string, room: string, user?: string): boolean =>
  told.some((one) => one.type === type && one.room === room && (user === undefined || one.user === user));

test('every join and leave arrives, and rooms are occupied and vacated in turn', async () => {
  const rooms = ['hook-a', 'hook-b', 'hook-c', 'hook-d'];
  const [one, two] = [cluster.router('r1'), cluster.router('r2')];
  const join = (room: string, user: string, url: string) => ScenarioClient.join({ url, room, user });
  const stayers = await Promise.all(rooms.map((room) => join(room, `stays-${room}`, two.url)));
  const others = await Promise.all(rooms.map((room) => join(room, `lost-${room}`, one.url)));
  await until('the receiver knows who is there', () =>
    rooms.every((room) => has('member.joined', room, `lost-${room}`)),
  );

  // The receiver is down, and meanwhile some come and go, and owners die.
  isWell = false;
  const guests = await Promise.all(rooms.map((room) => join(room, `guest-${room}`, two.url)));
  for (const guest of guests) guest.close();
  await until('what the guests did waits to be told', async () => {
    const { body } = await two.api.get<{
      readonly endpoints: readonly { readonly state: string; readonly queued: number }[];
    }>('/webhooks');
    return body.endpoints[0]?.state === 'failing' && body.endpoints[0].queued >= 2 * rooms.length;
  });
  const owners = await cluster.ownersOf(rooms);
  const victim = owners.get('hook-a') ?? '';
  await cluster.node(victim).kill();
  await until('every room answers', async () => {
    for (const stayer of stayers) await stayer.sayUntilAcked('still here');
    return true;
  });
  const late = await Promise.all(rooms.map((room) => join(room, `late-${room}`, two.url)));
  isWell = true;
  await until('what was missed is told', () =>
    rooms.every(
      (room) =>
        has('member.joined', room, `guest-${room}`) &&
        has('member.left', room, `guest-${room}`) &&
        has('member.joined', room, `late-${room}`),
    ),
  );

  // A router dies, and its clients do not come back.
  await one.process.kill();
  await until('those who were lost have left', () => rooms.every((room) => has('member.left', room, `lost-${room}`)));
  expect(others.every(({ isOpen }) => !isOpen)).toBe(true);
  for (const client of late) client.close();
  await until('the late ones have left', () => rooms.every((room) => has('member.left', room, `late-${room}`)));

  // A room's owner and the router of all who are left die together, and nobody comes back to any room.
  const second = (await cluster.ownersOf(rooms)).get('hook-a') ?? '';
  await Promise.all([cluster.node(second).kill(), two.process.kill()]);
  await until(
    'the rooms are empty',
    () => rooms.every((room) => has('member.left', room, `stays-${room}`) && has('room.vacated', room)),
    30_000,
  );

  expect(forged).toEqual([]);
  for (const room of rooms) {
    const events = new Map(told.filter((event) => event.room === room).map((event) => [event.id, event]));
    const inOrder = [...events.values()].sort((a, b) => a.epoch - b.epoch || a.number - b.number);
    const state = inOrder.flatMap(({ type }) => (type.startsWith('room.') ? [type] : []));
    expect(state).toEqual(['room.occupied', 'room.vacated']);
    for (const user of ['stays', 'lost', 'guest', 'late']) {
      const own = inOrder.filter((event) => event.user === `${user}-${room}`).map(({ type }) => type);
      expect([user, own]).toEqual([user, ['member.joined', 'member.left']]);
    }
  }
  const { body } = await cluster
    .router('r3')
    .api.get<{ readonly endpoints: readonly Record<string, unknown>[] }>('/webhooks');
  expect(body.endpoints).toHaveLength(1);
  expect(body.endpoints[0]).toMatchObject({ state: 'ok', queued: 0, dropped: 0 });
  expect(String(body.endpoints[0]?.['url'])).not.toContain('hidden');
  expect(cluster.crashes()).toEqual([]);
});
