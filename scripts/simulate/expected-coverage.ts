/** Which pairs of fault and owner's state a long run must have met. Owns: that list. Only pairs that the run of the tests meets many
 *  times are in it, so that it fails when the simulator loses its reach and not when a seed falls otherwise. */
import { type Coverage, STATES } from './coverage.ts';
import { FAULTS, type Fault } from './faults.ts';

/** A run of so many seeds meets all of them. */
export const COVERED_SEEDS = 1_000;

const ALWAYS = ['none', 'held', 'stale', 'living', 'suspended'] as const;

/** A room is handed over only by a living owner that holds it. */
const OTHERWISE: { readonly [F in Fault]?: readonly string[] } = { move: ['none', 'held', 'living'] };

const ALSO: { readonly [F in Fault]?: readonly string[] } = {
  'node-crash': ['seeking', 'reclaiming', 'transferring', 'rejoining', 'observing'],
  'node-pause': ['seeking', 'reclaiming', 'rejoining', 'observing'],
  'node-drain': ['rejoining', 'observing'],
  'wall-step': ['rejoining', 'observing'],
  'router-crash': ['seeking', 'reclaiming', 'rejoining', 'observing'],
  'router-pause': ['seeking', 'reclaiming', 'rejoining', 'observing'],
  'client-break': ['observing'],
  'link-reset': ['rejoining'],
  'link-reject': ['reclaiming', 'rejoining', 'observing'],
  'link-stall': ['reclaiming', 'rejoining'],
  'router-node-cut': ['seeking', 'reclaiming', 'rejoining', 'observing'],
  'node-node-cut': ['rejoining', 'observing'],
  'node-redis-cut': ['seeking', 'reclaiming', 'rejoining', 'observing'],
  'router-redis-cut': ['seeking', 'rejoining', 'observing'],
  'redis-slow': ['reclaiming', 'rejoining', 'observing'],
  'redis-reset': ['rejoining', 'observing'],
  'redis-pause': ['reclaiming', 'rejoining', 'observing'],
  'redis-restart': ['seeking', 'rejoining', 'observing'],
  'redis-empty': ['seeking', 'reclaiming', 'rejoining', 'observing'],
  'redis-rollback': ['seeking', 'reclaiming', 'rejoining', 'observing'],
  'redis-flush': ['seeking', 'rejoining', 'observing'],
};

/** @returns the expected pairs that never occurred, as `fault × state`, and states that no fault met at all */
export function missingPairs(coverage: Coverage): string[] {
  const pairs = FAULTS.flatMap((fault) =>
    [...(OTHERWISE[fault] ?? ALWAYS), ...(ALSO[fault] ?? [])]
      .filter((state) => coverage.of(fault, state) === 0)
      .map((state) => `${fault} × ${state}`),
  );
  const unmet = STATES.filter((state) => FAULTS.every((fault) => coverage.of(fault, state) === 0));
  return [...pairs, ...unmet.map((state) => `any × ${state}`)];
}
