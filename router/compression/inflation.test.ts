import { constants, deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { SeededRandom } from '../../shared/random.ts';
import { type Fixture, maskedFrame, startFixture, type TestClient, until } from '../clients-fixture.ts';
import { rawSocketOf } from '../ws-adapter.ts';
import { Inflation } from './inflation.ts';

const PAYLOAD_MAX = 10_000;
/** FIN, RSV1, text. */
const DEFLATED = 0xc1;

/** As RFC 7692 has it: flushed, and without the flush's last four bytes. */
function deflated(text: string | Buffer): Buffer {
  return deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

let fixture: Fixture;
let inflation: Inflation;
beforeEach(async () => {
  inflation = new Inflation(PAYLOAD_MAX);
  fixture = await startFixture({}, PAYLOAD_MAX, inflation);
});
afterEach(() => fixture.close());

const send = ({ ws }: TestClient, ...frames: readonly Buffer[]): void =>
  void rawSocketOf(ws)?.write(Buffer.concat(frames));
const heard = (of?: TestClient): string[] =>
  fixture.events.frames.filter(({ handle }) => of === undefined || handle === of.handle).map(({ text }) => text);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('what a client deflates', () => {
  it('is heard as it said it', async () => {
    const client = await fixture.connect();
    const texts = ['one', 'ü'.repeat(3_000), '', 'x'.repeat(PAYLOAD_MAX)];
    send(client, ...texts.map((text) => maskedFrame(deflated(text), DEFLATED)), maskedFrame('plain', 0x81));
    await until(() => heard().length === 5);
    expect(heard()).toEqual([...texts, 'plain']);
    const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    expect(inflation.stats).toMatchObject({ messages: 4, bytesOut: bytes, faults: 0 });
    // What it said counts, not what it sent.
    expect(fixture.clients.stats).toMatchObject({ messagesIn: 5, bytesIn: bytes + 5 });
  });

  it('is heard from a client of ws, large and small', async () => {
    const { ws } = await fixture.connect({ perMessageDeflate: { threshold: 0 } });
    expect(ws.extensions).toBe('permessage-deflate');
    const texts = Array.from({ length: 50 }, (_, i) => `${i} `.repeat(i * 20));
    for (const text of texts) ws.send(text);
    await until(() => heard().length === texts.length);
    expect(heard()).toEqual(texts);
  });

  it.each([
    ['a block that is the last', Buffer.from([0x03, 0x00])],
    ['nothing but empty blocks', Buffer.concat(Array.from({ length: 20 }, () => Buffer.from([0, 0, 0, 0xff, 0xff])))],
    ['no bytes at all', Buffer.alloc(0)],
  ])('may be %s', async (_name, payload) => {
    const client = await fixture.connect();
    send(client, maskedFrame(payload, DEFLATED), maskedFrame(deflated('next'), DEFLATED));
    await until(() => heard().length === 2);
    expect(heard()).toEqual(['', 'next']);
  });

  it('may be many fragments with pings between them, however they are cut, among messages that are not', async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const random = new SeededRandom(seed);
      const client = await fixture.connect();
      const pongs: string[] = [];
      client.ws.on('pong', (data) => pongs.push(data.toString()));
      const texts: string[] = [];
      const frames: Buffer[] = [];
      let pings = 0;
      for (let n = 0; n < 40; n++) {
        const text = `${n} ${'é'.repeat(random.below(n % 8 === 0 ? 900 : 20))}`;
        texts.push(text);
        const bytes = deflated(text);
        const middle = random.below(bytes.length + 1);
        const kind = random.below(3);
        if (kind === 0) {
          frames.push(maskedFrame(text, 0x81));
        } else if (kind === 1) {
          frames.push(maskedFrame(bytes, DEFLATED));
        } else {
          frames.push(maskedFrame(bytes.subarray(0, middle), 0x41), maskedFrame(`p${++pings}`, 0x89));
          frames.push(maskedFrame('', 0x00), maskedFrame(bytes.subarray(middle), 0x80));
        }
      }
      const stream = Buffer.concat(frames);
      for (let at = 0; at < stream.length; ) {
        const end = at + 1 + random.below(random.below(4) === 0 ? 400 : 30);
        rawSocketOf(client.ws)?.write(stream.subarray(at, end));
        at = end;
        await turn();
      }
      await until(() => heard(client).length === texts.length && pongs.length === pings, `seed ${seed}`);
      expect(heard(client)).toEqual(texts);
      expect(pongs).toEqual(Array.from({ length: pings }, (_, i) => `p${i + 1}`));
    }
  });
});

const bomb = deflated(Buffer.alloc(10_485_760, 'a'));
const repeated = (part: Buffer): Buffer[] => [
  maskedFrame(part.subarray(0, 5_000), 0x41),
  maskedFrame(part.subarray(5_000), 0x80),
];

describe('a fault', () => {
  test.each<[string, readonly Buffer[], number]>([
    ['10 MiB in 10 KiB', [maskedFrame(bomb.subarray(0, PAYLOAD_MAX - 1), DEFLATED)], 1009],
    ['10 MiB in fragments', repeated(bomb.subarray(0, PAYLOAD_MAX - 1)), 1009],
    ['one byte above the bound', [maskedFrame(deflated('x'.repeat(PAYLOAD_MAX + 1)), DEFLATED)], 1009],
    ['more bytes than the bound while deflated', [maskedFrame(Buffer.alloc(PAYLOAD_MAX + 1), DEFLATED)], 1009],
    ['a block of no kind', [maskedFrame(Buffer.from([0x06, 1, 2, 3]), DEFLATED)], 1007],
    ['a distance before the beginning', [maskedFrame(Buffer.from('4b04a200', 'hex'), DEFLATED)], 1007],
    ['text that is not UTF-8', [maskedFrame(deflated(Buffer.from([0xff, 0xfe])), DEFLATED)], 1007],
    ['binary data', [maskedFrame(deflated('bytes'), 0xc2)], 1003],
    ['RSV1 on a continuation', [maskedFrame(deflated('x'), 0x41), maskedFrame('', 0xc0)], 1002],
    ['RSV1 on a ping', [maskedFrame('p', 0xc9)], 1002],
    ['RSV1 on a close', [maskedFrame(Buffer.from([0x03, 0xe8]), 0xc8)], 1002],
    ['RSV2 beside RSV1', [maskedFrame(deflated('x'), 0xe1)], 1002],
  ])('41 %s ends its client, and nobody else', async (_name, frames, code) => {
    const [client, other] = [await fixture.connect(), await fixture.connect()];
    send(client, maskedFrame(deflated('before'), DEFLATED), ...frames, maskedFrame('after', 0x81));
    expect((await client.closed).code).toBe(code);
    await until(() => fixture.events.closed.length === 1 && fixture.clients.sockets === 1);
    expect(heard(client)).toEqual(['before']);
    send(other, maskedFrame(deflated('on'), DEFLATED));
    await until(() => heard(other).length === 1);
  });

  test('41 a compressed message without an agreement on it is one: nothing is inflated', async () => {
    const client = await fixture.connect({ perMessageDeflate: false });
    send(client, maskedFrame(deflated('x'), DEFLATED));
    expect((await client.closed).code).toBe(1002);
    expect(inflation.stats.messages).toBe(0);
  });

  test('41 forty bombs at once are inflated one after the other, each to the bound and no further', async () => {
    const clients: TestClient[] = [];
    for (let i = 0; i < 40; i++) clients.push(await fixture.connect());
    const before = process.memoryUsage().arrayBuffers;
    const most = { bytes: 0 };
    const watch = setInterval(() => {
      most.bytes = Math.max(most.bytes, process.memoryUsage().arrayBuffers - before);
    }, 1);
    for (const client of clients) send(client, maskedFrame(bomb.subarray(0, PAYLOAD_MAX - 1), DEFLATED));
    const codes = await Promise.all(clients.map(async ({ closed }) => (await closed).code));
    clearInterval(watch);
    expect(new Set(codes)).toEqual(new Set([1009]));
    expect(inflation.stats).toMatchObject({ messages: 0, faults: 40 });
    // Forty times 10 MiB would be 400 MiB.
    expect(most.bytes).toBeLessThan(50_000_000);
  });
});

describe('a client that is not read from', () => {
  const packed = (text: string): Buffer => maskedFrame(deflated(text), DEFLATED);

  /** One that was paused after its first message, with nine behind it in the same packet. */
  async function paused(): Promise<TestClient> {
    const client = await fixture.connect();
    fixture.clients.setReading(client.handle, false);
    fixture.clients.setReading(client.handle, true);
    rawSocketOf(client.far)?.emit('data', Buffer.concat(Array.from({ length: 10 }, (_, i) => packed(`${i}`))));
    fixture.clients.setReading(client.handle, false);
    for (let i = 0; i < 20; i++) await turn();
    return client;
  }

  test('41 has nothing inflated meanwhile, and everything afterwards', async () => {
    const client = await paused();
    expect(heard(client)).toEqual([]);
    fixture.clients.setReading(client.handle, true);
    await until(() => heard(client).length === 10);
    expect(heard(client)).toEqual(Array.from({ length: 10 }, (_, i) => `${i}`));
  });

  it('is let go when its socket breaks', async () => {
    const client = await paused();
    rawSocketOf(client.far)?.destroy();
    await until(() => fixture.events.closed.length === 1 && fixture.clients.sockets === 0);
    expect(heard(client)).toEqual([]);
  });

  it('is closed as any other', async () => {
    const client = await paused();
    fixture.clients.close(client.handle, { code: 4403, reason: 'enough' });
    expect((await client.closed).code).toBe(4403);
    await until(() => fixture.clients.sockets === 0);
    expect(inflation.stats.messages).toBe(0);
  });
});

it('lets other work be done between two turns of inflating', async () => {
  const client = await fixture.connect();
  const many = Buffer.concat(Array.from({ length: 300 }, () => maskedFrame(deflated('a'.repeat(9_000)), DEFLATED)));
  let turns = 0;
  const count = (): void => {
    turns++;
    if (heard().length < 300) setImmediate(count);
  };
  rawSocketOf(client.far)?.emit('data', many);
  setImmediate(count);
  await until(() => heard().length === 300);
  // 2.7 MB, a quarter of a MB each turn.
  expect(turns).toBeGreaterThanOrEqual(9);
});
