/** Clients that compress, and some that abuse it, at a router that allows it and at one of two workers. */
import { readFileSync } from 'node:fs';
import { constants, deflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { frame, OPCODES } from '../conformance/frame.ts';
import { ScenarioClient } from './client.ts';
import { expectSound, untilSettled, useCluster } from './suite.ts';
import { until } from './wait.ts';

const MIB = 1_048_576;
const cluster = useCluster({ nodes: 2, routers: 1, routerArgs: ['--compression'] });

async function counted(router: string, name: string): Promise<number> {
  const text = await (await fetch(`${cluster().router(router).url}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`bellhop_router_${name}`));
  return Number(line?.split(' ').at(-1));
}

test('41 members that compress and members that do not hear the same, and a broadcast is deflated once for a router', async () => {
  await cluster().startRouter('r2', ['--workers', '2']);
  const places = ['r1', 'r1', 'r1', 'r1', 'r2', 'r2', 'r2', 'r2'];
  const join = (router: string, i: number) =>
    ScenarioClient.join({ url: cluster().router(router).url, room: 'dense', user: `u${i}`, compresses: i % 2 === 0 });
  const clients = await Promise.all(places.map(join));
  expect(clients.map(({ socket }) => socket.extensions)).toEqual(
    places.map((_, i) => (i % 2 === 0 ? 'permessage-deflate' : '')),
  );
  const said = (i: number, n: number) => `${i}.${n} ${'and so on '.repeat(n * 40)}`;
  for (let n = 0; n < 10; n++) for (const [i, client] of clients.entries()) client.publish(said(i, n));
  await untilSettled(clients);
  await until('all is heard', () => clients.every(({ messages }) => messages.length === 80));
  const [first] = clients;
  const heard = (client: ScenarioClient | undefined) => client?.messages.map(({ seq, data }) => [seq, data]);
  for (const client of clients) expect(heard(client)).toEqual(heard(first));
  // Those above 256 bytes: nine of ten of eight senders.
  expect(await counted('r1', 'deflated_total')).toBe(72);
  // Messages of two senders, but the first of each, which is short.
  expect(await counted('r1', 'inflated_total')).toBe(18);
  expect(await counted('r2', 'inflated_total')).toBe(18);
  const deflated = await counted('r2', 'deflated_total');
  // Its workers each have the members that the kernel gave them.
  expect([72, 144]).toContain(deflated);
  expectSound(cluster(), clients);
  for (const client of clients) client.close();
});

test('41 fifty bombs of 10 MiB at once are each closed with 1009, cost less than 50 MiB, and the others are served', async () => {
  const { url, process } = cluster().router('r1');
  const residentBytes = (): number => {
    const [, kib = '0'] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${process.pid}/status`, 'utf8')) ?? [];
    return Number(kib) * 1_024;
  };
  const good = await ScenarioClient.join({ url, room: 'calm', user: 'good', compresses: true });
  const bomb = deflateRawSync(Buffer.alloc(10 * MIB, 'x'), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
  const message = frame(OPCODES.text, bomb, { reserved: 4 });
  const attackers = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const ws = new WebSocket(`${url.replace('http', 'ws')}/rooms/b-${i}?user=b-${i}`);
      ws.on('error', () => undefined);
      let send: (bytes: Buffer) => void = () => undefined;
      ws.on('upgrade', ({ socket }) => {
        send = (bytes) => socket.write(bytes);
      });
      const closed = new Promise<number>((resolve) => ws.on('close', resolve));
      await new Promise<void>((resolve) => ws.once('message', () => resolve()));
      return { closed, send };
    }),
  );
  const before = residentBytes();
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, residentBytes());
  }, 5);
  for (const { send } of attackers) send(message);
  const codes = await Promise.all(attackers.map(({ closed }) => closed));
  clearInterval(watch);
  expect(new Set(codes)).toEqual(new Set([1009]));
  expect(most - before).toBeLessThan(50 * MIB);
  expect(await counted('r1', 'inflate_faults_total')).toBe(50);
  await good.say('unimpressed '.repeat(100));
  expectSound(cluster(), [good]);
  good.close();
});
