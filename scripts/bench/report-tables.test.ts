import { describe, expect, it } from 'vitest';
import { GOALS_OF_ALL, type PartResult } from './part.ts';
import { countGoals, goalsTable, type Run } from './report-tables.ts';
import { GOALS } from './summary.ts';

const MACHINE = { processor: 'p', cores: 2, memoryGb: 1, kernel: 'k', loadGenerator: 'l', versions: {} };
const EMPTY: Run = {
  date: '2000-01-01',
  machine: MACHINE,
  systems: [],
  workloads: [],
  cells: [],
  parts: [],
  leftOut: [],
};

function stalled(isReached: boolean, isValid: boolean): PartResult {
  const goals = [{ ...GOALS_OF_ALL.stalled, measured: '1.30×', isReached, isValid }];
  return { part: 'stalled', date: '2000-01-01', says: '', table: [], goals, notes: [], numbers: {} };
}

describe('goalsTable', () => {
  it('names every goal also where nothing was measured, and counts none as reached', () => {
    const table = goalsTable(EMPTY);
    expect(table.length - 1).toBe(GOALS.length + Object.keys(GOALS_OF_ALL).length);
    expect(new Set(table.slice(1).map((row) => row.at(-1)))).toEqual(new Set(['not measured']));
    expect(countGoals(table)).toEqual({ measured: 0, missed: 0 });
  });

  it('shows what a part missed once, in place of its goal', () => {
    const table = goalsTable({ ...EMPTY, parts: [stalled(false, true)] });
    expect(table.filter(([part]) => part === 'stalled')).toEqual([
      ['stalled', GOALS_OF_ALL.stalled.says, 'none stalled', '≤ 1.2×', '1.30×', 'missed'],
    ]);
    expect(countGoals(table)).toEqual({ measured: 1, missed: 1 });
  });

  it('says when the load generator was too busy to be believed', () => {
    const table = goalsTable({ ...EMPTY, parts: [stalled(true, false)] });
    expect(table.find(([part]) => part === 'stalled')?.at(-1)).toBe('reached (load too busy)');
  });
});
