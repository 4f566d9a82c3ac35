import { describe, expect, it } from 'vitest';
import { HEALTHY_LIFE_MS, PAUSE_MAX_MS, RestartBackoff } from './restart-backoff.ts';

describe('RestartBackoff', () => {
  it('doubles the pause with each short life, up to its bound', () => {
    const backoff = new RestartBackoff(2_000);
    const pauses = Array.from({ length: 7 }, () => backoff.pauseAfter(10));
    expect(pauses).toEqual([2_000, 4_000, 8_000, 16_000, PAUSE_MAX_MS, PAUSE_MAX_MS, PAUSE_MAX_MS]);
  });

  it('begins anew after a life that was long enough', () => {
    const backoff = new RestartBackoff(2_000);
    backoff.pauseAfter(10);
    backoff.pauseAfter(10);
    expect(backoff.pauseAfter(HEALTHY_LIFE_MS - 1)).toBe(8_000);
    expect(backoff.pauseAfter(HEALTHY_LIFE_MS)).toBe(2_000);
    expect(backoff.pauseAfter(10)).toBe(4_000);
  });

  it('keeps a first pause that is longer than the bound, and stays finite', () => {
    const backoff = new RestartBackoff(60_000);
    const pauses = Array.from({ length: 2_000 }, () => backoff.pauseAfter(0));
    expect(new Set(pauses)).toEqual(new Set([60_000]));
  });
});
