import { constants, inflateRawSync } from 'node:zlib';
import { afterEach, describe, expect, it, test } from 'vitest';
import { deflatedTextFrame, payloadOf, textFrame, textPayloadOf } from '../../shared/websocket-frame.ts';
import { type Fixture, frame, startFixture, type TestClient, until } from '../clients-fixture.ts';
import { rawSocketOf } from '../ws-adapter.ts';
import { Inflation } from './inflation.ts';
import { Packing } from './packing.ts';

const JSON_OF_1_KIB = JSON.stringify(Array.from({ length: 24 }, (_, i) => ({ player: `p${i}`, x: i * 7, y: i * 3 })));

function unpacked(frame: Buffer): string {
  const bytes = Buffer.concat([payloadOf(frame), Buffer.from([0, 0, 0xff, 0xff])]);
  return inflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).toString();
}

describe('a message', () => {
  it.each([1_000, 20_000, 70_000, 500_000])('of %i bytes is deflated to one that says the same', (bytes) => {
    const text = JSON_OF_1_KIB.repeat(Math.ceil(bytes / JSON_OF_1_KIB.length)).slice(0, bytes);
    const packed = new Packing(0).pack(textFrame(text));
    // FIN, RSV1, text; not masked.
    expect(packed[0]).toBe(0xc1);
    expect(packed.length).toBeLessThan(bytes / 2);
    expect(packed.subarray(-4).toString('hex')).not.toBe('0000ffff');
    expect(unpacked(packed)).toBe(text);
  });

  it('is left as it is where it is short, does not shrink, or is no plain text', () => {
    const packing = new Packing(100);
    const various = String.fromCharCode(...Array.from({ length: 117 }, (_, i) => i + 10));
    const plain = [
      frame('x'.repeat(99)),
      frame(various),
      Buffer.alloc(0),
      Buffer.from([0x89, 0]),
      frame('').subarray(0, 1),
    ];
    plain.push(Buffer.concat([frame('x'.repeat(200)), frame('y')]), deflatedTextFrame(Buffer.alloc(200)));
    for (const one of plain) expect(packing.pack(one)).toBe(one);
    expect(textPayloadOf(frame('all of it'))?.toString()).toBe('all of it');
  });

  test('41 beyond what a turn deflates, it goes out as it is', () => {
    const packing = new Packing(0);
    const large = frame('x'.repeat(200_000));
    expect([1, 2, 3].map(() => packing.pack(large) === large)).toEqual([false, false, true]);
    expect(packing.stats).toMatchObject({ messages: 2, skipped: 1, bytesIn: 2 * large.length });
    packing.turnEnded();
    expect(packing.pack(large)).not.toBe(large);
  });
});

describe('a broadcast', () => {
  let fixture: Fixture;
  afterEach(() => fixture.close());

  const cast = (text: string, excluded = 0): void => fixture.clients.cast(1, frame(text), excluded, 'message');
  const written = ({ far }: TestClient): Buffer | undefined => fixture.adapter.last.get(far);

  async function members(packs: readonly boolean[]): Promise<TestClient[]> {
    fixture = await startFixture({ compressionBytesMin: 64 }, 65_536, new Inflation(65_536));
    const list: TestClient[] = [];
    for (const perMessageDeflate of packs) {
      const client = await fixture.connect({ perMessageDeflate });
      fixture.clients.join(1, client.handle);
      list.push(client);
    }
    return list;
  }

  test('41 is deflated once, and the same bytes go to every member that asked; the others get it as it is', async () => {
    const list = await members([true, false, true, true, false]);
    cast(JSON_OF_1_KIB);
    await until(() => list.every(({ texts }) => texts.length === 1));
    for (const { texts } of list) expect(texts).toEqual([JSON_OF_1_KIB]);
    const [a, b, c, d, e] = list.map(written);
    expect(a?.[0]).toBe(0xc1);
    expect([c === a, d === a, b?.[0], e === b]).toEqual([true, true, 0x81, true]);
    const { stats, packed } = fixture.clients;
    expect(packed).toMatchObject({ messages: 1, bytesIn: b?.length, bytesOut: a?.length });
    expect(stats.bytesOut).toBe(3 * (a?.length ?? 0) + 2 * (b?.length ?? 0));
  });

  test('41 is not deflated where no member asked', async () => {
    const list = await members([false, false]);
    cast(JSON_OF_1_KIB);
    await until(() => list.every(({ texts }) => texts.length === 1));
    expect(fixture.clients.packed).toMatchObject({ messages: 0, skipped: 0 });
  });

  it('keeps its order with others, with short ones, and with what is said to one member alone', async () => {
    const list = await members([true, true, false]);
    const [alone] = list;
    const said = Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? `short ${i}` : `${i} ${JSON_OF_1_KIB}`));
    for (const [i, text] of said.entries()) {
      cast(text, i === 7 ? (list[1]?.handle ?? 0) : 0);
      if (i === 4 && alone !== undefined) fixture.clients.direct(alone.handle, frame(`secret ${JSON_OF_1_KIB}`), false);
    }
    await until(() => list.every(({ texts }, i) => texts.length === said.length + (i === 0 ? 1 : i === 1 ? -1 : 0)));
    expect(list[0]?.texts).toEqual([...said.slice(0, 5), `secret ${JSON_OF_1_KIB}`, ...said.slice(5)]);
    expect(list[1]?.texts).toEqual(said.filter((_, i) => i !== 7));
    expect(list[2]?.texts).toEqual(said);
    // Each once, though three members got it in two ways, and one of them apart.
    expect(fixture.clients.packed.messages).toBe(8);
  });

  test('41 what is said to one member alone is never deflated', async () => {
    const [alone] = await members([true]);
    if (alone === undefined) return expect.unreachable();
    fixture.clients.direct(alone.handle, frame(JSON_OF_1_KIB), false);
    await until(() => alone.texts.length === 1);
    expect(written(alone)?.[0]).toBe(0x81);
    expect(fixture.clients.packed.messages).toBe(0);
  });

  it('counts against a slow client with the bytes that it takes', async () => {
    const [slow, plain] = await members([true, false]);
    if (slow === undefined || plain === undefined) return expect.unreachable();
    rawSocketOf(slow.far)?.cork();
    cast(JSON_OF_1_KIB);
    await until(() => plain.texts.length === 1);
    const { packed, backlogBytes } = fixture.clients;
    expect(backlogBytes).toBe(packed.bytesOut);
    expect(packed.bytesOut).toBeLessThan(packed.bytesIn / 2);
  });

  it('that is ephemeral is dropped for a member under pressure, and the others are deflated', async () => {
    const [member] = await members([true]);
    if (member === undefined) return expect.unreachable();
    fixture.adapter.backlog.set(member.far, 700_000);
    cast(JSON_OF_1_KIB);
    await until(() => member.texts.length === 1);
    fixture.clients.cast(1, frame(`dropped ${JSON_OF_1_KIB}`), 0, 'ephemeral');
    cast(`lasting ${JSON_OF_1_KIB}`);
    await until(() => member.texts.length === 2);
    expect(member.texts[1]).toBe(`lasting ${JSON_OF_1_KIB}`);
    expect(fixture.clients.packed.messages).toBe(2);
  });
});
