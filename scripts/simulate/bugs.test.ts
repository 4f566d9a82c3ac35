/** Every planted bug is found, by the invariant it breaks, and the same faults without it are harmless. */
import { describe, expect, it } from 'vitest';
import { BUGS, isBug } from './bugs.ts';
import { runSeed, sentenceOf } from './run-seed.ts';

const SEEDS_MAX = 500;
const HARMLESS_SEEDS = 20;

describe.each(Object.keys(BUGS).filter(isBug))('%s', (bug) => {
  it('is found', { timeout: 120_000 }, () => {
    let found: string | undefined;
    for (let seed = 1; found === undefined && seed <= SEEDS_MAX; seed++) found = sentenceOf(runSeed({ seed, bug }));
    expect(found).toMatch(BUGS[bug].breaks);
  });

  it('is what breaks it: the same faults alone do not', { timeout: 60_000 }, () => {
    for (let seed = 1; seed <= HARMLESS_SEEDS; seed++) {
      expect(sentenceOf(runSeed({ seed, mix: BUGS[bug].mix }))).toBeUndefined();
    }
  });
});
