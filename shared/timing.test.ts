import { describe, expect, it } from 'vitest';
import { brokenRelations, DEFAULT_TIMINGS, deadFloorMs, incompatibleTimings } from './timing.ts';

describe('relations between the periods', () => {
  it('hold for the defaults', () => {
    expect(brokenRelations(DEFAULT_TIMINGS)).toEqual([]);
  });

  it.each([
    ['deadMs', { deadMs: 2_529 }, /fenceMs × 1.02/],
    ['fenceMs', { fenceMs: 899 }, /2 × heartbeatMs/],
    ['reconnectMs', { reconnectMs: 1_051 }, /reconnect must not kill/],
    ['graceMs', { graceMs: 2_599 }, /graceMs .* at least deadMs/],
    ['pollMs', { pollMs: 0 }, /pollMs must be a positive/],
    ['heartbeatMs', { heartbeatMs: Number.NaN }, /heartbeatMs must be a positive/],
    ['routeCacheMs', { routeCacheMs: Number.POSITIVE_INFINITY }, /routeCacheMs must be a positive/],
  ])('are told where %s breaks one', (_name, change, sentence) => {
    expect(brokenRelations({ ...DEFAULT_TIMINGS, ...change }).join('\n')).toMatch(sentence);
  });

  it('hold at their very edge', () => {
    const t = { ...DEFAULT_TIMINGS, deadMs: deadFloorMs(1_500), graceMs: deadFloorMs(1_500) };
    expect(brokenRelations(t)).toEqual([]);
  });
});

describe('periods of different processes', () => {
  const mine = { fenceMs: 1_500, deadMs: 2_600 };

  it('go together when both directions hold', () => {
    expect(incompatibleTimings(mine, [mine, { fenceMs: 1_000, deadMs: 5_000 }])).toBeUndefined();
  });

  it("refuse a process whose dead is too short for a living node's fence", () => {
    expect(incompatibleTimings(mine, [mine, { fenceMs: 2_000, deadMs: 9_000 }])).toMatch(
      /deadMs \(2600\) is too short/,
    );
  });

  it("refuse a process whose fence is too long for a living observer's dead", () => {
    const slow = { fenceMs: 3_000, deadMs: 9_000 };
    expect(incompatibleTimings(slow, [mine])).toMatch(/fenceMs \(3000\) is too long/);
  });
});
