/** The contract with the installed `ws`: if an upgrade of it breaks one of these, the adapter must be looked at again. */
import type { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SeededRandom } from '../shared/random.ts';
import type { ClientSocket } from './client-socket.ts';
import { type Fixture, frame, maskedFrame, startFixture, until } from './clients-fixture.ts';
import {
  cutReason,
  directAdapter,
  frameBytesAt,
  publicAdapter,
  rawSocketOf,
  readDirectly,
  type SocketAdapter,
} from './ws-adapter.ts';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await startFixture();
});
afterEach(() => fixture.close());

describe('the private fields of ws', () => {
  it('are where the adapter looks for them', async () => {
    const { far } = await fixture.connect();
    expect(rawSocketOf(far)).toBeDefined();
    expect(rawSocketOf(far)?.writableLength).toBe(0);
  });

  it('are not trusted when they look different', async () => {
    const { far, texts } = await fixture.connect();
    const hidden = new Proxy(far, {
      get(target, property) {
        if (property === '_socket') return { write: 'not a function' };
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    expect(rawSocketOf(hidden)).toBeUndefined();
    directAdapter.write(hidden, Buffer.concat([frame('one'), frame('two')]));
    expect(directAdapter.backlogBytes(hidden)).toBe(far.bufferedAmount);
    await until(() => texts.length === 2);
    expect(texts).toEqual(['one', 'two']);
  });
});

describe('reading past the parser of ws', () => {
  /** Counts what its parser is given. */
  function parserOf(far: ClientSocket): { chunks: number } {
    const { _receiver: parser } = far as unknown as { _receiver: Writable };
    const count = { chunks: 0 };
    const write = parser.write.bind(parser) as (chunk: Buffer) => boolean;
    parser.write = (chunk: Buffer) => {
      count.chunks += 1;
      return write(chunk);
    };
    return count;
  }

  const heard = (): string[] => fixture.events.frames.map(({ text }) => text);

  it('spares it the whole texts, and only those', async () => {
    const { ws, far } = await fixture.connect();
    const parser = parserOf(far);
    for (const text of ['one', 'ü'.repeat(500), '']) ws.send(text);
    await until(() => heard().length === 3);
    expect(heard()).toEqual(['one', 'ü'.repeat(500), '']);
    expect(parser.chunks).toBe(0);
    ws.send('frag', { fin: false });
    ws.send('ment');
    await until(() => heard().length === 4);
    expect(heard()[3]).toBe('fragment');
    expect(parser.chunks).toBeGreaterThan(0);
    const before = parser.chunks;
    ws.send('and past it again');
    await until(() => heard().length === 5);
    expect(parser.chunks).toBe(before);
  });

  it('keeps every message, in order, however the bytes are cut', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new SeededRandom(seed);
      const { ws, handle } = await fixture.connect();
      const pongs: string[] = [];
      ws.on('pong', (data) => pongs.push(data.toString()));
      const texts: string[] = [];
      const frames: Buffer[] = [];
      let pings = 0;
      for (let n = 0; n < 40; n++) {
        const text = `${n} ${'é'.repeat(random.below(n % 8 === 0 ? 300 : 20))}`;
        const kind = random.below(5);
        if (kind === 0) frames.push(maskedFrame(`p${++pings}`, 0x89));
        if (kind === 1) {
          // Cut between bytes, not characters, and with a ping between the fragments.
          const bytes = Buffer.from(text);
          const middle = random.below(bytes.length + 1);
          frames.push(maskedFrame(bytes.subarray(0, middle), 0x01));
          frames.push(maskedFrame(`p${++pings}`, 0x89), maskedFrame(bytes.subarray(middle), 0x80));
        } else {
          frames.push(maskedFrame(text, 0x81));
        }
        texts.push(text);
      }
      const stream = Buffer.concat(frames);
      for (let at = 0; at < stream.length; ) {
        const end = at + 1 + random.below(random.below(4) === 0 ? 400 : 30);
        rawSocketOf(ws)?.write(stream.subarray(at, end));
        at = end;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      const own = () => fixture.events.frames.filter((one) => one.handle === handle);
      await until(() => own().length === texts.length && pongs.length === pings, `seed ${seed}`);
      expect(own().map(({ text }) => text)).toEqual(texts);
      expect(pongs).toEqual(Array.from({ length: pings }, (_, i) => `p${i + 1}`));
    }
  });

  it.each<[string, Buffer, number]>([
    ['a text that is not UTF-8', maskedFrame(Buffer.from([0xff]), 0x81), 1007],
    ['a frame that is not masked', Buffer.from([0x81, 1, 0x78]), 1002],
    ['a text above the bound', maskedFrame('x'.repeat(2_000), 0x81), 1009],
    ['its close', maskedFrame(Buffer.from([0x03, 0xe8]), 0x88), 1000],
  ])('takes what came before %s, and nothing after', async (_name, last, code) => {
    await fixture.close();
    fixture = await startFixture({}, 1_000);
    const { ws, handle, closed } = await fixture.connect();
    const before = maskedFrame('before', 0x81);
    rawSocketOf(ws)?.write(Buffer.concat([before, last, maskedFrame('after', 0x81)]));
    rawSocketOf(ws)?.write(maskedFrame('later', 0x81));
    expect((await closed).code).toBe(code);
    await until(() => fixture.events.closed.length === 1);
    expect(fixture.events.frames).toEqual([{ handle, text: 'before' }]);
  });

  it('does not stop the socket after a fault', async () => {
    const { ws, far } = await fixture.connect();
    const parser = parserOf(far);
    const below = rawSocketOf(far);
    below?.emit('data', maskedFrame(Buffer.from([0xff]), 0x81));
    const { chunks } = parser;
    expect(chunks).toBe(1);
    await new Promise<void>((resolve) => setImmediate(resolve));
    below?.emit('data', maskedFrame('later', 0x81));
    expect(parser.chunks).toBe(chunks);
    expect(below?.isPaused()).toBe(false);
    ws.terminate();
  });

  it('is left alone where ws looks different', async () => {
    const { ws, far } = await fixture.connect();
    const socket = rawSocketOf(far);
    const listeners = socket?.listeners('data');
    // A second time it finds a listener that is not the one of ws.
    readDirectly(far);
    expect(socket?.listeners('data')).toEqual(listeners);
    ws.send('heard all the same');
    await until(() => heard().length === 1);
  });
});

describe('an idle socket', () => {
  it('has no tables of its own, and gets them when it needs them', async () => {
    const { ws, far } = await fixture.connect();
    const other = await fixture.connect();
    const fields = (one: ClientSocket) => one as unknown as { _extensions: object; _events?: object };
    expect(fields(far)._events).toBeUndefined();
    expect(fields(far)._extensions).toBe(fields(other.far)._extensions);
    expect(far.extensions).toBe('');
    let upgrades = 0;
    far.on('upgrade', () => upgrades++);
    far.emit('upgrade');
    other.far.emit('upgrade');
    expect(upgrades).toBe(1);
    ws.send('served');
    await until(() => fixture.events.frames.length === 1);
  });
});

describe.each<[string, SocketAdapter]>([
  ['direct', directAdapter],
  ['public', publicAdapter],
])('the %s adapter', (_name, adapter) => {
  it('keeps frames, pings and the close in order for a real client', async () => {
    const { ws, far, texts, closed } = await fixture.connect();
    const order: string[] = [];
    ws.on('message', (data) => order.push(String(data)));
    ws.on('ping', (data) => order.push(`ping ${data}`));
    adapter.write(far, frame('a'));
    far.ping('1');
    adapter.write(far, Buffer.concat([frame('b'), frame('ü'.repeat(70_000))]));
    far.ping('2');
    far.send('by ws itself');
    adapter.write(far, frame(''));
    adapter.close(far, frame('last'), 4100, 'slow');
    expect(await closed).toEqual({ code: 4100, reason: 'slow' });
    expect(order).toEqual(['a', 'ping 1', 'b', 'ü'.repeat(70_000), 'ping 2', 'by ws itself', '', 'last']);
    expect(texts).toHaveLength(6);
  });

  it('59 closes with as much of a long reason as a frame holds', async () => {
    const { far, closed } = await fixture.connect();
    adapter.close(far, undefined, 4100, 'é'.repeat(100));
    expect(await closed).toEqual({ code: 4100, reason: 'é'.repeat(61) });
  });

  it('writes nothing once the socket is closing', async () => {
    const { far, texts, closed } = await fixture.connect();
    adapter.close(far, undefined, 1000, '');
    adapter.write(far, frame('too late'));
    expect((await closed).code).toBe(1000);
    expect(texts).toEqual([]);
  });

  it('counts what the socket has not taken', async () => {
    const { ws, far } = await fixture.connect();
    ws.pause();
    const big = frame('y'.repeat(8_000_000));
    adapter.write(far, big);
    adapter.write(far, big);
    expect(adapter.backlogBytes(far)).toBeGreaterThan(0);
  });
});

it('finds where frames end, and notices one that is cut', () => {
  for (const length of [0, 1, 125, 126, 65_535, 65_536]) {
    const one = frame('z'.repeat(length));
    expect(frameBytesAt(Buffer.concat([one, frame('next')]), 0)).toBe(one.length);
    if (length > 0) expect(() => frameBytesAt(one.subarray(0, -1), 0)).toThrow(RangeError);
  }
});

it('59 cuts a close reason to what a frame holds, between characters', () => {
  expect(cutReason('short')).toBe('short');
  const cut = cutReason('é'.repeat(100));
  expect(Buffer.byteLength(cut)).toBe(122);
  expect(cut).toBe('é'.repeat(61));
});
