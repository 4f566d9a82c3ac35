/** Which charts a run has. Owns: what each shows and its file's name. Does not know: how a chart is drawn. Pure. */
import { barChart } from './charts.ts';
import { CONNECTS, type Column, CPU, MEMORY, P99, RATE, type Run } from './report-tables.ts';
import { cellsOf, medianOf } from './summary.ts';
import type { WorkloadId } from './workloads.ts';

export interface ChartOf {
  readonly workload: WorkloadId;
  readonly file: string;
  readonly title: string;
  readonly column: Column;
  readonly isMoreBetter: boolean;
  readonly isLog: boolean;
}

function chart(workload: WorkloadId, title: string, column: Column, more: Partial<ChartOf> = {}): ChartOf {
  return { workload, file: `${workload}.svg`, title, column, isMoreBetter: false, isLog: false, ...more };
}

const [JOINS = RATE] = CONNECTS;

export const CHARTS: readonly ChartOf[] = [
  chart('broadcast', 'CPU per delivery, µs', CPU),
  chart('rooms', 'CPU per delivery, µs', CPU),
  chart('saturation', 'deliveries/s', RATE, { isMoreBetter: true }),
  chart('saturation', 'p99 latency, ms', P99, { file: 'saturation-p99.svg', isLog: true }),
  chart('saturation-600k', 'deliveries/s', RATE, { isMoreBetter: true }),
  chart('echo', 'CPU per message, µs', CPU),
  chart('idle', 'memory per idle client, KB', MEMORY),
  chart('connect', 'connects/s', JOINS, { isMoreBetter: true }),
];

/** Charts by file name, of the workloads that were measured. */
export function charts(run: Run): Map<string, string> {
  const made = new Map<string, string>();
  for (const { workload, file, title, column, isMoreBetter, isLog } of CHARTS) {
    const says = run.workloads.find(({ id }) => id === workload)?.says;
    if (says === undefined) continue;
    const bars = run.systems.flatMap(({ id, name }) => {
      const value = medianOf(cellsOf(run.cells, workload, id), column.of);
      return value === undefined ? [] : [{ label: name, value: value * (column.scale ?? 1), isOwn: id === 'bellhop' }];
    });
    const hint = `${isMoreBetter ? 'more' : 'less'} is better${isLog ? '; logarithmic' : ''}`;
    if (bars.length > 0) made.set(file, barChart({ title: `${workload}: ${title} (${hint})`, says, bars, isLog }));
  }
  return made;
}
