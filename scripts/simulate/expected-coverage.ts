/** Which pairs of fault and owner's state a run must have met: the longer it is, the more of them, up to every pair there is. Owns: those
 *  lists. Does not know: how a pair comes about.
 *  Invariant: the lists of shorter runs hold only what a run of that many seeds meets many times, so that it fails when the simulator loses
 *  its reach and not when a seed falls otherwise. A whole run is held to every pair that can be. */
import { type Coverage, STATES } from './coverage.ts';
import { FAULTS, type Fault } from './faults.ts';

/** A run of so many seeds meets what nearly every fault meets. */
export const COVERED_SEEDS = 1_000;
/** A run of so many meets every pair, but for states that last a few milliseconds only. */
export const LONG_SEEDS = 10_000;
/** A run of so many meets every pair. */
export const WHOLE_SEEDS = 20_000;

type State = (typeof STATES)[number];

const ALWAYS = ['none', 'held', 'stale', 'logging', 'living'] as const;
const MOSTLY = ['seeking', 'reclaiming', 'suspended', 'rejoining', 'observing'] as const;
const BRIEF: readonly State[] = ['settling', 'quiet', 'replaying'];

/** What a short run need not meet with these faults, or must. */
const OTHERWISE: { readonly [F in Fault]?: readonly State[] } = {
  move: ['none', 'held', 'logging', 'living'],
  pin: ['none', 'held', 'logging', 'living'],
  'drain-undone': ['none', 'held', 'logging', 'living'],
  'node-crash': [...ALWAYS, ...MOSTLY, 'transferring'],
  'node-drain': [...ALWAYS, 'rejoining', 'observing'],
  'drain-storm': [...ALWAYS, 'observing'],
  'client-slow': [...ALWAYS, 'suspended', 'observing'],
  'link-reset': [...ALWAYS, 'suspended', 'rejoining'],
  'link-stall': [...ALWAYS, 'suspended'],
  'node-node-cut': [...ALWAYS, 'suspended', 'observing'],
  'island-cut': ['none', 'held', 'living'],
  'redis-rewind': [...ALWAYS, 'suspended', 'observing'],
};

/** What cannot be. A room is handed over only where the lease is good; and nobody dials a node before it is registered. */
const NEVER: { readonly [F in Fault]?: readonly State[] } = {
  move: ['islanded', 'suspended', 'rejoining', 'observing'],
  'link-reset': ['observing'],
  'link-stall': ['observing'],
};

function possible(fault: Fault): readonly State[] {
  return STATES.filter((state) => NEVER[fault]?.includes(state) !== true);
}

/** What a run of `seeds` must meet with this fault. */
function expected(fault: Fault, seeds: number): readonly State[] {
  if (seeds >= WHOLE_SEEDS) return possible(fault);
  if (seeds >= LONG_SEEDS) return possible(fault).filter((state) => !BRIEF.includes(state));
  return OTHERWISE[fault] ?? [...ALWAYS, ...MOSTLY];
}

/** @param seeds  how many were run; fewer than COVERED_SEEDS may have met less
 *  @returns the expected pairs that never occurred, as `fault × state`, and states that no fault met at all */
export function missingPairs(coverage: Coverage, seeds: number): string[] {
  const pairs = FAULTS.flatMap((fault) =>
    expected(fault, seeds)
      .filter((state) => coverage.of(fault, state) === 0)
      .map((state) => `${fault} × ${state}`),
  );
  const unmet = STATES.filter((state) => FAULTS.every((fault) => coverage.of(fault, state) === 0));
  return [...pairs, ...unmet.map((state) => `any × ${state}`)];
}

/** How many of the pairs that can be have occurred. */
export function metPairs(coverage: Coverage): { readonly met: number; readonly of: number } {
  const pairs = FAULTS.flatMap((fault) => possible(fault).map((state) => coverage.of(fault, state)));
  return { met: pairs.filter((count) => count > 0).length, of: pairs.length };
}
