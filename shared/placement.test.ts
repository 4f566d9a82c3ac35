import { describe, expect, it } from 'vitest';
import { type Candidate, LOAD_BOUND, Placement, placementKeyFrom } from './placement.ts';
import { SeededRandom } from './random.ts';

const ROOMS = Array.from({ length: 100_000 }, (_, i) => `room-${i}`);
const placement = new Placement(placementKeyFrom('a secret for tests'));

function nodes(count: number, weight = 1): Candidate[] {
  return Array.from({ length: count }, (_, i) => ({ node: `node-${i + 1}`, weight }));
}

function countsOf(rooms: readonly string[], candidates: readonly Candidate[], by = placement): Map<string, number> {
  const counts = new Map(candidates.map(({ node }) => [node, 0]));
  for (const room of rooms) {
    const node = by.first(room, candidates) ?? '';
    counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  return counts;
}

/** The node of each of ROOMS. */
function placed(candidates: readonly Candidate[]): (string | undefined)[] {
  return ROOMS.map((room) => placement.first(room, candidates));
}

function maxOverMean(counts: ReadonlyMap<string, number>, total: number): number {
  return Math.max(...counts.values()) / (total / counts.size);
}

describe('spread', () => {
  it('gives ten equal nodes the same share of rooms', () => {
    const counts = countsOf(ROOMS, nodes(10));
    expect(counts.size).toBe(10);
    expect(maxOverMean(counts, ROOMS.length)).toBeLessThanOrEqual(1.03);
  });

  it('gives each node its weight', () => {
    const candidates = [0.5, 1, 1, 2, 4].map((weight, i) => ({ node: `node-${i + 1}`, weight }));
    const counts = countsOf(ROOMS, candidates);
    for (const { node, weight } of candidates) {
      const share = ((counts.get(node) ?? 0) / ROOMS.length) * 8.5;
      expect(Math.abs(share / weight - 1)).toBeLessThanOrEqual(0.03);
    }
  });

  it.each([
    ['that differ in one bit', Array.from({ length: 20_000 }, (_, i) => `r${i.toString(2).padStart(20, '0')}`)],
    [
      'that only grow longer',
      Array.from({ length: 128 }, (_, i) => 'a'.repeat(i + 1)).flatMap((r) =>
        Array.from({ length: 99 }, (_, i) => `${r}.${i}`.slice(0, 128)),
      ),
    ],
    ['that are named like the nodes', Array.from({ length: 20_000 }, (_, i) => `node-${i}`)],
  ])('holds for rooms %s', (_, names) => {
    const rooms = [...new Set(names)];
    expect(maxOverMean(countsOf(rooms, nodes(4)), rooms.length)).toBeLessThanOrEqual(1.06);
  });

  it('44 is not skewed by 10,000 names that were chosen to meet on one node under another key', () => {
    const guessed = new Placement(placementKeyFrom('a guess'));
    const candidates = nodes(10);
    const chosen = ROOMS.filter((room) => guessed.first(room, candidates) === 'node-1');
    expect(maxOverMean(countsOf(chosen, nodes(10), guessed), chosen.length)).toBe(10);
    expect(maxOverMean(countsOf(chosen, nodes(10)), chosen.length)).toBeLessThanOrEqual(1.1);
  });

  it('has no second choice in common: what a node gives up goes to all others alike', () => {
    const seconds = new Map<string, number>();
    const candidates = nodes(5);
    for (const room of ROOMS) {
      const [first, second] = placement.order(room, candidates);
      if (first === 'node-3' && second !== undefined) seconds.set(second, (seconds.get(second) ?? 0) + 1);
    }
    const total = [...seconds.values()].reduce((a, b) => a + b);
    expect([...seconds.keys()].sort()).toEqual(['node-1', 'node-2', 'node-4', 'node-5']);
    expect(maxOverMean(seconds, total)).toBeLessThanOrEqual(1.05);
  });
});

describe('changes of membership', () => {
  it.each([2, 5, 10])('a newcomer makes %d and only takes', (after) => {
    const before = placed(nodes(after - 1));
    const now = placed(nodes(after));
    const moved = now.filter((node, i) => node !== before[i]);
    expect(new Set(moved)).toEqual(new Set([`node-${after}`]));
    expect(moved.length / ROOMS.length).toBeLessThanOrEqual(1.15 / after);
    expect(moved.length / ROOMS.length).toBeGreaterThanOrEqual(0.85 / after);
  });

  it('one that leaves only gives', () => {
    const before = placed(nodes(10));
    const now = placed(nodes(10).filter(({ node }) => node !== 'node-4'));
    const moved = before.filter((node, i) => node !== now[i]);
    expect(new Set(moved)).toEqual(new Set(['node-4']));
  });

  it('one that grows heavier only takes', () => {
    const before = placed(nodes(5));
    const now = placed(nodes(5).map((c) => (c.node === 'node-2' ? { ...c, weight: 2 } : c)));
    const moved = now.filter((node, i) => node !== before[i]);
    expect(new Set(moved)).toEqual(new Set(['node-2']));
    expect(moved.length / ROOMS.length).toBeCloseTo(2 / 6 - 1 / 5, 2);
  });
});

describe('order', () => {
  it('is a permutation that begins with first, in whatever order the candidates come', () => {
    const random = new SeededRandom(3);
    for (let i = 0; i < 2_000; i++) {
      const candidates = nodes(1 + random.below(12)).map((c) => ({ ...c, weight: random.pick([0.25, 1, 1, 3]) }));
      const room = `r${random.hex(8)}`;
      const order = placement.order(room, candidates);
      expect([...order].sort()).toEqual(candidates.map(({ node }) => node).sort());
      expect(placement.first(room, candidates)).toBe(order[0]);
      expect(placement.order(room, [...candidates].reverse())).toEqual(order);
    }
  });

  it('leaves out what takes no rooms', () => {
    const none = [0, -1, Number.NaN, Infinity].map((weight, i) => ({ node: `none-${i}`, weight }));
    expect(placement.order('lobby', [...none, ...nodes(2)]).sort()).toEqual(['node-1', 'node-2']);
    expect(placement.first('lobby', none)).toBeUndefined();
    expect(placement.order('lobby', none)).toEqual([]);
    expect(
      placement.choose(
        'lobby',
        none.map((c) => ({ ...c, load: 0 })),
      ),
    ).toBeUndefined();
  });

  it('outlives more nodes than hashes are kept of', () => {
    const before = placement.order('lobby', nodes(5));
    for (const { node } of nodes(10_000)) placement.first('lobby', [{ node: `x${node}`, weight: 1 }]);
    expect(placement.order('lobby', nodes(5))).toEqual(before);
  });
});

describe('bounded load', () => {
  it('takes the first in order that is not full', () => {
    const [first, second, third] = placement.order('lobby', nodes(3));
    const choose = (loads: Record<string, number>) =>
      placement.choose(
        'lobby',
        nodes(3).map((c) => ({ ...c, load: loads[c.node] ?? 0 })),
      );
    expect(choose({})).toBe(first);
    expect(choose({ [`${first}`]: 10, [`${second}`]: 10, [`${third}`]: 10 })).toBe(first);
    expect(choose({ [`${first}`]: 30, [`${second}`]: 20, [`${third}`]: 10 })).toBe(second);
    expect(choose({ [`${first}`]: 30, [`${second}`]: 30, [`${third}`]: 1 })).toBe(third);
  });

  it('knows weights and ignores what takes no rooms', () => {
    const loaded = [
      { node: 'big', weight: 3, load: 30 },
      { node: 'small', weight: 1, load: 10 },
      { node: 'off', weight: 0, load: 1_000 },
    ];
    for (const room of ROOMS.slice(0, 200)) expect(placement.choose(room, loaded)).toBe(placement.first(room, loaded));
  });

  it('keeps every node within the bound while rooms come in', () => {
    const load = new Map(nodes(7).map(({ node }) => [node, 0]));
    for (const [i, room] of ROOMS.slice(0, 5_000).entries()) {
      const node =
        placement.choose(
          room,
          nodes(7).map((c) => ({ ...c, load: load.get(c.node) ?? 0 })),
        ) ?? '';
      load.set(node, (load.get(node) ?? 0) + 1);
      expect(load.get(node)).toBeLessThanOrEqual(Math.ceil((LOAD_BOUND * (i + 1)) / 7));
    }
  });

  it('falls back on the first where the bound leaves none', () => {
    const loaded = nodes(3).map((c) => ({ ...c, load: 5 }));
    expect(placement.choose('lobby', loaded, 0.5)).toBe(placement.first('lobby', loaded));
  });
});

describe('stability', () => {
  // If this fails, a rolling upgrade would move rooms: change it only with a new name for the placement and a way to migrate.
  it('places golden rooms where every version places them', () => {
    const golden = new Placement(Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex'));
    const candidates = [...nodes(6), { node: 'heavy', weight: 2.5 }, { node: 'light.eu_1', weight: 0.5 }];
    const rooms = ['lobby', 'game:42', 'a', '0', 'team@example.org', 'x~y_z-1.2', 'r'.repeat(128), 'constructor'];
    expect(rooms.map((room) => golden.order(room, candidates).join(' '))).toEqual([
      'node-6 node-1 node-4 node-2 light.eu_1 heavy node-3 node-5',
      'heavy light.eu_1 node-5 node-3 node-2 node-1 node-4 node-6',
      'node-1 node-6 node-3 node-5 heavy node-2 light.eu_1 node-4',
      'node-5 node-3 heavy node-2 node-4 node-1 light.eu_1 node-6',
      'light.eu_1 node-4 node-5 heavy node-6 node-1 node-2 node-3',
      'heavy node-4 node-5 node-1 node-6 node-2 light.eu_1 node-3',
      'heavy node-5 node-1 node-6 node-3 node-4 node-2 light.eu_1',
      'node-1 node-3 heavy node-5 node-4 light.eu_1 node-6 node-2',
    ]);
  });

  it('derives its key from a secret as every version does', () => {
    expect(placementKeyFrom('a secret for tests').toString('hex')).toBe('053c66ffea1c1f1a340b7ed06118366e');
  });
});
