/** Clients that want to use a router up: each ends alone, and costs it no memory to speak of. */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { frame, OPCODES } from '../conformance/frame.ts';
import { ScenarioClient } from './client.ts';
import { expectSound, useCluster } from './suite.ts';
import { pause, until } from './wait.ts';

const MIB = 1_048_576;
const cluster = useCluster({ nodes: 1, routers: 1, routerArgs: ['--user-sessions-max', '20'] });
const sockets: Socket[] = [];
afterAll(() => {
  for (const socket of sockets) socket.destroy();
});

/** Memory that the router has in use, bytes. */
function residentBytes(): number {
  const { pid } = cluster().router('r1').process;
  const [, kib = '0'] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1_024;
}

/** What the router counts under this name, all its labels together. */
async function counted(name: string): Promise<number> {
  const { url } = cluster().router('r1');
  const text = await (await fetch(`${url}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`bellhop_router_${name}`))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** A client by hand that is upgraded and reads nothing from then on. */
async function deaf(room: string, user: string): Promise<Socket> {
  const { hostname, port } = new URL(cluster().router('r1').url);
  const socket = connect({ host: hostname, port: Number(port) });
  sockets.push(socket);
  socket.on('error', () => undefined);
  const upgraded = new Promise<void>((resolve) => socket.once('data', () => resolve()));
  socket.write(
    `GET /rooms/${room}?user=${user} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
  );
  await upgraded;
  socket.pause();
  return socket;
}

test('37 100,000 fragments of one byte on 50 sockets: memory grows by less than 50 MiB, and the sockets are closed', async () => {
  const good = await ScenarioClient.join({ url: cluster().router('r1').url, room: 'calm', user: 'good' });
  const attackers = await Promise.all(Array.from({ length: 50 }, (_, i) => deaf(`bits-${i}`, `bits-${i}`)));
  await until('all have a seat', async () => (await counted('sessions')) === 51);
  const before = residentBytes();
  const most = { bytes: before };
  const first = frame(OPCODES.text, 'x', { fin: false });
  const next = frame(OPCODES.continuation, 'x', { fin: false });
  let closed = 0;
  for (const socket of attackers) {
    socket.on('close', () => closed++);
    socket.resume();
    socket.write(first);
  }
  for (let round = 0; round < 1_999; round++) {
    for (const socket of attackers) if (socket.writable) socket.write(next);
    if (round % 100 === 0) {
      await pause(1);
      most.bytes = Math.max(most.bytes, residentBytes());
    }
  }
  await until('all are closed', () => {
    most.bytes = Math.max(most.bytes, residentBytes());
    return closed === 50;
  });
  expect(most.bytes - before).toBeLessThan(50 * MIB);
  await until('their sessions have gone', async () => (await counted('sessions')) === 1);
  await good.say('unimpressed');
  expectSound(cluster(), [good]);
  good.close();
});

test('38 a flood of pings from peers that never read: what waits for them is bounded, and the others are served', async () => {
  const good = await ScenarioClient.join({ url: cluster().router('r1').url, room: 'calm', user: 'good' });
  const attackers = await Promise.all(Array.from({ length: 10 }, (_, i) => deaf(`pings-${i}`, `pings-${i}`)));
  const before = residentBytes();
  let most = before;
  const pings = Buffer.concat(Array.from({ length: 500 }, () => frame(OPCODES.ping, 'p'.repeat(125))));
  // 4 MiB each way: far beyond what the kernel holds for a socket that is not read, and 40 MiB of answers in all.
  for (let round = 0; round < 64; round++) {
    await Promise.all(
      attackers.map(
        (socket) =>
          new Promise<void>((resolve) => {
            if (!socket.writable) return resolve();
            socket.write(pings, () => resolve());
          }),
      ),
    );
    most = Math.max(most, residentBytes());
  }
  await good.say('unimpressed');
  expect(await counted('client_backlog_bytes')).toBeLessThanOrEqual(10 * 70_000);
  expect(most - before).toBeLessThan(50 * MIB);
  expectSound(cluster(), [good]);
  good.close();
});

test('44 a user who is in as many rooms as it may be is told so, and may enter another once it has left one', async () => {
  const { url } = cluster().router('r1');
  const join = (n: number) => ScenarioClient.join({ url, room: `room-${n}`, user: 'ann' });
  const clients = await Promise.all(Array.from({ length: 20 }, (_, n) => join(n)));
  const late = new ScenarioClient({ url, room: 'room-20', user: 'ann' });
  await until('it is sent away', () => late.closes.length > 0);
  expect(late.closes).toMatchObject([{ code: 1013 }]);
  expect(late.errors).toMatchObject([{ code: 'too_many', retryable: true }]);
  expect(late.notices).toMatchObject([{ kind: 'try_later' }]);
  expect(await counted('limited_total{limit="user_sessions"}')).toBe(1);
  clients.pop()?.close();
  const again = await until('it may enter', async () => join(20).catch(() => undefined));
  await again.say('here');
  expectSound(cluster(), [...clients, again]);
  for (const client of [...clients, again]) client.close();
});
