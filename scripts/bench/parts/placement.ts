/** `npm run bench -- placement`: how evenly rooms spread, how many move, what a lookup costs. Owns: the questions. It uses the very
 *  placement that routers and nodes use.
 *  A join or leave is not computed for every room and node again: no node's score depends on another, so a newcomer is only compared
 *  with a room's first, and only rooms of a leaving node look for another. A sample is computed in full to hold that against. */
import { type Candidate, Placement, placementKeyFrom } from '../../../shared/placement.ts';
import { type PartGoal, type PartResult, today } from '../part.ts';

const KEY = placementKeyFrom('a secret of the bench');
const SAMPLE = 2_000;

/** What a newcomer may take, of its fair share. */
const MOVED_MAX = 1.15;

type Say = (what: string, value: string) => void;

/** Bounded by its arguments: one lookup for each room and weighting, each over all nodes. */
export function measurePlacement(nodes: number, rooms: number, progress: (line: string) => void): PartResult {
  const table: string[][] = [['what', 'measured']];
  const goals: PartGoal[] = [];
  const numbers: Record<string, unknown> = { nodes, rooms };
  const say: Say = (what, value) => {
    table.push([what, value]);
    progress(`placement: ${what}: ${value}`);
  };
  const placement = new Placement(KEY);
  for (const [label, weightOf] of [
    ['equal weights', () => 1],
    ['weights 1 to 4', (i: number) => 1 + (i % 4)],
  ] as const) {
    const candidates = makeNodes(nodes, weightOf);
    const names = (i: number): string => `room-${i}`;
    const began = performance.now();
    const firsts = placeAll(placement, candidates, rooms, names);
    const us = ((performance.now() - began) * 1_000) / rooms;
    const { ratio, expected } = spread(firsts, candidates);
    say(`${label}: max/mean of a node's share`, `${ratio.toFixed(3)} (chance alone: about ${expected.toFixed(3)})`);
    say(`${label}: a lookup among ${nodes} nodes`, `${us.toFixed(2)} µs`);
    const joined = join(placement, candidates, firsts, names, label, say);
    const left = leave(placement, candidates, firsts, names, label, say);
    numbers[label] = { maxOverMean: ratio, byChance: expected, lookupUs: us, joined, left };
    goals.push(
      goal(`${label}: rooms moved when a node joins, of its share`, `≤ ${MOVED_MAX}×`, joined.ofIdeal, MOVED_MAX),
      goal(`${label}: rooms of others moved on a join or leave, sampled`, '0', joined.wrong + left.wrong, 0),
    );
  }
  for (const size of [1, 3, 10, 100]) say(`a lookup among ${size} nodes`, `${lookupUs(placement, size).toFixed(2)} µs`);
  adversary(say);
  return {
    part: 'placement',
    date: today(),
    says: `${rooms.toLocaleString('en-US')} rooms on ${nodes.toLocaleString('en-US')} nodes, by the placement that routers and nodes use`,
    table,
    goals,
    notes: [
      'A newcomer can only take and one that leaves can only give; a sample of rooms is computed in full to hold that against.',
    ],
    numbers,
  };
}

function goal(says: string, bound: string, measured: number, atMost: number): PartGoal {
  const isReached = measured <= atMost;
  const said = Number.isInteger(measured) ? String(measured) : `${measured.toFixed(2)}×`;
  return { says, than: '–', bound, measured: said, isReached, isValid: true };
}

interface Moved {
  readonly moved: number;
  /** Against the least possible on average. */
  readonly ofIdeal: number;
  /** Of a sample, those that moved without need. */
  readonly wrong: number;
}

function makeNodes(count: number, weightOf: (i: number) => number): Candidate[] {
  return Array.from({ length: count }, (_, i) => ({ node: `n${i}`, weight: weightOf(i) }));
}

/** The node of each room, as its index. */
function placeAll(
  placement: Placement,
  candidates: readonly Candidate[],
  rooms: number,
  nameOf: (i: number) => string,
): Uint16Array {
  const indexes = new Map(candidates.map(({ node }, i) => [node, i]));
  return Uint16Array.from({ length: rooms }, (_, i) => indexes.get(placement.first(nameOf(i), candidates) ?? '') ?? 0);
}

/** The fullest node's rooms against its weighted share, and what throwing the rooms at random would give: the mean plus
 *  √(2 mean ln n), for the smallest share. */
function spread(firsts: Uint16Array, candidates: readonly Candidate[]): { ratio: number; expected: number } {
  const weights = candidates.reduce((sum, { weight }) => sum + weight, 0);
  const held = new Uint32Array(candidates.length);
  for (const node of firsts) held[node] = (held[node] ?? 0) + 1;
  const shareOf = (weight: number): number => (firsts.length * weight) / weights;
  const ratio = Math.max(...candidates.map(({ weight }, i) => (held[i] ?? 0) / shareOf(weight)));
  const least = shareOf(Math.min(...candidates.map(({ weight }) => weight)));
  return { ratio, expected: 1 + Math.sqrt((2 * Math.log(candidates.length)) / least) };
}

function join(
  placement: Placement,
  candidates: readonly Candidate[],
  firsts: Uint16Array,
  nameOf: (i: number) => string,
  label: string,
  say: Say,
): Moved {
  const newcomer: Candidate = { node: 'newcomer', weight: 1 };
  const after = [...candidates, newcomer];
  const weights = after.reduce((sum, { weight }) => sum + weight, 0);
  let moved = 0;
  let wrong = 0;
  firsts.forEach((node, i) => {
    const held = candidates[node];
    const winner = held === undefined ? undefined : placement.first(nameOf(i), [held, newcomer]);
    if (winner === newcomer.node) moved++;
    if (i < SAMPLE && placement.first(nameOf(i), after) !== winner) wrong++;
  });
  const share = newcomer.weight / weights;
  say(`${label}: rooms moved when a node joins`, movement(moved, firsts.length * share));
  say(`${label}: of these, moved between two old nodes`, `${wrong} of a sample of ${Math.min(SAMPLE, firsts.length)}`);
  return { moved, ofIdeal: moved / (firsts.length * share), wrong };
}

function leave(
  placement: Placement,
  candidates: readonly Candidate[],
  firsts: Uint16Array,
  nameOf: (i: number) => string,
  label: string,
  say: Say,
): Moved {
  const [leaver, ...rest] = candidates;
  if (leaver === undefined || rest.length === 0) return { moved: 0, ofIdeal: 1, wrong: 0 };
  const weights = candidates.reduce((sum, { weight }) => sum + weight, 0);
  const heirs = new Map<string, number>();
  let moved = 0;
  let wrong = 0;
  firsts.forEach((node, i) => {
    if (node === 0) {
      moved++;
      const heir = placement.first(nameOf(i), rest) ?? '';
      heirs.set(heir, (heirs.get(heir) ?? 0) + 1);
    } else if (i < SAMPLE && placement.first(nameOf(i), rest) !== candidates[node]?.node) {
      wrong++;
    }
  });
  const most = Math.max(0, ...heirs.values());
  say(`${label}: rooms moved when a node leaves`, movement(moved, (firsts.length * leaver.weight) / weights));
  say(`${label}: heirs of its rooms, and the most that one takes`, `${heirs.size}, ${most}`);
  say(`${label}: rooms of others that moved as well`, `${wrong} of a sample of ${Math.min(SAMPLE, firsts.length)}`);
  return { moved, ofIdeal: moved / ((firsts.length * leaver.weight) / weights), wrong };
}

function movement(moved: number, ideal: number): string {
  return `${moved} (${(moved / ideal).toFixed(3)} of the least possible on average, ${ideal.toFixed(0)})`;
}

function lookupUs(placement: Placement, size: number): number {
  const candidates = makeNodes(size, () => 1);
  const lookups = Math.ceil(2_000_000 / (size + 10));
  const began = performance.now();
  for (let i = 0; i < lookups; i++) placement.first(`room-${i}`, candidates);
  return ((performance.now() - began) * 1_000) / lookups;
}

/** Names chosen to meet on one node by somebody who knows the code and every node but not the key, and names made alike. */
function adversary(say: Say): void {
  const candidates = makeNodes(100, () => 1);
  const guessed = new Placement(Buffer.alloc(16));
  const real = new Placement(KEY);
  const chosen: string[] = [];
  for (let i = 0; i < 500_000 && chosen.length < 5_000; i++) {
    const name = `attack-${i}`;
    if (guessed.first(name, candidates) === 'n0') chosen.push(name);
  }
  const worst = (names: readonly string[], by: Placement): string => {
    const { ratio, expected } = spread(
      placeAll(by, candidates, names.length, (i) => names[i] ?? ''),
      candidates,
    );
    return `max/mean ${ratio.toFixed(2)} (chance alone: about ${expected.toFixed(2)})`;
  };
  const alike = (nameOf: (i: number) => string): string[] => Array.from({ length: 5_000 }, (_, i) => nameOf(i));
  say(`${chosen.length} names that meet on one of 100 nodes under a guessed key`, worst(chosen, guessed));
  say('the same names under the real key', worst(chosen, real));
  say(
    '5,000 names that differ in their length only (x, xx … repeated)',
    worst(
      alike((i) => 'x'.repeat(1 + (i % 128)) + Math.floor(i / 128)),
      real,
    ),
  );
  say('5,000 names that are numbers', worst(alike(String), real));
  say(
    '5,000 names of 128 characters that differ in the last four',
    worst(
      alike((i) => String(i).padStart(128, 'r')),
      real,
    ),
  );
}
