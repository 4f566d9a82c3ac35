import { describe, expect, it } from 'vitest';
import { issueResume, verifyResume } from './token.ts';

const scope = { session: 'AAAAAAAAAAAAAAAAAAAAAA', user: 'ann', room: 'lobby' };
const seat = { ...scope, seat: 3, since: 1_700_000_000_000, expiresAtMs: 1_700_000_120_000 };
const NOW = 1_700_000_060_000;

describe('resume tokens', () => {
  it('give back seat and since to the same session, user and room', () => {
    const token = issueResume(['secret'], seat);
    expect(token).toMatch(/^[A-Za-z0-9_-]{76}$/);
    expect(verifyResume(['secret'], token, scope, NOW)).toEqual({ ok: true, seat: 3, since: 1_700_000_000_000 });
  });

  it.each([
    ['session', { session: 'BAAAAAAAAAAAAAAAAAAAAA' }],
    ['user', { user: 'bob' }],
    ['room', { room: 'lobby2' }],
    ['room and user, with the same letters', { user: 'an', room: 'nlobby' }],
  ])('are worth nothing for another %s', (_, other) => {
    const token = issueResume(['secret'], seat);
    expect(verifyResume(['secret'], token, { ...scope, ...other }, NOW)).toEqual({ ok: false, reason: 'forged' });
  });

  it('expire on the millisecond', () => {
    const token = issueResume(['secret'], seat);
    expect(verifyResume(['secret'], token, scope, seat.expiresAtMs - 1).ok).toBe(true);
    expect(verifyResume(['secret'], token, scope, seat.expiresAtMs)).toEqual({ ok: false, reason: 'expired' });
  });

  it('outlive the rotation of the secret for as long as the old one is listed', () => {
    const old = issueResume(['old'], seat);
    expect(verifyResume(['new', 'old'], old, scope, NOW).ok).toBe(true);
    expect(verifyResume(['new'], old, scope, NOW)).toEqual({ ok: false, reason: 'forged' });
    expect(verifyResume([], old, scope, NOW)).toEqual({ ok: false, reason: 'forged' });
    const issued = issueResume(['new', 'old'], seat);
    expect(verifyResume(['new'], issued, scope, NOW).ok).toBe(true);
    expect(verifyResume(['old'], issued, scope, NOW).ok).toBe(false);
  });

  it('break with any bit of them', () => {
    const bytes = Buffer.from(issueResume(['secret'], seat), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(verifyResume(['secret'], changed.toString('base64url'), scope, NOW).ok).toBe(false);
    }
  });

  it.each(['', 'x', '!'.repeat(76), 'A'.repeat(75), 'A'.repeat(77), 'é'.repeat(76), 'A'.repeat(100_000)])(
    'are refused as malformed: %.10s…',
    (token) => {
      expect(verifyResume(['secret'], token, scope, NOW)).toEqual({ ok: false, reason: 'malformed' });
    },
  );

  it('keep large numbers exactly, and are not issued without a secret or with what is no integer', () => {
    const large = { ...seat, seat: Number.MAX_SAFE_INTEGER };
    expect(verifyResume(['s'], issueResume(['s'], large), scope, NOW)).toMatchObject({ seat: Number.MAX_SAFE_INTEGER });
    expect(() => issueResume([], seat)).toThrow(RangeError);
    for (const wrong of [-1, 1.5, Number.NaN, 2 ** 53]) {
      expect(() => issueResume(['s'], { ...seat, seat: wrong })).toThrow(RangeError);
    }
  });
});
