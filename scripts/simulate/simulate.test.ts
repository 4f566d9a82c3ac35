/** The production cores under every fault, as many seeds as a minute holds. A failure prints the seed's replay command and the end of
 *  its trace. */
import { describe, expect, it } from 'vitest';
import { DURABLE_STATES, LEASE_STATES } from './coverage.ts';
import { COVERED_SEEDS, metPairs, missingPairs } from './expected-coverage.ts';
import { FAULTS } from './faults.ts';
import { runMany } from './run-many.ts';
import { runSeed, sentenceOf } from './run-seed.ts';

const SEEDS_MAX = 1_000;
const BOUND_MS = 60_000;
/** What comes with every few seeds, on however slow a machine. */
const SEEDS_MIN = 12;

describe('the cluster under faults', () => {
  it('keeps every invariant, for 1,000 seeds or a minute', { timeout: 4 * BOUND_MS }, async () => {
    const options = { from: 1, jobs: 1, bug: undefined, mode: undefined, keepsGoing: false };
    const tally = await runMany({ ...options, count: SEEDS_MAX, boundMs: BOUND_MS }, () => undefined);
    const { met, of } = metPairs(tally.coverage);
    process.stdout.write(`simulation: ${tally.summary}, ${met} of ${of} pairs of fault and state met\n`);
    const replay = tally.broken.map(({ seed, tail }) =>
      [...tail, `npm run simulate -- --seed ${seed} --verbose`].join('\n'),
    );
    expect(tally.broken, replay.join('\n')).toEqual([]);
    expect(tally.seeds).toBeGreaterThan(SEEDS_MIN);
    expect(tally.counted).toBeGreaterThan(0);
    expect(tally.appended).toBeGreaterThan(1_000);
    for (const state of ['held', 'stale', LEASE_STATES[1], DURABLE_STATES[0]]) {
      expect(
        FAULTS.some((fault) => tally.coverage.of(fault, state) > 0),
        state,
      ).toBe(true);
    }
    if (tally.seeds >= COVERED_SEEDS) expect(missingPairs(tally.coverage, tally.seeds)).toEqual([]);
  });

  it('replays a seed exactly', () => {
    const [once, again] = [runSeed({ seed: 17 }), runSeed({ seed: 17 })];
    expect(again.trace).toEqual(once.trace);
    expect(runSeed({ seed: 18 }).trace).not.toEqual(once.trace);
  });

  it('closes no client, resets none and leaves no room behind while nodes are only drained and rooms moved', () => {
    for (let seed = 1; seed <= 6; seed++) {
      // Of these seeds nothing else happens, and that alone is what they are held to.
      const result = runSeed({ seed: 12 * seed + 5 });
      expect(sentenceOf(result), result.trace.slice(-40).join('\n')).toBeUndefined();
      expect([result.closes, result.resets]).toEqual([0, 0]);
    }
  });
});
