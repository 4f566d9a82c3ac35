/** Which pairs of fault and owner's state a long run must have met. Owns: that list. Only pairs that the run of the tests meets many
 *  times are in it, so that it fails when the simulator loses its reach and not when a seed falls otherwise. */
import { type Coverage, STATES } from './coverage.ts';
import { FAULTS, type Fault } from './faults.ts';

/** A run of so many seeds meets all of them. */
export const COVERED_SEEDS = 1_000;

const ALWAYS = ['none', 'held', 'stale', 'logging', 'living'] as const;
/** What nearly every fault meets. What lasts a few milliseconds only (releasing, transferring, settling, quiet, replaying) is met by some
 *  fault, though not by each. */
const MOSTLY = ['seeking', 'reclaiming', 'suspended', 'rejoining', 'observing'] as const;

/** A room is handed over only by a living owner that holds it; and a link is there only where a node is registered. */
const OTHERWISE: { readonly [F in Fault]?: readonly string[] } = {
  move: ['none', 'held', 'logging', 'living'],
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

/** @returns the expected pairs that never occurred, as `fault × state`, and states that no fault met at all */
export function missingPairs(coverage: Coverage): string[] {
  const pairs = FAULTS.flatMap((fault) =>
    (OTHERWISE[fault] ?? [...ALWAYS, ...MOSTLY])
      .filter((state) => coverage.of(fault, state) === 0)
      .map((state) => `${fault} × ${state}`),
  );
  const unmet = STATES.filter((state) => FAULTS.every((fault) => coverage.of(fault, state) === 0));
  return [...pairs, ...unmet.map((state) => `any × ${state}`)];
}
