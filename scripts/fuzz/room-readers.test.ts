import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodedOnce, readRoom } from './room-readers.ts';

/** What all of them read. */
function reading(segment: string): string | undefined {
  const readings = Object.values(readRoom(segment, decodedOnce(segment)));
  expect(new Set(readings).size, `${JSON.stringify(segment)} is read as ${JSON.stringify(readings)}`).toBe(1);
  return readings[0];
}

describe('33 a room id', () => {
  test.each([
    '%2e%2e',
    '%252f',
    '%2f',
    '..',
    'a%2e%2e%2fb%252f',
    '%00',
    'a%00',
    'a\u0000',
    '%c0%ae%c0%ae',
    '%e0%80%af',
    'a%c1%81',
    '%ed%a0%80',
    '%ff',
    '%',
    '%4',
    '%zz',
    'x'.repeat(129),
    `${'x'.repeat(126)}%41%41%41`,
    '%7b%7d',
    'a b',
    'a+b',
    'é',
    '%C3%A9',
    'ａ',
    '\u202ea',
    '',
  ])('33 that is none, %j, is none to the router, the node and the API', (segment) => {
    expect(reading(segment)).toBeUndefined();
  });

  test.each([
    ['lobby', 'lobby'],
    ['%6cobby', 'lobby'],
    ['a%3Ab%40c', 'a:b@c'],
    ['x'.repeat(128), 'x'.repeat(128)],
    ['%78'.repeat(128), 'x'.repeat(128)],
    ['constructor', 'constructor'],
    ['a..b', 'a..b'],
  ])('33 written as %j is one room to all of them', (segment, room) => {
    expect(reading(segment)).toBe(room);
  });

  test('33 is the same to all of them, whatever is asked for', () => {
    const hex = fc.integer({ min: 0, max: 255 }).map((byte) => `%${byte.toString(16).padStart(2, '0')}`);
    const unit = fc.oneof(fc.constantFrom(...'abcXYZ019._~:@-'), hex, fc.constantFrom('%25', '%', '{', '}', '\\', '+'));
    const segment = fc.oneof(fc.string({ unit, maxLength: 200 }), fc.string({ unit: 'binary' }));
    fc.assert(
      fc.property(segment, (text) => {
        // A slash ends the segment, a question mark the path.
        fc.pre(!/[/?#]/.test(text));
        reading(text);
      }),
      { numRuns: 500 },
    );
  });
});
