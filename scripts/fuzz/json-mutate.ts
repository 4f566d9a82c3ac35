/** Changes to a JSON text that its reader must survive. Owns: which. Does not know: whose text it is. */
import type { SeededRandom } from '../../shared/random.ts';

/** Texts that `JSON.stringify` would not write, put in where a marker stands. */
const RAW = [
  '1e999',
  '-1e999',
  '-0',
  '1e20',
  '9007199254740993',
  '0.1',
  '-1',
  '"\\ud800"',
  '"\\u0000"',
  '{"__proto__":{"a":1},"constructor":{"prototype":{"a":1}}}',
  '{"toJSON":1,"then":1,"length":1e9}',
  '{"a":1,"a":2}',
];
const NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'length', 'then', 'toJSON'];
const NUMBERS = [0, 1, 2, 3, -1, 1.5, 1_000, 4_999, 5_000, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
const MARK = '\u00a7mark\u00a7';

/** @param words  names that mean something where the text goes */
export function mutateJson(text: string, random: SeededRandom, words: readonly string[]): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  let raw = '';
  const odd = (): unknown => {
    switch (random.below(9)) {
      case 0:
        raw = random.pick(RAW);
        return MARK;
      case 1:
        raw = nested(random.pick([10, 63, 64, 65, 1_000, 5_000, 20_000]), random);
        return MARK;
      case 2:
        return random.pick(NUMBERS);
      case 3:
        return random.pick([null, true, false, '', [], {}]);
      case 4:
        return random
          .pick(['x', 'é', ' ', '\u0000', '𝄞'])
          .repeat(random.pick([1, 63, 64, 65, 128, 129, 256, 1_025, 20_000]));
      case 5:
        return random.pick(NAMES);
      case 6:
        return Array.from({ length: random.pick([1, 33, 4_097]) }, () => 0);
      default:
        return words.length === 0 ? 'x' : random.pick(words);
    }
  };
  const changed = changeSomewhere(value, random, odd);
  let written: string;
  try {
    written = JSON.stringify(changed);
  } catch {
    return text;
  }
  return written.split(JSON.stringify(MARK)).join(raw);
}

function changeSomewhere(value: unknown, random: SeededRandom, odd: () => unknown): unknown {
  if (typeof value !== 'object' || value === null || random.below(8) === 0) return odd();
  if (Array.isArray(value)) {
    const at = random.below(value.length + 1);
    const copy: unknown[] = [...value];
    const kind = random.below(4);
    if (kind === 0) copy.splice(at, 1);
    else if (kind === 1) copy.splice(at, 0, value.length === 0 ? odd() : random.pick(value));
    else copy[at] = changeSomewhere(copy[at], random, odd);
    return copy;
  }
  const entries = Object.entries(value);
  const at = random.below(entries.length + 1);
  const [key, inner] = entries[at] ?? [random.pick(NAMES), null];
  const kind = random.below(6);
  if (kind === 0) entries.splice(at, 1);
  else if (kind === 1) entries[at] = [random.pick(NAMES), inner];
  else entries[at] = [key, changeSomewhere(inner, random, odd)];
  return Object.fromEntries(entries);
}

function nested(depth: number, random: SeededRandom): string {
  return random.below(2) === 0
    ? '['.repeat(depth) + ']'.repeat(depth)
    : `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
}
