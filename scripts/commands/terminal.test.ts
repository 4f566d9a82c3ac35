import { expect, it } from 'vitest';
import { Terminal } from './terminal.ts';
import { styled } from './text.ts';

function written(
  isTTY: boolean,
  env: { readonly noColor?: boolean; readonly term?: string },
  act: (to: Terminal) => void,
) {
  const texts: string[] = [];
  const sink = { isTTY, columns: 20, write: (text: string) => texts.push(text) };
  act(new Terminal(sink, { noColor: env.noColor ?? false, term: env.term }));
  return texts.join('');
}

const say = (to: Terminal) => to.line([styled('red', 'stop'), '\u001b[2J']);

it('colours for a terminal alone, and not where NO_COLOR is set', () => {
  expect(written(true, {}, say)).toBe('\u001b[31mstop\u001b[39m\\u{1b}[2J\n');
  expect(written(false, {}, say)).toBe('stop\\u{1b}[2J\n');
  expect(written(true, { noColor: true }, say)).toBe('stop\\u{1b}[2J\n');
  expect(written(true, { term: 'dumb' }, say)).toBe('stop\\u{1b}[2J\n');
});

it('writes progress over itself, cut to the width, and clears it for what follows', () => {
  const text = written(true, {}, (to) => {
    to.progress('a line that is longer than the terminal');
    to.line('done');
    to.line('more');
  });
  expect(text).toBe('\r\u001b[Ka line that is lon…\r\u001b[Kdone\nmore\n');
});

it('writes JSON over several lines, or one', () => {
  expect(written(false, {}, (to) => to.json({ a: '\u009b' }))).toBe('{\n  "a": "\\u009b"\n}\n');
  expect(written(false, {}, (to) => to.json({ a: 1 }, 0))).toBe('{"a":1}\n');
});
