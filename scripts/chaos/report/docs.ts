/** docs/evidence.md and its charts from saved parts. Owns: the page. Does not know: where it is written. Pure. */
import { barChart, figure } from '../../bench/charts.ts';
import { brokenPromises, limitValue, type PartResult, type Series } from '../part.ts';
import { lossesOf, ruleOfThree } from './losses.ts';
import { spreadOf, tally } from './text.ts';

export interface Host {
  readonly processor: string;
  readonly cores: number;
  readonly node: string;
  readonly version: string;
}

/** Files by their path below docs/. */
export function evidencePages(results: readonly PartResult[], host: Host): Map<string, string> {
  const pages = new Map<string, string>([['evidence.md', page(results, host)]]);
  for (const [file, chart] of charts(results)) pages.set(`evidence/${file}`, chart);
  return pages;
}

function page(results: readonly PartResult[], host: Host): string {
  const trials = results.flatMap(({ series }) => series).reduce((sum, one) => sum + one.trials, 0);
  const broken = results.flatMap((result) => brokenPromises(result).map((text) => `${result.part}: ${text}`));
  return `${[
    '# Evidence',
    '',
    '<!-- Written by `npm run chaos -- --docs` from the parts of a run. -->',
    '',
    `Faults on real processes under load: ${trials} trials. A cluster, its Redis and its clients share one machine (${host.processor}, ${host.cores} cores; Node.js ${host.node}; Bellhop ${host.version}).`,
    'Every publish, ack, delivery, reset, join, leave and closed socket is written down, and a checker that knows nothing of the run judges the',
    'history afterwards, together with the logs and the presence that the HTTP API gives at the end ([its rules](#what-is-checked)).',
    '',
    '**Zero failures in n trials bounds the rate near 3/n** (95 % confidence): the column "bound" says so for each row.',
    '',
    broken.length === 0 ? 'Every promise was kept.' : `**Broken**: ${broken.join('; ')}.`,
    '',
    ...summary(results),
    '',
    '## How long rooms were away',
    '',
    '![Unavailability per fault](evidence/unavailability.svg)',
    '',
    ...times(results),
    '',
    ...reached(results),
    ...results.flatMap(details),
    ...RULES,
  ].join('\n')}\n`;
}

function summary(results: readonly PartResult[]): string[] {
  const rows = results.map((result) => {
    const { series, counts, roomClass } = result;
    const { lost, doubled, closed, late, disordered } = lossesOf(result);
    const trials = series.reduce((sum, one) => sum + one.trials, 0);
    const isSound = brokenPromises(result).length === 0;
    return row([
      series.map((one) => `${one.trials} × ${one.says}`).join('; '),
      roomClass,
      figureOf(counts.published),
      `${figureOf(counts.ok)} / ${figureOf(sum(counts.failed))} / ${figureOf(sum(counts.unknown))}`,
      figureOf(lost),
      figureOf(doubled),
      figureOf(disordered),
      figureOf(closed),
      figureOf(late),
      tally(counts.resets),
      isSound ? ruleOfThree(trials) : '–',
    ]);
  });
  return [
    row([
      'fault',
      'rooms',
      'publishes',
      'ok / refused / unknown',
      'lost',
      'doubled',
      'out of order',
      'sockets closed',
      'late output',
      'resets',
      'bound',
    ]),
    row(Array.from({ length: 11 }, () => '---')),
    ...rows,
  ];
}

function times(results: readonly PartResult[]): string[] {
  const rows = results.flatMap(({ part, series }) =>
    series.map((one) =>
      row([
        `\`${part}\` ${one.nemesis}`,
        figureOf(one.trials),
        figureOf(one.rooms),
        figureOf(one.unanswered),
        spreadOf(one.unavailableMs),
        one.slowestMs.count === 0 ? '–' : spreadOf(one.slowestMs),
        one.measures,
      ]),
    ),
  );
  return [
    row([
      'fault',
      'trials',
      'rooms',
      'unanswered',
      'ms: p50 / p95 / p99 / max',
      'slowest publish around it, ms',
      'from → to',
    ]),
    row(Array.from({ length: 7 }, () => '---')),
    ...rows,
  ];
}

function reached(results: readonly PartResult[]): string[] {
  const rows = results.flatMap(({ part, limits, series }) =>
    limits.map((limit) => {
      const value = limitValue(limit, series);
      const verdict = value === undefined ? 'not measured' : value <= limit.atMostMs ? 'reached' : '**missed**';
      return row([
        `\`${part}\` ${limit.nemesis}`,
        limit.figure,
        `≤ ${limit.atMostMs} ms`,
        `${figure(value)} ms`,
        verdict,
      ]);
    }),
  );
  if (rows.length === 0) return [];
  return [
    '## Numbers to reach',
    '',
    row(['fault', 'figure', 'reach', 'measured', '']),
    row(['---', '---', '---', '---', '---']),
    ...rows,
    '',
  ];
}

function details(result: PartResult): string[] {
  const { part, says, shape, roomClass, series, counts, seed, starved, tookMs, findings } = result;
  const figures = series.flatMap(({ figures: own }) => Object.entries(own).map(([name, value]) => `${name} ${value}`));
  return [
    `## ${part}`,
    '',
    `${says}. ${shape.nodes} nodes, ${shape.routers} routers, ${shape.rooms} ${roomClass} rooms, ${shape.clients} clients, ${shape.rate} publishes and ${shape.signals} signals a second; ${Math.round(tookMs / 1_000)} s.`,
    `${figureOf(counts.delivered)} deliveries checked; ${figureOf(counts.sentAgain)} publishes said again after a resume; ${figureOf(counts.closedByFault)} sockets lost with their router, ${figureOf(counts.resumes)} seats resumed${counts.emits > 0 ? `; ${figureOf(counts.emits)} frames of gated output seen on links` : ''}.`,
    ...(counts.lostAndTold > 0
      ? [
          `Redis lost ${figureOf(counts.lostAndTold)} acked publishes, each told as a reset to everyone who had heard it.`,
        ]
      : []),
    ...(counts.belowLog > 0
      ? [
          `${figureOf(counts.belowLog)} acked publishes lie below the oldest entry of their log: trimmed, or gone with what Redis lost and no owner remembered. Whoever resumes from there is told so by a reset.`,
        ]
      : []),
    ...(starved > 0
      ? [`${starved} nodes were certified without a fault: the machine stood still for longer than they may.`]
      : []),
    ...series.flatMap(({ nemesis, pausesMs }) =>
      pausesMs === undefined
        ? []
        : [
            `\`${nemesis}\`: ${figureOf(pausesMs.count)} rooms stood still for ${spreadOf(pausesMs)} ms (p50 / p95 / p99 / max) by their nodes' own measure: from the owner's taking no more to the first publish that waited being logged at the next.`,
          ],
    ),
    ...(figures.length > 0 ? [`Also measured: ${figures.join(', ')}.`] : []),
    ...findings.slice(0, 10).map(({ rule, room, place, text }) => `- **${rule}** in \`${room}\` at ${place}: ${text}`),
    '',
    '```sh',
    `npm run chaos -- --parts ${part} --seed ${seed} --class ${roomClass}`,
    '```',
    '',
  ];
}

const RULES = [
  '## What is checked',
  '',
  '- What was acked is in the log at the acked seq; what Redis itself lost was told as a `reset` to everyone who had heard it.',
  '- A log is 1 … head without a gap, without a repeat, each sender in order; what was heard is in it, what was refused is not.',
  '- Each client hears a contiguous run between resets, nothing twice, each sender in order, and never a lower epoch after a higher one; one seq of one tag is one message for all.',
  '- No client’s socket closes but by its router’s fault; a session that comes back was never said to have left; it stays the same session.',
  '- At the end presence is what is seated, every publish has an outcome, and nobody is behind.',
  '- No incarnation emits gated output of a room after a higher epoch of it was seen (frames are stamped on a link; processes of one host share the clock).',
  '- No process ends but by what was done to it.',
  '',
  'Each rule is tested on a history with a planted error (`scripts/chaos/checker/check.test.ts`). Relay rooms are held to all of it but the log.',
];

function charts(results: readonly PartResult[]): Map<string, string> {
  const all: { readonly part: string; readonly one: Series }[] = results.flatMap(({ part, series }) =>
    series.filter(({ unavailableMs }) => unavailableMs.count > 0).map((one) => ({ part, one })),
  );
  if (all.length === 0) return new Map();
  const bars = all.flatMap(({ part, one }) => [
    { label: `${part}: ${one.nemesis}, p50`, value: one.unavailableMs.p50, isOwn: false },
    { label: 'p99', value: one.unavailableMs.p99, isOwn: true },
  ]);
  const title = 'Unavailability by fault, ms (less is better; logarithmic)';
  return new Map([
    ['unavailability.svg', barChart({ title, says: 'per room; per client where routers die', bars, isLog: true })],
  ]);
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

function figureOf(value: number): string {
  return value.toLocaleString('en-US');
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
