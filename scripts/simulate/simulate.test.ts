/** The production cores under every fault, many seeds. A failure prints the seed's replay command and the end of its trace. */
import { describe, expect, it } from 'vitest';
import { Coverage } from './coverage.ts';
import { missingPairs } from './expected-coverage.ts';
import { runSeed, sentenceOf } from './run-seed.ts';

const COUNTED = 200;
const SEEDS_MAX = 600;

describe('the cluster under faults', () => {
  it('keeps every invariant in 200 seeds that hold a takeover or a refused claim', { timeout: 180_000 }, () => {
    const coverage = new Coverage();
    let counted = 0;
    for (let seed = 1; counted < COUNTED && seed <= SEEDS_MAX; seed++) {
      const result = runSeed({ seed });
      expect(sentenceOf(result), result.trace.slice(-40).join('\n')).toBeUndefined();
      coverage.merge(result.coverage);
      if (result.counts) counted++;
    }
    expect(counted).toBe(COUNTED);
    expect(missingPairs(coverage)).toEqual([]);
  });

  it('replays a seed exactly', () => {
    const [once, again] = [runSeed({ seed: 17 }), runSeed({ seed: 17 })];
    expect(again.trace).toEqual(once.trace);
    expect(runSeed({ seed: 18 }).trace).not.toEqual(once.trace);
  });

  it('closes no client and resets none while nodes are only drained and rooms moved', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const result = runSeed({ seed, mix: { 'node-drain': 1, move: 3 } });
      expect(sentenceOf(result), result.trace.slice(-40).join('\n')).toBeUndefined();
      expect(result.closes, `seed ${seed}`).toBe(0);
      expect(result.resets, `seed ${seed}`).toBe(0);
    }
  });
});
