import { describe, expect, it } from 'vitest';
import type { Cell } from './cell.ts';
import { cellsOf, type Goal, judge, median } from './summary.ts';
import type { SystemId } from './systems.ts';

const LOAD = {
  clients: 2,
  members: 2,
  bytes: 128,
  rate: 10,
  seconds: 1,
  warm: 0,
  settle: 0,
  drain: 1,
  concurrency: 1,
  tick: 500,
};

function cell(system: SystemId, round: number, cpu: number, more: Partial<Cell> = {}): Cell {
  const result = { sent: 10, unsent: 0, deliveries: 20, expected: 20, inTime: 20, duplicates: 0, foreign: 0, lost: 0 };
  return {
    system,
    workload: 'broadcast',
    round,
    plan: LOAD,
    generator: 'C',
    cpuPerDeliveryUs: cpu,
    deliveriesPerSecond: 20,
    connectsPerSecond: 1,
    cpuPerConnectUs: 1,
    rssPerClientBytes: 1,
    result: { ...result, seconds: 1, cpuUs: 1, p50Ms: 1, p99Ms: 2, p999Ms: 3 },
    isComplete: true,
    loadCores: 0.1,
    otherCores: 0,
    invalid: undefined,
    ...more,
  };
}

const GOAL: Goal = { workload: 'broadcast', says: 'CPU', measure: 'cpu', than: 'nginx', atMost: 0.5 };

describe('median', () => {
  it('is the middle, or the mean of the two in the middle', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeUndefined();
  });
});

describe('judge', () => {
  it('compares cells of one round only, since another round met another machine', () => {
    const cells = [
      ...[cell('bellhop', 1, 4), cell('nginx', 1, 10)],
      ...[cell('bellhop', 2, 40), cell('nginx', 2, 100)],
      cell('bellhop', 3, 1_000),
    ];
    expect(judge(cells, [GOAL])).toEqual([{ goal: GOAL, ratio: 0.4, isReached: true, isValid: true }]);
  });

  it('misses a goal that is exceeded by a little, and one that was not measured', () => {
    const cells = [cell('bellhop', 1, 5.1), cell('nginx', 1, 10)];
    expect(judge(cells, [GOAL])[0]).toMatchObject({ ratio: 0.51, isReached: false });
    expect(judge([], [GOAL])[0]).toMatchObject({ ratio: undefined, isReached: false });
  });

  it('says when all that there is to compare was measured by a generator that was too busy', () => {
    const cells = [cell('bellhop', 1, 4), cell('nginx', 1, 10, { invalid: 'the load used 90 % of a core' })];
    expect(judge(cells, [GOAL])[0]).toMatchObject({ ratio: 0.4, isValid: false });
  });
});

describe('cellsOf', () => {
  it('leaves invalid cells out as long as there is a valid one', () => {
    const bad = cell('nginx', 1, 1, { invalid: 'busy' });
    const good = cell('nginx', 2, 2);
    expect(cellsOf([bad, good], 'broadcast', 'nginx')).toEqual([good]);
    expect(cellsOf([bad], 'broadcast', 'nginx')).toEqual([bad]);
  });
});
