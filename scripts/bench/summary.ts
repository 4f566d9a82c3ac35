/** From cells to what is said about them. Owns: medians, ratios within a round, and what was to be reached. Pure.
 *  Invariant: a ratio compares cells of one round, which ran minutes apart on one machine; absolute times of two rounds are never
 *  compared. */
import type { Cell } from './cell.ts';
import type { SystemId } from './systems.ts';
import type { WorkloadId } from './workloads.ts';

/** A number of a cell; undefined where the cell has none. */
export type Measure = (cell: Cell) => number | undefined;

export const MEASURES = {
  cpu: (cell) => cell.cpuPerDeliveryUs ?? undefined,
  rate: (cell) => cell.deliveriesPerSecond,
  p50: (cell) => (cell.result.p50Ms < 0 ? undefined : cell.result.p50Ms),
  p99: (cell) => (cell.result.p99Ms < 0 ? undefined : cell.result.p99Ms),
  p999: (cell) => (cell.result.p999Ms < 0 ? undefined : cell.result.p999Ms),
  rss: (cell) => cell.rssPerClientBytes,
  connects: (cell) => cell.connectsPerSecond,
  connectCpu: (cell) => cell.cpuPerConnectUs,
  load: (cell) => cell.loadCores,
  other: (cell) => cell.otherCores,
} as const satisfies Record<string, Measure>;

export interface Goal {
  readonly workload: WorkloadId;
  readonly says: string;
  readonly measure: keyof typeof MEASURES;
  readonly than: SystemId;
  readonly atMost?: number;
  readonly atLeast?: number;
}

const CPU = 'CPU per delivery';

/** What Bellhop is meant to reach, as ratios to a peer in the same round. */
export const GOALS: readonly Goal[] = [
  { workload: 'broadcast', says: CPU, measure: 'cpu', than: 'nginx', atMost: 0.45 },
  { workload: 'broadcast', says: CPU, measure: 'cpu', than: 'socketio', atMost: 0.6 },
  { workload: 'broadcast', says: CPU, measure: 'cpu', than: 'floor', atMost: 1.2 },
  { workload: 'rooms', says: CPU, measure: 'cpu', than: 'nginx', atMost: 0.7 },
  { workload: 'saturation', says: 'p99 latency', measure: 'p99', than: 'nginx', atMost: 0.1 },
  { workload: 'saturation', says: 'p99 latency', measure: 'p99', than: 'socketio', atMost: 0.1 },
  { workload: 'saturation-600k', says: 'deliveries/s', measure: 'rate', than: 'nginx', atLeast: 2.2 },
  { workload: 'saturation-600k', says: 'deliveries/s', measure: 'rate', than: 'socketio', atLeast: 2.5 },
  { workload: 'echo', says: 'CPU per message', measure: 'cpu', than: 'nginx', atMost: 1 },
  { workload: 'echo', says: 'CPU per message', measure: 'cpu', than: 'http-proxy', atMost: 0.8 },
  { workload: 'idle', says: 'memory per idle client', measure: 'rss', than: 'ws', atMost: 0.9 },
  { workload: 'connect', says: 'connects/s', measure: 'connects', than: 'http-proxy', atLeast: 1.2 },
];

export interface Verdict {
  readonly goal: Goal;
  /** Median of the rounds' ratios; undefined where a side was not measured. */
  readonly ratio: number | undefined;
  readonly isReached: boolean;
  /** A side that does not count: its load generator was too busy in every round. */
  readonly isValid: boolean;
}

export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  const lower = sorted[middle - 1];
  if (upper === undefined) return undefined;
  return sorted.length % 2 === 1 || lower === undefined ? upper : (lower + upper) / 2;
}

/** Cells of one system under one workload: the valid ones, or all where none is valid. */
export function cellsOf(cells: readonly Cell[], workload: WorkloadId, system: SystemId): Cell[] {
  const own = cells.filter((cell) => cell.workload === workload && cell.system === system);
  const valid = own.filter((cell) => cell.invalid === undefined);
  return valid.length > 0 ? valid : own;
}

export function medianOf(cells: readonly Cell[], measure: Measure): number | undefined {
  return median(cells.map(measure).filter((value) => value !== undefined));
}

export function judge(cells: readonly Cell[], goals: readonly Goal[] = GOALS): Verdict[] {
  return goals.map((goal) => {
    const measure: Measure = MEASURES[goal.measure];
    const own = cellsOf(cells, goal.workload, 'bellhop');
    const theirs = cellsOf(cells, goal.workload, goal.than);
    const ratios = own.flatMap((cell) => {
      const other = theirs.find(({ round }) => round === cell.round);
      const mine = measure(cell);
      const its = other === undefined ? undefined : measure(other);
      return mine === undefined || its === undefined || its <= 0 ? [] : [mine / its];
    });
    const ratio = median(ratios);
    const isReached = ratio !== undefined && ratio <= (goal.atMost ?? Infinity) && ratio >= (goal.atLeast ?? -Infinity);
    return { goal, ratio, isReached, isValid: [...own, ...theirs].every((cell) => cell.invalid === undefined) };
  });
}
