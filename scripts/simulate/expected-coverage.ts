/** Which pairs of fault and owner's state a long run must have met. Owns: that list. Only pairs that the run of the tests meets many
 *  times are in it, so that it fails when the simulator loses its reach and not when a seed falls otherwise. */
import type { Coverage } from './coverage.ts';
import { FAULTS, type Fault } from './faults.ts';

const ALWAYS = ['none', 'held', 'stale', 'living', 'suspended'] as const;

/** A room is handed over only by a living owner that holds it. */
const OTHERWISE: { readonly [F in Fault]?: readonly string[] } = { move: ['none', 'held', 'living'] };

const ALSO: { readonly [F in Fault]?: readonly string[] } = {
  'node-crash': ['seeking', 'reclaiming', 'transferring', 'rejoining', 'observing'],
  'node-pause': ['seeking', 'reclaiming', 'rejoining', 'observing'],
  'node-drain': ['reclaiming', 'rejoining', 'observing'],
  'wall-step': ['reclaiming', 'observing'],
  'router-crash': ['seeking', 'reclaiming', 'observing'],
  'router-pause': ['seeking', 'rejoining', 'observing'],
  'client-break': ['rejoining', 'observing'],
  'link-reset': ['reclaiming', 'rejoining'],
  'link-reject': ['reclaiming', 'rejoining', 'observing'],
  'link-stall': ['reclaiming', 'rejoining'],
  'router-node-cut': ['seeking', 'reclaiming', 'rejoining', 'observing'],
  'node-node-cut': ['observing'],
  'node-redis-cut': ['seeking', 'reclaiming', 'rejoining', 'observing'],
  'router-redis-cut': ['seeking', 'reclaiming', 'rejoining', 'observing'],
  'redis-slow': ['seeking', 'reclaiming', 'rejoining', 'observing'],
  'redis-reset': ['reclaiming', 'rejoining', 'observing'],
  'redis-pause': ['seeking', 'rejoining', 'observing'],
  'redis-restart': ['seeking', 'rejoining', 'observing'],
  'redis-empty': ['seeking', 'reclaiming', 'rejoining', 'observing'],
  'redis-rollback': ['seeking', 'reclaiming', 'rejoining', 'observing'],
  'redis-flush': ['seeking', 'reclaiming', 'rejoining', 'observing'],
};

/** @returns the expected pairs that never occurred, as `fault × state` */
export function missingPairs(coverage: Coverage): string[] {
  return FAULTS.flatMap((fault) =>
    [...(OTHERWISE[fault] ?? ALWAYS), ...(ALSO[fault] ?? [])]
      .filter((state) => coverage.of(fault, state) === 0)
      .map((state) => `${fault} × ${state}`),
  );
}
