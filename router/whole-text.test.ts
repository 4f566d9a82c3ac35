import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../shared/random.ts';
import { maskedFrame } from './clients-fixture.ts';
import { wholeTextAt } from './whole-text.ts';

const ANY = Number.POSITIVE_INFINITY;
const TEXT = 0x81;

describe('a whole text message', () => {
  it.each([0, 1, 2, 3, 4, 5, 125, 126, 127, 1_000, 65_535])('of %i bytes is unmasked in place', (bytes) => {
    const text = 'abcdefg'.repeat(10_000).slice(0, bytes);
    const chunk = Buffer.concat([Buffer.from('..'), maskedFrame(text, TEXT), Buffer.from('??')]);
    const payload = wholeTextAt(chunk, 2, ANY);
    expect(payload?.toString()).toBe(text);
    expect(payload?.buffer).toBe(chunk.buffer);
    expect(chunk.toString('latin1', chunk.length - 2)).toBe('??');
    expect(chunk.toString('latin1', 0, 2)).toBe('..');
  });

  it('may be as long as the bound and no longer', () => {
    expect(wholeTextAt(maskedFrame('12345', TEXT), 0, 5)?.toString()).toBe('12345');
    expect(wholeTextAt(maskedFrame('12345', TEXT), 0, 4)).toBeUndefined();
  });
});

describe('what is left to ws, as it came', () => {
  const cases: [string, Buffer][] = [
    ['a binary message', maskedFrame('x', 0x82)],
    ['a continuation', maskedFrame('x', 0x80)],
    ['a fragment', maskedFrame('x', 0x01)],
    ['a close', maskedFrame('', 0x88)],
    ['a ping', maskedFrame('x', 0x89)],
    ['a pong', maskedFrame('x', 0x8a)],
    ['a compressed message', maskedFrame('x', 0xc1)],
    ['a reserved bit', maskedFrame('x', 0xa1)],
    ['a frame that is not masked', Buffer.from([TEXT, 1, 0x78])],
    ['a 64-bit length', Buffer.concat([Buffer.from([TEXT, 0xff, 0, 0, 0, 0, 0, 0, 0, 1]), Buffer.from('mask!')])],
    ['a text that is not UTF-8', maskedFrame(Buffer.from([0x61, 0xff, 0x62, 0xc0, 0x63]), TEXT)],
  ];
  it.each(cases)('%s', (_name, frame) => {
    const before = Buffer.from(frame);
    expect(wholeTextAt(frame, 0, ANY)).toBeUndefined();
    expect(frame).toEqual(before);
  });

  it('a frame of which any byte is missing', () => {
    const whole = maskedFrame('y'.repeat(130), TEXT);
    for (let bytes = 0; bytes < whole.length; bytes++) {
      const cut = Buffer.from(whole.subarray(0, bytes));
      expect(wholeTextAt(cut, 0, ANY)).toBeUndefined();
      expect(cut).toEqual(whole.subarray(0, bytes));
    }
  });

  it('bytes without meaning, whatever they are', () => {
    const random = new SeededRandom(11);
    for (let round = 0; round < 2_000; round++) {
      const noise = Buffer.from(random.hex(random.below(40)), 'hex');
      const before = Buffer.from(noise);
      const payload = wholeTextAt(noise, random.below(noise.length + 3), 64);
      if (payload === undefined) expect(noise).toEqual(before);
      else expect(payload.length).toBeLessThanOrEqual(64);
    }
  });
});
