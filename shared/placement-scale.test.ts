/** Placement at the size of a large cluster: 100 nodes, 100,000 rooms. The bounds are what chance leaves a fair hash at these sizes
 *  (1,000 rooms a node: the fullest of 100 lies about 3 √1,000 above), with room for no more. */
import { beforeAll, describe, expect, it } from 'vitest';
import { type Candidate, Placement, placementKeyFrom } from './placement.ts';

const NODES = 100;
const ROOMS = 100_000;
/** √(2 ln 100) standard deviations above 1,000 is 1.096; one more is allowed. */
const FULLEST = 1.13;
const placement = new Placement(placementKeyFrom('a secret for tests'));

function nodes(count: number, weightOf: (i: number) => number = () => 1): Candidate[] {
  return Array.from({ length: count }, (_, i) => ({ node: `node-${i}`, weight: weightOf(i) }));
}

function placed(names: readonly string[], candidates: readonly Candidate[], by = placement): string[] {
  return names.map((name) => by.first(name, candidates) ?? '');
}

function countsOf(placedOn: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const node of placedOn) counts.set(node, (counts.get(node) ?? 0) + 1);
  return counts;
}

/** The fullest node against its weighted share. */
function fullest(placedOn: readonly string[], candidates: readonly Candidate[]): number {
  const weights = candidates.reduce((sum, { weight }) => sum + weight, 0);
  const counts = countsOf(placedOn);
  return Math.max(
    ...candidates.map(({ node, weight }) => (counts.get(node) ?? 0) / ((placedOn.length * weight) / weights)),
  );
}

const rooms = Array.from({ length: ROOMS }, (_, i) => `room-${i}`);
const equal = nodes(NODES);
let before: readonly string[] = [];
beforeAll(() => {
  before = placed(rooms, equal);
});

describe('100 nodes and 100,000 rooms', () => {
  it('are spread evenly, and no node stays empty', () => {
    expect(countsOf(before).size).toBe(NODES);
    expect(fullest(before, equal)).toBeLessThanOrEqual(FULLEST);
  });

  it('give a newcomer at most 1.15 of its share, all of it from others, and move nothing else', () => {
    const after = placed(rooms, nodes(NODES + 1));
    const moved = after.filter((node, i) => node !== before[i]);
    expect(new Set(moved)).toEqual(new Set([`node-${NODES}`]));
    expect(moved.length / ROOMS).toBeLessThanOrEqual(1.15 / (NODES + 1));
    expect(moved.length / ROOMS).toBeGreaterThanOrEqual(0.85 / (NODES + 1));
  });

  it('move only the rooms of a node that leaves, and to many heirs', () => {
    const after = placed(
      rooms,
      equal.filter(({ node }) => node !== 'node-37'),
    );
    const changed = rooms.flatMap((_, i) => (after[i] === before[i] ? [] : [i]));
    expect(new Set(changed.map((i) => before[i]))).toEqual(new Set(['node-37']));
    expect(changed.length).toBe(countsOf(before).get('node-37'));
    const heirs = countsOf(changed.map((i) => after[i] ?? ''));
    expect(heirs.size).toBeGreaterThanOrEqual(NODES - 10);
    expect(Math.max(...heirs.values()) / changed.length).toBeLessThanOrEqual(0.04);
  });

  it('respect weights', () => {
    const weighted = nodes(NODES, (i) => 1 + (i % 4));
    const placedOn = placed(rooms, weighted);
    const counts = countsOf(placedOn);
    // The lightest nodes have 400 rooms each: chance alone leaves the fullest of them at about 1.14.
    expect(fullest(placedOn, weighted)).toBeLessThanOrEqual(1.2);
    for (const weight of [1, 2, 3, 4]) {
      const held = weighted
        .filter((one) => one.weight === weight)
        .reduce((sum, { node }) => sum + (counts.get(node) ?? 0), 0);
      expect(Math.abs(held / ((ROOMS * weight) / 10) - 1)).toBeLessThanOrEqual(0.04);
    }
  });
});

describe('names that somebody chose', () => {
  const COUNT = 20_000;
  /** 200 rooms a node: chance alone leaves the fullest at about 1.21. */
  const FULLEST_CHOSEN = 1.3;

  it.each([
    ['of one long prefix', (i: number) => `${'a'.repeat(120)}${i}`],
    ['in sequence', (i: number) => String(i)],
    ['that differ at their beginning', (i: number) => `${i}${'z'.repeat(100)}`],
    ['that are named like the nodes', (i: number) => `node-${i}`],
  ])('are spread as evenly: %s', (_, nameOf) => {
    const names = Array.from({ length: COUNT }, (__, i) => nameOf(i));
    expect(fullest(placed(names, equal), equal)).toBeLessThanOrEqual(FULLEST_CHOSEN);
  });

  it('to meet on one node under another key do not meet under this one', () => {
    const guessed = new Placement(placementKeyFrom('a guess'));
    const few = nodes(10);
    const chosen = Array.from({ length: 50_000 }, (_, i) => `attack-${i}`).filter(
      (name) => guessed.first(name, few) === 'node-0',
    );
    expect(fullest(placed(chosen, few, guessed), few)).toBe(10);
    // Some 500 rooms a node.
    expect(fullest(placed(chosen, few), few)).toBeLessThanOrEqual(1.2);
  });
});
