/** RFC 6455 and RFC 7692 through a router and its node, and the same cases on a bare `ws`: where the two differ the case says why. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BareServer, startBareServer } from '../conformance/bare-server.ts';
import { type Case, type Category, seen } from '../conformance/cases.ts';
import { DEFLATE } from '../conformance/deflate.ts';
import { CATEGORIES, PAYLOAD_BYTES_MAX } from '../conformance/framing.ts';
import { play } from '../conformance/raw-client.ts';
import { UTF8 } from '../conformance/utf8.ts';
import { expectSound, useCluster } from './suite.ts';

const ALL: readonly Category[] = [...CATEGORIES, UTF8, DEFLATE];
// Who does not offer to compress is served as by a router that would not.
const cluster = useCluster({
  nodes: 1,
  routers: 1,
  nodeArgs: ['--relay-rooms', 'rfc-*'],
  routerArgs: ['--compression'],
});
let bare: BareServer;
let rooms = 0;

beforeAll(async () => {
  bare = await startBareServer(PAYLOAD_BYTES_MAX);
});
afterAll(() => bare.close());

/** How a case's bytes are cut into packets: no answer may depend on that. */
const DELIVERIES: Readonly<Record<string, (frames: readonly Buffer[]) => readonly Buffer[]>> = {
  'frame by frame': (frames) => frames,
  'all at once': (frames) => [Buffer.concat(frames)],
  'byte by byte': (frames) => cutAt(Buffer.concat(frames), 1),
};

function cutAt(bytes: Buffer, size: number): Buffer[] {
  // A large message byte by byte shows nothing that the first bytes do not.
  const step = bytes.length > 400 ? Math.ceil(bytes.length / 40) : size;
  return Array.from({ length: Math.ceil(bytes.length / step) }, (_, i) => bytes.subarray(i * step, (i + 1) * step));
}

async function expectAlike(
  { send, expect: wanted, bare: other, isCut = false }: Case,
  offer: string | undefined,
): Promise<void> {
  const { hostname, port } = new URL(cluster().router('r1').url);
  const router = () => ({ host: hostname, port: Number(port), path: `/rooms/rfc-${++rooms}`, offer });
  const plays = Object.entries(DELIVERIES).flatMap(([delivery, cut]) => [
    { who: `router, ${delivery}`, want: wanted, target: router(), chunks: cut(send) },
    {
      who: `ws, ${delivery}`,
      want: other?.expect ?? wanted,
      target: { host: '127.0.0.1', port: bare.port, path: '/', offer },
      chunks: cut(send),
    },
  ]);
  const saw = await Promise.all(plays.map(({ target, chunks }) => play(target, chunks, isCut)));
  expect(saw.map((one, i) => [plays[i]?.who, one])).toEqual(plays.map(({ who, want }) => [who, seen(want)]));
}

describe.each(ALL)('$name', ({ cases, offer }) => {
  test.each(cases)('$name', (one) => expectAlike(one, offer));
});

test('there are enough of them, each once, and nothing has crashed', () => {
  const names = ALL.flatMap(({ name, cases }) => cases.map((one) => `${name}: ${one.name}`));
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThanOrEqual(180);
  expect(UTF8.cases.length).toBeGreaterThanOrEqual(100);
  expectSound(cluster(), []);
});
