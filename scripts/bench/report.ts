/** What a run says: the tables of stdout and of docs/benchmarks.md, and the charts. Owns: their words. Pure. */
import type { Cell } from './cell.ts';
import { barChart, figure } from './charts.ts';
import type { Machine } from './machine.ts';
import { cellsOf, judge, MEASURES, type Measure, medianOf, type Verdict } from './summary.ts';
import type { System, SystemId } from './systems.ts';
import type { Workload, WorkloadId } from './workloads.ts';

export interface Run {
  readonly date: string;
  readonly machine: Machine;
  readonly systems: readonly System[];
  readonly workloads: readonly Workload[];
  readonly cells: readonly Cell[];
  /** What was left out, and why. */
  readonly leftOut: readonly string[];
}

interface Column {
  readonly title: string;
  readonly of: Measure;
  readonly scale?: number;
}

const CPU: Column = { title: 'CPU µs/delivery', of: MEASURES.cpu };
const RATE: Column = { title: 'deliveries/s', of: MEASURES.rate };
const LATENCY: readonly Column[] = [
  { title: 'p50 ms', of: MEASURES.p50 },
  { title: 'p99 ms', of: MEASURES.p99 },
  { title: 'p99.9 ms', of: MEASURES.p999 },
];
const MEMORY: Column = { title: 'RSS KB/client', of: MEASURES.rss, scale: 1 / 1_024 };
const CONNECTS: readonly Column[] = [
  { title: 'connects/s', of: MEASURES.connects },
  { title: 'CPU µs/connect', of: MEASURES.connectCpu },
];

/** What a chart of each workload shows. */
const CHARTED: Readonly<Record<WorkloadId, Column>> = {
  broadcast: CPU,
  rooms: CPU,
  saturation: RATE,
  echo: CPU,
  idle: MEMORY,
  connect: { title: 'connects/s', of: MEASURES.connects },
};

function columnsOf(workload: WorkloadId): readonly Column[] {
  if (workload === 'idle') return [MEMORY, ...CONNECTS];
  if (workload === 'connect') return [...CONNECTS, MEMORY];
  return [CPU, RATE, ...LATENCY, MEMORY];
}

/** One workload's table: titles, then a row for each system that was measured. */
function tableOf(run: Run, workload: Workload): string[][] {
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

/** For the terminal. */
export function plainReport(run: Run): string {
  const parts = run.workloads.map((workload) => {
    const table = tableOf(run, workload);
    const widths = (table[0] ?? []).map((_, i) => Math.max(...table.map((row) => row[i]?.length ?? 0)));
    const lines = table.map((row) =>
      row
        .map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    );
    return `${workload.id}: ${workload.says}\n${lines.join('\n')}\n`;
  });
  const verdicts = measured(run).map((verdict) => `${verdictCells(run, verdict).join('  ')}\n`);
  const left = run.leftOut.map((why) => `left out: ${why}\n`);
  return `${parts.join('\n')}\n${verdicts.join('')}${left.join('')}load generator: ${run.machine.loadGenerator}\n`;
}

/** Charts by file name, of the workloads that were measured. */
export function charts(run: Run): Map<string, string> {
  const made = new Map<string, string>();
  for (const workload of run.workloads) {
    const { title, of, scale = 1 } = CHARTED[workload.id];
    const bars = run.systems.flatMap(({ id, name }) => {
      const value = medianOf(cellsOf(run.cells, workload.id, id), of);
      return value === undefined ? [] : [{ label: name, value: value * scale, isOwn: id === 'bellhop' }];
    });
    if (bars.length > 0) made.set(`${workload.id}.svg`, barChart(`${workload.id}: ${title}`, workload.says, bars));
  }
  return made;
}

/** docs/benchmarks.md. `folder` is where the charts lie, as seen from it. */
export function markdownReport(run: Run, folder: string): string {
  const { machine, date } = run;
  const rounds = Math.max(0, ...run.cells.map(({ round }) => round));
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const verdicts = measured(run);
  const missed = verdicts.filter(({ isReached }) => !isReached);
  const sections = run.workloads.map((workload) => {
    const chart = CHARTED[workload.id];
    return `## ${workload.id}\n\n${workload.says}.\n\n![${chart.title}](${folder}/${workload.id}.svg)\n\n${grid(tableOf(run, workload))}\n`;
  });
  return [
    '# Benchmarks',
    '',
    '<!-- Made by `npm run bench`; edits are lost. -->',
    '',
    `Measured on ${date}: ${machine.processor}, ${machine.cores} cores, ${machine.memoryGb} GB, Linux ${machine.kernel}.`,
    `${versions.join(' · ')}. Load generator: ${machine.loadGenerator}.`,
    '',
    'Absolute times belong to this machine; what carries over is the ratio between systems measured in the same run.',
    '',
    '## Reached and missed',
    '',
    grid([
      ['workload', 'measure', 'compared with', 'goal', 'measured', ''],
      ...verdicts.map((one) => verdictCells(run, one)),
    ]),
    '',
    missed.length === 0
      ? 'Every goal that was measured is reached.'
      : `${missed.length} of ${verdicts.length} goals are missed; they stand above as they were measured.`,
    '',
    ...losses(run),
    ...sections,
    '## Method',
    '',
    `- ${rounds} ${rounds === 1 ? 'round' : 'rounds'}; within a round every system meets a workload one after another, so that a slow minute`,
    '  of the machine meets all alike. A table shows medians; a goal compares ratios within each round and takes their median.',
    '- CPU is user and system time of _all_ server processes (Redis, proxies and their children too) from /proc, from the first',
    '  measured message until the last delivery, divided by the deliveries. The load generator is a process of its own and not in it.',
    '- Latency runs from when a message was due (less one tick of the generator, 0.5 ms, in saturation 2 ms) to when the generator',
    '  read it, of every single delivery.',
    '- Deliveries/s are those within the measured seconds. What is late is waited for, up to 15 s, and counts for completeness: every',
    '  client must get every message of its room exactly once.',
    '- Memory is what the resident size of all server processes grew by from before the first client to when all were connected',
    '  (where there is traffic: and warm). Sockets’ buffers in the kernel are not in it.',
    '- A connect counts when the client is in its room: for Bellhop with its `welcome`, for Socket.IO with its namespace, for the',
    '  others with the 101.',
    '- A cell in which the load generator used more than 80 % of a core is invalid and said to be; `noisy` are cells during which',
    '  more than 0.3 cores went to neither servers nor load.',
    '- Every system runs without compression, Bellhop’s processes with `--optimize-for-size`, as in its image. The peers and their',
    '  settings are in `scripts/bench/peers`.',
    '',
    '## What this does not show',
    '',
    '- Bellhop does more for each message than the bare servers (it numbers them, knows who is present, and tells who joins), and',
    '  sends more bytes: its envelope names sender, session and number. The peers send the bare 128 bytes (Socket.IO with its prefix).',
    '- One machine: no network between the parts, where fewer and larger packets count for more.',
    '- Rooms are `relay`: nothing is written to Redis for a message.',
    ...run.leftOut.map((why) => `- Left out: ${why}.`),
    '',
    'Again: `npm run bench` (about 50 minutes), `npm run bench -- --quick` (two), `npm run bench -- placement`.',
    '',
  ].join('\n');
}

/** Where a peer is better than Bellhop, said before all tables. */
function losses(run: Run): string[] {
  const lines = run.workloads.flatMap((workload) => {
    const { title, of } = CHARTED[workload.id];
    const isMoreBetter = of === MEASURES.rate || of === MEASURES.connects;
    const value = (id: SystemId) => medianOf(cellsOf(run.cells, workload.id, id), of);
    const own = value('bellhop');
    if (own === undefined) return [];
    const better = run.systems.filter(({ id }) => {
      const its = value(id);
      return id !== 'bellhop' && its !== undefined && (isMoreBetter ? its > own : its < own);
    });
    if (better.length === 0) return [];
    const named = better.map(({ id, name }) => `${name} (${figure((value(id) ?? 0) / own)}×)`);
    return [`- **${workload.id}**, ${title}: ${named.join('; ')}.`];
  });
  return lines.length === 0 ? [] : ['Where others are better than Bellhop:', '', ...lines, ''];
}

function measured(run: Run): Verdict[] {
  return judge(run.cells).filter(({ ratio }) => ratio !== undefined);
}

function verdictCells(run: Run, { goal, ratio, isReached, isValid }: Verdict): string[] {
  const bound = goal.atMost === undefined ? `≥ ${goal.atLeast}×` : `≤ ${goal.atMost}×`;
  const than = run.systems.find(({ id }) => id === goal.than)?.name ?? goal.than;
  const word = `${isReached ? 'reached' : 'missed'}${isValid ? '' : ' (load too busy)'}`;
  return [goal.workload, goal.says, than, bound, `${ratio?.toFixed(ratio < 0.1 ? 3 : 2) ?? '–'}×`, word];
}

function grid(table: readonly (readonly string[])[]): string {
  const [titles = [], ...rows] = table;
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = titles.map((_, i) => (i === 0 ? '---' : '---:'));
  return [line(titles), line(rule), ...rows.map(line)].join('\n');
}
