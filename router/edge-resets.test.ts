/** Clients that reset at every stage of a request or an upgrade. */

import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { SeededRandom } from '../shared/random.ts';
import type { Admission } from './admit.ts';
import { until } from './clients-fixture.ts';
import { EdgeBench, textFromClient, upgrade } from './edge-fixture.ts';
import { FakeApiPorts, summary } from './fake-api-ports.ts';
import { httpApi } from './http-api.ts';

const BODY = JSON.stringify({ data: 'x'.repeat(500) });
const POST = `POST /api/v1/rooms/lobby/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;

/** What has been sent by the time of the reset. */
const STAGES: readonly (readonly [string, () => Buffer])[] = [
  ['nothing', () => Buffer.alloc(0)],
  ['half of a request line', () => Buffer.from('GET /roo')],
  ['half of the headers', () => Buffer.from(upgrade()).subarray(0, 90)],
  ['an upgrade', () => Buffer.from(upgrade())],
  ['an upgrade that is refused', () => Buffer.from(upgrade({ Origin: 'null' }))],
  ['half of a message', () => Buffer.concat([Buffer.from(upgrade()), textFromClient('whole').subarray(0, 4)])],
  ['messages', () => Buffer.concat([Buffer.from(upgrade()), textFromClient('a'), textFromClient('b')])],
  ['half of a body', () => Buffer.from(POST).subarray(0, POST.length - 200)],
  ['a body', () => Buffer.from(POST)],
];

test('17 two hundred resets of clients at every stage leave no socket and no exception', async () => {
  const random = new SeededRandom(17);
  const faults: unknown[] = [];
  const hear = (error: unknown) => void faults.push(error);
  process.on('uncaughtException', hear);
  process.on('unhandledRejection', hear);
  const ports = new FakeApiPorts();
  ports.addNode('n1', [summary('lobby')]);
  const later = async (place: Admission) => {
    for (let turn = random.below(4); turn > 0; turn--) await new Promise<void>((resolve) => setImmediate(resolve));
    return place;
  };
  const bench = await new EdgeBench({
    request: httpApi({ ports, registry: new Registry() }),
    admit: ({ room }) => {
      const client = { room, user: 'ann', session: 's'.repeat(22), seat: 1, since: 1 };
      return later({ ok: true, client: { ...client, kind: 'join', cursor: undefined, history: 0 } });
    },
  }).start();
  for (let round = 0; round < 200; round++) {
    const [, bytes] = STAGES[round % STAGES.length] ?? ['', () => Buffer.alloc(0)];
    const socket = await bench.open();
    socket.write(bytes());
    for (let turn = random.below(8); turn > 0; turn--) await new Promise<void>((resolve) => setImmediate(resolve));
    socket.resetAndDestroy();
  }
  await until(() => bench.edge.connections === 0);
  // It still serves.
  const good = await bench.open();
  const before = bench.heard.length;
  good.write(Buffer.concat([Buffer.from(upgrade()), textFromClient('alive')]));
  await until(() => bench.heard.length > before && bench.heard.at(-1) === 'lobby: alive');
  await bench.stop();
  process.off('uncaughtException', hear);
  process.off('unhandledRejection', hear);
  expect(faults).toEqual([]);
  expect(bench.asked.length).toBeGreaterThan(30);
});
