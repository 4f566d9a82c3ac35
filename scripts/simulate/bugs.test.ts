/** Every planted bug is found, by the invariant it breaks, and the same faults without it are harmless. The seed that is known to show it
 *  is tried first; should it not any more, since the simulator has changed, others are, up to the bound. */
import { describe, expect, it } from 'vitest';
import { BUGS, isBug } from './bugs.ts';
import { runSeed, sentenceOf } from './run-seed.ts';

const SEEDS_MAX = 500;
const HARMLESS_SEEDS = 3;

const bugs = Object.keys(BUGS).filter(isBug);

it('there are fifteen and more', () => {
  expect(bugs.length).toBeGreaterThanOrEqual(15);
  for (const bug of bugs) expect(BUGS[bug].seed).toBeLessThanOrEqual(SEEDS_MAX);
});

describe.each(bugs)('%s', (bug) => {
  const { seed: known, breaks } = BUGS[bug];

  it('is found', { timeout: 300_000 }, () => {
    let found: string | undefined;
    for (const seed of [known, ...Array.from({ length: SEEDS_MAX }, (_, at) => at + 1)]) {
      found = sentenceOf(runSeed({ seed, bug }));
      if (found !== undefined) break;
    }
    expect(found).toMatch(breaks);
  });

  it('is what breaks it: the same faults alone do not', { timeout: 60_000 }, () => {
    for (let at = 0; at < HARMLESS_SEEDS; at++) {
      expect(sentenceOf(runSeed({ seed: known + at, faultsOf: bug }))).toBeUndefined();
    }
  });
});
