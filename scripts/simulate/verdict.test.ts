import { describe, expect, it } from 'vitest';
import { Coverage, STATES } from './coverage.ts';
import { COVERED_SEEDS, LONG_SEEDS, WHOLE_SEEDS } from './expected-coverage.ts';
import { FAULTS } from './faults.ts';
import { Tally } from './tally.ts';
import { verdictOf } from './verdict.ts';

/** Pairs that cannot be. */
const IMPOSSIBLE = [
  'move islanded',
  'move suspended',
  'move rejoining',
  'move observing',
  'link-reset observing',
  'link-stall observing',
];
const POSSIBLE = FAULTS.length * STATES.length - IMPOSSIBLE.length;

/** A run that met every pair but these, written `fault state`. */
function run(seeds: number, ...unmet: readonly string[]): Tally {
  const tally = new Tally();
  tally.seeds = seeds;
  const coverage = new Coverage();
  for (const fault of FAULTS)
    for (const state of STATES) if (!unmet.includes(`${fault} ${state}`)) coverage.hit(fault, state);
  tally.coverage.merge(coverage);
  return tally;
}

describe('a run of many seeds', () => {
  it('passes where every expected pair has occurred, and says how many have', () => {
    const { exitCode, lines } = verdictOf(run(WHOLE_SEEDS, ...IMPOSSIBLE), true);
    expect(exitCode).toBe(0);
    expect(lines).toEqual([`pairs of fault and state met: ${POSSIBLE} of ${POSSIBLE}`]);
  });

  it('fails where one pair never occurred, and names it', () => {
    const { exitCode, lines } = verdictOf(run(COVERED_SEEDS, 'router-pause stale'), true);
    expect(exitCode).toBe(1);
    expect(lines).toEqual([
      `pairs of fault and state met: ${POSSIBLE - 1} of ${POSSIBLE}`,
      'pairs that never occurred: router-pause × stale',
    ]);
  });

  it('fails where no fault met a state at all, in however short a state', () => {
    const tally = run(COVERED_SEEDS, ...FAULTS.map((fault) => `${fault} replaying`));
    expect(verdictOf(tally, true).lines[1]).toContain('any × replaying');
  });

  it('is held to more, the longer it is', () => {
    const code = (seeds: number, pair: string) => verdictOf(run(seeds, pair), true).exitCode;
    expect(code(COVERED_SEEDS - 1, 'router-pause stale')).toBe(0);
    for (const [pair, from] of [
      ['move reclaiming', LONG_SEEDS],
      ['wall-step releasing', LONG_SEEDS],
      ['drain-storm settling', WHOLE_SEEDS],
      ['node-pause quiet', WHOLE_SEEDS],
    ] as const) {
      expect([pair, code(from - 1, pair), code(from, pair)]).toEqual([pair, 0, 1]);
    }
  });

  it('with a planted bug or in one mode alone is held to no coverage', () => {
    expect(verdictOf(run(WHOLE_SEEDS, 'router-pause stale'), false).exitCode).toBe(0);
  });

  it('fails with every broken seed', () => {
    const tally = run(10);
    tally.broken.push({ seed: 7, rule: '1', text: 'two owners', tail: [] });
    expect(verdictOf(tally, true).exitCode).toBe(1);
    expect(verdictOf(tally, false).exitCode).toBe(1);
  });
});
