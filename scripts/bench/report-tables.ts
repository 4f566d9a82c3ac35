/** The tables of a run. Owns: their rows, columns and words. Does not know: how a table is drawn. Pure. */
import type { Cell } from './cell.ts';
import { figure } from './charts.ts';
import type { Machine } from './machine.ts';
import { GOALS_OF_ALL, type PartGoal, type PartResult } from './part.ts';
import { cellsOf, judge, MEASURES, type Measure, medianOf, type Verdict } from './summary.ts';
import { SYSTEMS, type System } from './systems.ts';
import type { Workload, WorkloadId } from './workloads.ts';

export interface Run {
  readonly date: string;
  readonly machine: Machine;
  readonly systems: readonly System[];
  readonly workloads: readonly Workload[];
  readonly cells: readonly Cell[];
  /** Experiments with Bellhop alone, as each was last measured. */
  readonly parts: readonly PartResult[];
  /** What was left out, and why. */
  readonly leftOut: readonly string[];
}

export interface Column {
  readonly title: string;
  readonly of: Measure;
  readonly scale?: number;
}

export const CPU: Column = { title: 'CPU µs/delivery', of: MEASURES.cpu };
export const RATE: Column = { title: 'deliveries/s', of: MEASURES.rate };
export const P99: Column = { title: 'p99 ms', of: MEASURES.p99 };
const LATENCY: readonly Column[] = [
  { title: 'p50 ms', of: MEASURES.p50 },
  P99,
  { title: 'p99.9 ms', of: MEASURES.p999 },
];
export const MEMORY: Column = { title: 'RSS KB/client', of: MEASURES.rss, scale: 1 / 1_024 };
export const CONNECTS: readonly Column[] = [
  { title: 'connects/s', of: MEASURES.connects },
  { title: 'CPU µs/connect', of: MEASURES.connectCpu },
];

function columnsOf(workload: WorkloadId): readonly Column[] {
  if (workload === 'idle') return [MEMORY, ...CONNECTS];
  if (workload === 'connect') return [...CONNECTS, MEMORY];
  return [CPU, RATE, ...LATENCY, MEMORY];
}

/** One workload's table: titles, then a row for each system that was measured. */
export function tableOf(run: Run, workload: Workload): string[][] {
  const columns = columnsOf(workload.id);
  const hasTraffic = workload.load.rate > 0;
  const titles = ['system', ...columns.map(({ title }) => title), ...(hasTraffic ? ['complete', 'load core'] : []), ''];
  const rows = run.systems.flatMap((system) => {
    const cells = cellsOf(run.cells, workload.id, system.id);
    if (cells.length === 0) return [];
    const values = columns.map(({ of, scale = 1 }) => {
      const value = medianOf(cells, of);
      return figure(value === undefined ? undefined : value * scale);
    });
    const traffic = hasTraffic ? [completeness(cells), figure(medianOf(cells, MEASURES.load))] : [];
    return [[system.name, ...values, ...traffic, remark(cells)]];
  });
  return [titles, ...rows];
}

function completeness(cells: readonly Cell[]): string {
  if (cells.every(({ isComplete }) => isComplete)) return 'yes';
  const worst = Math.min(
    ...cells.map(({ result }) => result.deliveries / Math.max(1, result.expected + result.unsent)),
  );
  const sum = (of: (cell: Cell) => number): number => cells.reduce((total, cell) => total + of(cell), 0);
  const faults = [
    [sum(({ result }) => result.duplicates), 'twice'],
    [sum(({ result }) => result.foreign), 'foreign'],
    [sum(({ result }) => result.lost), 'clients cut off'],
  ] as const;
  const said = faults.filter(([count]) => count > 0).map(([count, what]) => `, ${count} ${what}`);
  return `${(Math.floor(worst * 1_000) / 10).toFixed(1)} %${said.join('')}`;
}

function remark(cells: readonly Cell[]): string {
  const notes = new Set<string>();
  for (const { invalid, otherCores } of cells) {
    if (invalid !== undefined) notes.add('INVALID (load too busy)');
    if (otherCores > 0.3) notes.add('noisy');
  }
  return [...notes].join(', ');
}

/** Every goal, in the order of the workloads, then those of the parts; one that was not measured says so. */
export function goalsTable(run: Run): string[][] {
  const titles = ['workload', 'measure', 'compared with', 'goal', 'measured', ''];
  const ofCells = judge(run.cells).map(verdictRow);
  const ofParts = run.parts.flatMap(({ part, goals }) => goals.map((goal) => partGoalRow(part, goal)));
  const notMeasured = Object.entries(GOALS_OF_ALL)
    .filter(([part]) => !run.parts.some((result) => result.part === part))
    .map(([part, { says, than, bound }]) => [part, says, than, bound, '–', NOT_MEASURED]);
  return [titles, ...ofCells, ...ofParts, ...notMeasured];
}

const NOT_MEASURED = 'not measured';

/** How many rows of a table of goals were measured, and how many of these missed. */
export function countGoals(table: readonly (readonly string[])[]): { measured: number; missed: number } {
  const words = table.slice(1).map((row) => row.at(-1) ?? '');
  return {
    measured: words.filter((word) => word !== NOT_MEASURED).length,
    missed: words.filter((word) => word.startsWith('missed')).length,
  };
}

function verdictRow({ goal, ratio, isReached, isValid }: Verdict): string[] {
  const bound = goal.atMost === undefined ? `≥ ${goal.atLeast}×` : `≤ ${goal.atMost}×`;
  const than = SYSTEMS.find(({ id }) => id === goal.than)?.name ?? goal.than;
  if (ratio === undefined) return [goal.workload, goal.says, than, bound, '–', NOT_MEASURED];
  return [
    goal.workload,
    goal.says,
    than,
    bound,
    `${ratio.toFixed(ratio < 0.1 ? 3 : 2)}×`,
    verdictWord(isReached, isValid),
  ];
}

export function partGoalRow(part: string, goal: PartGoal): string[] {
  const { says, than, bound, measured, isReached, isValid } = goal;
  return [part, says, than, bound, measured, verdictWord(isReached, isValid)];
}

function verdictWord(isReached: boolean, isValid: boolean): string {
  return `${isReached ? 'reached' : 'missed'}${isValid ? '' : ' (load too busy)'}`;
}
