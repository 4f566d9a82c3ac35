import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lineSplitter } from './lines.ts';

function split(chunks: readonly Buffer[]): string[] {
  const lines: string[] = [];
  const splitter = lineSplitter((line) => lines.push(line));
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

describe('lineSplitter', () => {
  it('gives the same lines wherever the bytes are cut', () => {
    const text = 'eins\nzwei äöü €\n\n𝄞 drei';
    const bytes = Buffer.from(text);
    const cuts = fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 10 });
    fc.assert(
      fc.property(cuts, (positions) => {
        const sorted = [0, ...positions.sort((a, b) => a - b), bytes.length];
        const chunks = sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end));
        expect(split(chunks)).toEqual(text.split('\n'));
      }),
    );
  });

  it('hands a line that never ends over in pieces', () => {
    const chunk = Buffer.alloc(40_000, 'a');
    expect(split([chunk, chunk, chunk]).map((line) => line.length)).toEqual([80_000, 40_000]);
  });
});
