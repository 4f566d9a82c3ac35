/** The contract with the installed `ws`: if an upgrade of it breaks one of these, the adapter must be looked at again. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { textFrames } from '../shared/websocket-frame.ts';
import { type Fixture, frame, startFixture, until } from './clients-fixture.ts';
import {
  cutReason,
  directAdapter,
  frameBytesAt,
  publicAdapter,
  rawSocketOf,
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

  it('passes a message in several frames on', async () => {
    const { far, texts } = await fixture.connect();
    const text = 'x'.repeat(10_000);
    const pieces = textFrames(text, 1_024);
    expect(pieces.length).toBeGreaterThan(5);
    adapter.write(far, Buffer.concat([...pieces, frame('after')]));
    await until(() => texts.length === 2);
    expect(texts).toEqual([text, 'after']);
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

it('cuts a close reason to what a frame holds, between characters', () => {
  expect(cutReason('short')).toBe('short');
  const cut = cutReason('é'.repeat(100));
  expect(Buffer.byteLength(cut)).toBe(122);
  expect(cut).toBe('é'.repeat(61));
});
