/** The report for a terminal. Owns: its lines. Does not know: how the figures came about. Pure. */
import { figure } from '../../bench/charts.ts';
import { brokenPromises, limitValue, type PartResult, type Series } from '../part.ts';
import type { Spread } from '../spread.ts';
import { lossesOf } from './losses.ts';

/** A part, whole. */
export function textOf(result: PartResult): string {
  const { part, says, seed, shape, roomClass, series, counts, findings, starved, limits, tookMs } = result;
  const broken = brokenPromises(result);
  const { lost, doubled, disordered, closed } = lossesOf(result);
  return [
    `${part}: ${says}`,
    `  ${shape.nodes} nodes, ${shape.routers} routers, ${shape.rooms} ${roomClass} rooms, ${shape.clients} clients, ${shape.rate} publishes/s; seed ${seed}; ${Math.round(tookMs / 1_000)} s`,
    ...series.flatMap(seriesLines),
    `  published ${counts.published}: ok ${counts.ok}, refused ${tally(counts.failed)}, unknown ${tally(counts.unknown)}; said again ${counts.sentAgain}; delivered ${counts.delivered}`,
    `  lost ${lost}, doubled ${doubled}, out of order ${disordered}, sockets closed ${closed} (by a router's fault ${counts.closedByFault}, resumed ${counts.resumes}); resets ${tally(counts.resets)}`,
    ...(counts.lostAndTold > 0 ? [`  lost with Redis and told ${counts.lostAndTold}`] : []),
    ...(counts.belowLog > 0 ? [`  acked, below the oldest entry of its log ${counts.belowLog}`] : []),
    ...(counts.emits > 0 ? [`  frames of gated output seen on links ${counts.emits}`] : []),
    ...(starved > 0 ? [`  nodes certified without a fault: the machine stood still ${starved} times`] : []),
    ...limits.map((limit) => {
      const value = limitValue(limit, series);
      const verdict = value === undefined ? 'not measured' : value <= limit.atMostMs ? 'reached' : 'MISSED';
      return `  ${limit.nemesis}, ${limit.figure} ≤ ${limit.atMostMs} ms: ${figure(value)} ms, ${verdict}`;
    }),
    ...findings.slice(0, 20).map(({ rule, room, place, text }) => `  ! ${rule} in ${room || '–'} at ${place}: ${text}`),
    broken.length === 0 ? '  every promise was kept' : `  BROKEN: ${broken.join('; ')}`,
  ].join('\n');
}

function seriesLines(series: Series) {
  const { nemesis, trials, rooms, unanswered, unavailableMs, slowestMs, pausesMs, measures, figures } = series;
  return [
    `  ${trials} × ${nemesis}: ${rooms} rooms, ${unanswered} unanswered; ${spreadOf(unavailableMs)} ms (p50 / p95 / p99 / max; ${measures})`,
    ...(slowestMs.count > 0 ? [`    slowest publish around it, per room: ${spreadOf(slowestMs)} ms`] : []),
    ...(pausesMs === undefined
      ? []
      : [
          `    stood still for a handover, ${pausesMs.count} rooms: ${spreadOf(pausesMs)} ms (owner quiet → logged at the next)`,
        ]),
    ...Object.entries(figures).map(([name, value]) => `    ${name} ${value}`),
  ];
}

export function spreadOf({ p50, p95, p99, max }: Spread): string {
  return [p50, p95, p99, max].map((value) => Math.round(value).toLocaleString('en-US')).join(' / ');
}

/** `3 owner_lost, 1 draining`; 0 for nothing. */
export function tally(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${count} ${name}`);
  return parts.length === 0 ? '0' : parts.join(', ');
}
