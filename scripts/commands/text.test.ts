import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ansiOf, cut, plainOf, safeJson, shown, styled, widthOf } from './text.ts';

// What a terminal obeys instead of showing it, C1 included.
const OBEYED = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
const hostile = fc.string({
  unit: fc.oneof(
    fc.constantFrom('\u001b', '\u009b', '\r', '\u0000', '\u202e', '\u2028', '\u007f', '\ud800'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }),
  ),
});

describe('text for a terminal', () => {
  it('60 never holds what a terminal obeys, whatever was said', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        expect(plainOf(['a ', styled('red', text), text])).not.toMatch(OBEYED);
        // Only the two sequences that are ours.
        const rest = ansiOf(styled('red', text)).replace('\u001b[31m', '').replace('\u001b[39m', '');
        expect(rest).not.toMatch(OBEYED);
        expect(cut(text, 10)).not.toMatch(OBEYED);
      }),
    );
  });

  it('shows escapes as what they are', () => {
    expect(shown('\u001b[31mred\u009b0m')).toBe('\\u{1b}[31mred\\u{9b}0m');
    expect(shown('grüße 漢字 👍')).toBe('grüße 漢字 👍');
  });

  it('60 makes JSON that parses to the same, and holds nothing that a terminal obeys', () => {
    fc.assert(
      fc.property(fc.dictionary(hostile, fc.array(hostile)), (value) => {
        const text = safeJson(value);
        expect(text).not.toMatch(OBEYED);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(JSON.parse(safeJson(value, 2))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    expect(safeJson({ a: '\u001b\u009b\u{e0001}' })).toBe('{"a":"\\u001b\\u009b\\udb40\\udc01"}');
  });

  it('counts columns, not characters', () => {
    expect(widthOf('abc')).toBe(3);
    expect(widthOf('漢字')).toBe(4);
    expect(widthOf('e\u0301')).toBe(1);
    expect(cut('漢字漢字', 5)).toBe('漢字…');
    expect(cut('abc', 3)).toBe('abc');
  });
});
