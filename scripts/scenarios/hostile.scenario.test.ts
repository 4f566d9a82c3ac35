/** Clients that break the rules, and rooms that nobody needs: each is dealt with alone. */
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { ScenarioClient } from './client.ts';
import { expectSound, untilSettled, useCluster } from './suite.ts';
import { until } from './wait.ts';

const cluster = useCluster({
  nodes: 2,
  routers: 1,
  nodeArgs: [
    '--room-idle-ms',
    '1000',
    '--resume-ms',
    '1000',
    '--leave-broken-ms',
    '300',
    '--leave-router-lost-ms',
    '1000',
  ],
  routerArgs: ['--backlog-bytes-max', '65536', '--payload-bytes-max', '32768'],
});

test('a frame of 10 MB is closed with 1009, a binary one with 1003; the others in the room notice nothing', async () => {
  const { url } = cluster().router('r1');
  const good = await ScenarioClient.join({ url, room: 'rough', user: 'good' });
  const big = await ScenarioClient.join({ url, room: 'rough', user: 'big' });
  const binary = await ScenarioClient.join({ url, room: 'rough', user: 'binary' });
  big.socket.send(JSON.stringify({ type: 'publish', id: 1, data: 'x'.repeat(10_000_000) }));
  binary.socket.send(Buffer.from([1, 2, 3]));
  await until('both are closed', () => big.closes.length + binary.closes.length === 2);
  expect([big.closes, binary.closes].map(([close]) => close?.code)).toEqual([1009, 1003]);
  good.socket.send('{"type":"publish","id":1,');
  good.socket.send('{"type":"dance"}');
  await until('both faults are told', () => good.errors.length === 2);
  expect(good.errors.map(({ code }) => code)).toEqual(['bad_json', 'unknown_type']);
  expect(await good.say('unimpressed')).toBe(1);
  expectSound(cluster(), [good]);
  good.close();
});

test('39 a client that never reads is closed with 4100 while the others flow', async () => {
  const { url } = cluster().router('r1');
  const talker = await ScenarioClient.join({ url, room: 'flood', user: 'talker' });
  const { hostname, port } = new URL(url);
  // A socket by hand: `ws` would read on behind our back.
  const deaf = connect({ host: hostname, port: Number(port) });
  const upgraded = new Promise<void>((resolve) => deaf.once('data', () => resolve()));
  deaf.write(
    `GET /rooms/flood?user=deaf HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
  );
  await upgraded;
  deaf.pause();
  await until('the deaf one is in', () => talker.users.includes('deaf'));
  const text = 'x'.repeat(16_000);
  let said = 0;
  // Beyond what the kernel's buffers hold of it, and the router's bound.
  await until('the deaf one is gone', async () => {
    for (let i = 0; i < 50; i++, said++) talker.publish(text);
    await untilSettled([talker]);
    return talker.leaves.includes('deaf');
  });
  await until('the talker heard all', () => talker.received === said);
  let heard = Buffer.alloc(0);
  deaf.on('data', (chunk: Buffer) => {
    heard = Buffer.concat([heard.subarray(-200), chunk]);
  });
  deaf.on('error', () => undefined);
  deaf.resume();
  const close = Buffer.concat([Buffer.from([4_100 >> 8, 4_100 & 0xff]), Buffer.from('reads too slowly')]);
  await until('the deaf one learns why', () => heard.includes(close));
  deaf.destroy();
  expect(talker.closes).toEqual([]);
  expectSound(cluster(), [talker]);
  talker.close();
});

test('a room that nobody needs is given up, and goes on with its numbers', async () => {
  const { url } = cluster().router('r1');
  const first = await ScenarioClient.join({ url, room: 'sleepy', user: 'first' });
  for (let i = 1; i <= 3; i++) expect(await first.say(i)).toBe(i);
  const { epoch } = first.welcome;
  first.close();
  await until('nobody owns it', async () => (await cluster().recordOf('sleepy')) === undefined);
  const second = await ScenarioClient.join({ url, room: 'sleepy', user: 'second' });
  expect(second.welcome.epoch).toBeGreaterThan(epoch);
  expect(await second.say(4)).toBe(4);
  expectSound(cluster(), [first, second]);
  second.close();
});
