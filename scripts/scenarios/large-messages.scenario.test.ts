/** Messages larger than a frame of the link, among small ones; and a router that stands still under them. */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { ScenarioClient } from './client.ts';
import { expectSound, untilSettled, useCluster } from './suite.ts';
import { pause, until } from './wait.ts';

const MIB = 1_048_576;
const LIMITS = ['--payload-bytes-max', `${MIB}`];

/** Memory that a process has in use, bytes. */
function residentBytes(pid: number): number {
  const [, kib = '0'] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1_024;
}

describe('with a limit of 1 MiB', () => {
  const cluster = useCluster({
    nodes: 1,
    routers: 2,
    nodeArgs: LIMITS,
    routerArgs: [...LIMITS, '--backlog-bytes-max', `${8 * MIB}`],
  });
  const clients: ScenarioClient[] = [];
  afterAll(() => {
    for (const client of clients) client.close();
  });
  const join = async (url: string, room: string, user: string): Promise<ScenarioClient> => {
    const client = await ScenarioClient.join({ url, room, user, keep: true });
    clients.push(client);
    return client;
  };

  test('900 KB among small messages arrives whole and in its place, at both routers', async () => {
    const [one, two] = [...cluster().routers.values()];
    if (one === undefined || two === undefined) throw new Error('no routers');
    const speaker = await join(one.url, 'large', 'ann');
    const listener = await join(two.url, 'large', 'ben');
    const big = 'x'.repeat(900_000);
    for (let n = 0; n < 50; n++) speaker.publish(n % 10 === 5 ? `${n} ${big}` : `${n}`);
    await untilSettled([speaker]);
    await until('all is heard', () => listener.messages.length === 50 && speaker.messages.length === 50);
    const heard = listener.messages.map(({ data }) => String(data));
    expect(heard.map((text) => text.split(' ')[0])).toEqual(Array.from({ length: 50 }, (_, n) => `${n}`));
    expect(heard[25]).toBe(`25 ${big}`);
    expectSound(cluster(), clients);
  });

  test('40 a router that stands still for 4 s under load costs its node no memory to speak of, and misses nothing', async () => {
    const [one, two] = [...cluster().routers.values()];
    if (one === undefined || two === undefined) throw new Error('no routers');
    const speaker = await join(one.url, 'stalled', 'ann');
    const listener = await join(two.url, 'stalled', 'ben');
    const { pid } = cluster().node('n1');
    const beforeBytes = residentBytes(pid);
    let mostBytes = 0;
    two.process.signal('SIGSTOP');
    try {
      // 80 messages: fewer than a room remembers, more bytes than a window.
      for (let n = 0; n < 80; n++) {
        speaker.publish(`${n} ${'y'.repeat(100_000)}`);
        await pause(50);
        mostBytes = Math.max(mostBytes, residentBytes(pid));
      }
    } finally {
      two.process.signal('SIGCONT');
    }
    await untilSettled([speaker]);
    await until('all is heard', () => listener.messages.length === 80);
    expect(listener.messages.map(({ data }) => Number(String(data).split(' ')[0]))).toEqual(
      Array.from({ length: 80 }, (_, n) => n),
    );
    expect(listener.resets).toEqual([]);
    expect(mostBytes - beforeBytes).toBeLessThan(200 * MIB);
    expectSound(cluster(), clients);
  });
});
