import { describe, expect, it } from 'vitest';
import { clientFrame, FrameReader } from './frames.ts';
import { castFrame } from './peers/cast-frame.ts';

describe('frames', () => {
  it('masks a text of each size of header so that it can be unmasked again', () => {
    for (const size of [0, 125, 126, 65_535]) {
      const frame = clientFrame('x'.repeat(size));
      const head = size > 125 ? 4 : 2;
      expect(frame[0]).toBe(0x81);
      const mask = frame.subarray(head, head + 4);
      const payload = frame.subarray(head + 4).map((byte, i) => byte ^ (mask[i & 3] ?? 0));
      expect(Buffer.from(payload).toString()).toBe('x'.repeat(size));
    }
  });

  it('reads what a server casts, whatever pieces it comes in', () => {
    const texts = ['', 'a', 'b'.repeat(125), 'c'.repeat(126), 'd'.repeat(70)];
    const bytes = Buffer.concat(texts.map((text) => castFrame(Buffer.from(text))));
    for (const step of [1, 2, 7, bytes.length]) {
      const reader = new FrameReader();
      const read: string[] = [];
      for (let at = 0; at < bytes.length; at += step) {
        reader.push(bytes.subarray(at, at + step), (_opcode, payload) => read.push(payload.toString()));
      }
      expect(read).toEqual(texts);
    }
  });
});
