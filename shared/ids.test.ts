import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as ids from './ids.ts';
import { SeededRandom, systemRandom } from './random.ts';

/** What matchesPattern means, by way of a regular expression. */
function matchesByRegExp(pattern: string, room: string): boolean {
  const source = pattern
    .split('*')
    .map((literal) => literal.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
  return new RegExp(`^${source}$`, 's').test(room);
}

describe('room ids', () => {
  it.each(['a', '0', 'lobby', 'game:42', 'a.b_c~d:e@f-g', 'constructor', `r${'x'.repeat(127)}`])('takes %s', (room) => {
    expect(ids.parseRoomId(room)).toEqual({ ok: true, room });
    expect(ids.isRoomId(room)).toBe(true);
  });

  it.each([
    '',
    '.',
    '..',
    '-a',
    ':a',
    '__proto__',
    'a b',
    'a+b',
    'a/b',
    'a{b}',
    'a"b',
    'a\n',
    'é',
    `r${'x'.repeat(128)}`,
  ])('refuses %j', (room) => {
    expect(ids.isRoomId(room)).toBe(false);
    expect(ids.parseRoomId(encodeURIComponent(room))).toMatchObject({ ok: false, code: 'bad_room' });
  });

  it('decodes a segment exactly once', () => {
    expect(ids.parseRoomId('game%3A42')).toEqual({ ok: true, room: 'game:42' });
    expect(ids.parseRoomId('%67ame')).toEqual({ ok: true, room: 'game' });
    expect(ids.parseRoomId('game%253A42').ok).toBe(false);
    expect(ids.parseRoomId('a%2Fb').ok).toBe(false);
    expect(ids.parseRoomId('a%2e%2e').ok).toBe(true);
  });

  it.each([
    ['a truncated escape', 'a%'],
    ['an escape that is not hex', 'a%zz'],
    ['an overlong slash', 'a%c0%af'],
    ['an encoded surrogate', 'a%ed%a0%80'],
    ['a lone continuation byte', 'a%80'],
    ['a NUL', 'a%00'],
  ])('refuses %s', (_, segment) => {
    expect(ids.parseRoomId(segment)).toMatchObject({ ok: false, code: 'bad_room' });
  });

  it('takes every character escaped, and looks at no segment that is longer', () => {
    expect(ids.parseRoomId('%61'.repeat(128))).toEqual({ ok: true, room: 'a'.repeat(128) });
    expect(ids.parseRoomId('%61'.repeat(129)).ok).toBe(false);
  });

  it('never throws and returns only legal rooms', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (segment) => {
        const parsed = ids.parseRoomId(segment);
        if (parsed.ok) expect(ids.isRoomId(parsed.room)).toBe(true);
      }),
    );
  });
});

describe('other names', () => {
  it('knows users, nodes, incarnations, nonces and tags', () => {
    expect(ids.isUserId('google-oauth2|123+x@example.org')).toBe(true);
    expect(ids.isUserId('a/b')).toBe(false);
    expect(ids.isUserId('')).toBe(false);
    expect(ids.isUserId('u'.repeat(129))).toBe(false);
    expect(ids.isNodeId('node-1.eu_west')).toBe(true);
    expect(ids.isNodeId('n'.repeat(65))).toBe(false);
    expect(ids.isNodeId('a:b')).toBe(false);
    expect(ids.isNodeId(ids.workerId('edge-1', 12))).toBe(true);
    expect(ids.isIncarnation('0123456789abcdef0123456789abcdef')).toBe(true);
    expect(ids.isIncarnation('0123456789ABCDEF0123456789ABCDEF')).toBe(false);
    expect(ids.isNonce('0123456789abcdef')).toBe(true);
    expect(ids.isNonce('0123456789abcde')).toBe(false);
    expect(ids.isTag('1700000000000.0123456789abcdef')).toBe(true);
    expect(ids.isTag('9007199254740991.0123456789abcdef')).toBe(true);
    expect(ids.isTag('9007199254740992.0123456789abcdef')).toBe(false);
    expect(ids.isTag('01.0123456789abcdef')).toBe(false);
    expect(ids.isTag('1.0123456789abcdef\n')).toBe(false);
  });

  it('makes names of the right shape', () => {
    for (const random of [systemRandom, new SeededRandom(7)]) {
      expect(ids.isSessionId(ids.newSessionId(random))).toBe(true);
      expect(ids.isIncarnation(ids.newIncarnation(random))).toBe(true);
      expect(ids.isNonce(ids.newNonce(random))).toBe(true);
    }
    expect(ids.newSessionId(new SeededRandom(7))).toBe(ids.newSessionId(new SeededRandom(7)));
    expect(ids.newSessionId(systemRandom)).not.toBe(ids.newSessionId(systemRandom));
  });
});

describe('room patterns', () => {
  it('matches what a star may stand for', () => {
    expect(ids.matchesPattern('*', '')).toBe(true);
    expect(ids.matchesPattern('game:*', 'game:')).toBe(true);
    expect(ids.matchesPattern('game:*', 'game')).toBe(false);
    expect(ids.matchesPattern('*-x', 'a-x-x')).toBe(true);
    expect(ids.matchesPattern('ab*ba', 'aba')).toBe(false);
    expect(ids.matchesPattern('a.c', 'abc')).toBe(false);
    expect(ids.isRoomPattern('game:*')).toBe(true);
    expect(ids.isRoomPattern('**')).toBe(true);
    expect(ids.isRoomPattern('game:?')).toBe(false);
    expect(ids.isRoomPattern('')).toBe(false);
  });

  it('agrees with a regular expression', () => {
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 8 });
    const room = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 10 });
    fc.assert(
      fc.property(pattern, room, (p, r) => ids.matchesPattern(p, r) === matchesByRegExp(p, r)),
      { numRuns: 5_000 },
    );
  });
});
