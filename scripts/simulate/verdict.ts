/** Whether a run of many seeds has passed. Owns: the exit code, and what is said of coverage. Does not know: how seeds are run. */
import { COVERED_SEEDS, metPairs, missingPairs } from './expected-coverage.ts';
import type { Tally } from './tally.ts';

export interface Verdict {
  readonly exitCode: 0 | 1;
  readonly lines: readonly string[];
}

/** @param isUsual  no bug is planted and no mode asked for: only then are all pairs of fault and state to be expected */
export function verdictOf(tally: Tally, isUsual: boolean): Verdict {
  const { met, of } = metPairs(tally.coverage);
  const missing = isUsual ? missingPairs(tally.coverage, tally.seeds) : [];
  const isCovered = missing.length === 0 || tally.seeds < COVERED_SEEDS;
  const lines = [`pairs of fault and state met: ${met} of ${of}`];
  if (!isCovered) lines.push(`pairs that never occurred: ${missing.join(' · ')}`);
  return { exitCode: tally.broken.length === 0 && isCovered ? 0 : 1, lines };
}
