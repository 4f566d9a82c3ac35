/** How a chaos run is told. Owns: the figures of a series of faults, the table, and what counts as a broken promise. */
import { type LoadCounts, percentile } from '../scenarios/load.ts';
import type { FaultResult } from './faults.ts';
import type { ChaosOptions } from './options.ts';
import type { StormResult } from './storm.ts';

export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface SeriesReport {
  readonly series: string;
  readonly faults: number;
  readonly rooms: number;
  readonly unanswered: number;
  readonly firstMs: Spread;
  readonly silentMs: Spread;
  readonly slowestMs: Spread;
  readonly tookMs: Spread;
  readonly wrong: readonly string[];
}

export interface ChaosReport {
  readonly options: ChaosOptions;
  readonly series: readonly SeriesReport[];
  /** How long everything took to work again after each fault of a storm. */
  readonly storm: { readonly faults: number; readonly healMs: Spread } | undefined;
  readonly load: LoadCounts;
  readonly crashed: readonly string[];
  readonly broken: readonly string[];
}

export function seriesOf(series: string, faults: readonly FaultResult[]): SeriesReport {
  return {
    series,
    faults: faults.length,
    rooms: faults.reduce((sum, { rooms }) => sum + rooms, 0),
    unanswered: faults.reduce((sum, { unanswered }) => sum + unanswered, 0),
    firstMs: spread(faults.flatMap(({ firstMs }) => firstMs)),
    silentMs: spread(faults.flatMap(({ silentMs }) => silentMs)),
    slowestMs: spread(faults.flatMap(({ slowestMs }) => slowestMs)),
    tookMs: spread(faults.map(({ tookMs }) => tookMs)),
    wrong: faults.flatMap(({ wrong }) => wrong ?? []),
  };
}

export function reportOf(
  options: ChaosOptions,
  series: readonly SeriesReport[],
  load: LoadCounts,
  crashed: readonly string[],
  stormy: StormResult | undefined,
): ChaosReport {
  const broken = [
    ...series.flatMap(({ series: name, unanswered }) =>
      unanswered > 0 ? [`${name}: ${unanswered} rooms unanswered`] : [],
    ),
    ...series.flatMap(({ wrong }) => wrong),
    ...(stormy?.broken ?? []),
    ...(stormy === undefined && load.socketsClosed > 0 ? [`${load.socketsClosed} client sockets closed`] : []),
    ...(load.lost > 0 ? [`${load.lost} messages lost`] : []),
    ...(load.doubled > 0 ? [`${load.doubled} messages doubled`] : []),
    ...(load.pending > 0 ? [`${load.pending} publishes without an outcome`] : []),
    ...(load.violations.length > 0 ? [`${load.violations.length} contradictions`] : []),
    ...crashed.map((name) => `${name} crashed`),
  ];
  const storm = stormy && { faults: stormy.faults, healMs: spread(stormy.healMs) };
  return { options, series, storm, load, crashed, broken };
}

/** The report for people. */
export function tableOf(report: ChaosReport): string {
  const { options, series, load, broken } = report;
  const head = [
    'series',
    'faults',
    'rooms',
    'unanswered',
    'first message',
    'silence',
    'slowest publish',
    'whole fault',
  ];
  const rows = series.map((one) => [
    one.series,
    String(one.faults),
    String(one.rooms),
    String(one.unanswered),
    ...[one.firstMs, one.silentMs, one.slowestMs, one.tookMs].map(({ p50, p99, max }) => `${p50} / ${p99} / ${max}`),
  ]);
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  const refused = Object.entries(load.refused).map(([code, count]) => `${count} ${code}`);
  return [
    `${options.rooms} rooms, ${options.clients} clients, ${options.rate} publishes/s, ${options.nodes} nodes, ${options.routers} routers; deaths ${options.proof ? 'proved' : 'by patience'}; times in ms, p50 / p99 / max`,
    '',
    line(head),
    line(widths.map((width) => '-'.repeat(width))),
    ...rows.map(line),
    '',
    `published ${load.published}: acked ${load.acked}, refused ${refused.join(', ') || 0}, without an outcome ${load.pending}`,
    ...(report.storm === undefined ? [] : [stormLine(report.storm, load)]),
    `client sockets closed ${load.socketsClosed}, lost ${load.lost}, doubled ${load.doubled}, resets ${load.resets}`,
    ...load.violations.slice(0, 10),
    broken.length === 0 ? 'every promise was kept' : `BROKEN: ${broken.join('; ')}`,
  ].join('\n');
}

function stormLine({ faults, healMs }: { readonly faults: number; readonly healMs: Spread }, load: LoadCounts): string {
  const { p50, p99, max } = healMs;
  return `storm of ${faults} faults, healed after ${p50} / ${p99} / ${max}; clients came back ${load.resumes} times`;
}

function spread(values: readonly number[]): Spread {
  return {
    p50: Math.round(percentile(values, 0.5)),
    p99: Math.round(percentile(values, 0.99)),
    max: Math.round(Math.max(0, ...values)),
  };
}
