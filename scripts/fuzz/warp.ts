/** Messages with wrong values, as a defect of ours might hand them to the encoder. Owns: which. Buffers stay buffers. */

import { FRAGMENT_CONTENT, FRAME_CONTENT_MAX, MESSAGE_CONTENT_MAX } from '../../shared/link/messages.ts';
import type { SeededRandom } from '../../shared/random.ts';

const NUMBERS = [
  -1,
  0,
  1,
  0.5,
  999,
  1_000,
  5_000,
  2 ** 16,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 48 - 1,
  2 ** 48,
  2 ** 53,
  Number.NaN,
  Infinity,
];
const WORDS = [
  '',
  ' ',
  'router',
  'node',
  'left',
  'event',
  'message',
  'named',
  'x'.repeat(129),
  'é'.repeat(1_025),
  '\ud800',
];

const BOUNDS = [32, FRAGMENT_CONTENT, FRAME_CONTENT_MAX, MESSAGE_CONTENT_MAX];
const LENGTHS = [0, 1, ...BOUNDS.flatMap((bound) => [bound - 1, bound, bound + 1])];

/** A copy with one field changed, somewhere. */
export function warp(value: unknown, random: SeededRandom): unknown {
  if (Buffer.isBuffer(value)) return Buffer.alloc(random.pick(LENGTHS), 0x41);
  if (Array.isArray(value)) {
    if (value.length === 0 || random.below(3) === 0) return stretch(value, random);
    const at = random.below(value.length);
    return value.map((item: unknown, place) => (place === at ? warp(item, random) : item));
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([key]) => key !== 'type');
    if (entries.length === 0) return cyclic(random);
    const [key, inner] = random.pick(entries);
    return { ...value, [key]: warp(inner, random) };
  }
  switch (typeof value) {
    case 'number':
      return random.pick(NUMBERS);
    case 'string':
      return random.pick(WORDS);
    case 'boolean':
      return !value;
    default:
      return cyclic(random);
  }
}

function stretch(list: readonly unknown[], random: SeededRandom): unknown[] {
  const length = random.pick([0, 1, 33, 4_097, 9_000]);
  return Array.from({ length }, (_, place) => list[place % Math.max(1, list.length)] ?? 1);
}

/** What JSON cannot write, and some that it can. */
function cyclic(random: SeededRandom): unknown {
  const self: Record<string, unknown> = {};
  self['self'] = self;
  return random.pick([self, 10n, undefined, null, { a: 1 }, 'y'.repeat(1_100_000)]);
}
