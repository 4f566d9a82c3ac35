import { expect, it } from 'vitest';
import { pairs, table } from './table.ts';
import { plainOf, styled } from './text.ts';

it('aligns columns by what is seen', () => {
  const lines = table(
    [{ name: 'A' }, { name: 'N', align: 'right' }, { name: '' }],
    [
      [styled('bold', '漢字'), '1', ''],
      ['b', '1,000', 'x'],
    ],
  );
  expect(lines.map(plainOf)).toEqual(['A         N', '漢字      1', 'b     1,000  x']);
});

it('puts a name before its value, and further lines under the first', () => {
  expect(
    pairs([
      ['one', 'x'],
      ['several', ['y', 'z'], 'lines'],
    ]).map(plainOf),
  ).toEqual(['one      x', 'several  y', '         z']);
});
