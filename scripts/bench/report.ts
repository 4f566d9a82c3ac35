/** docs/benchmarks.md. Owns: its words. Pure. */
import { CHARTS } from './chart-set.ts';
import { figure } from './charts.ts';
import { countGoals, goalsTable, type Run, tableOf } from './report-tables.ts';
import { grid, markdownPart } from './report-text.ts';
import { cellsOf, medianOf } from './summary.ts';
import { bellhopFlagsOf, type SystemId } from './systems.ts';

/** docs/benchmarks.md. `folder` is where the charts lie, as seen from it. */
export function markdownReport(run: Run, folder: string): string {
  const { machine, date } = run;
  const rounds = Math.max(0, ...run.cells.map(({ round }) => round));
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const goals = goalsTable(run);
  const { measured, missed } = countGoals(goals);
  const sections = run.workloads.flatMap((workload) => {
    const table = tableOf(run, workload);
    if (table.length < 2) return [];
    const pictures = CHARTS.filter((one) => one.workload === workload.id);
    const links = pictures.map(({ title, file }) => `![${title}](${folder}/${file})`);
    return [`## ${workload.id}\n\n${workload.says}.\n\n${links.join('\n')}\n\n${grid(table)}\n`];
  });
  return [
    '# Benchmarks',
    '',
    '<!-- Made by `npm run bench`; edits are lost. -->',
    '',
    `${run.cells.length === 0 ? 'No workload has been measured yet; this page was made' : 'Measured'} on ${date}: ${machine.processor}, ${machine.cores} cores, ${machine.memoryGb} GB, Linux ${machine.kernel}.`,
    `${versions.join(' · ')}. Load generator: ${machine.loadGenerator}.`,
    '',
    'Absolute times belong to this machine; what carries over is the ratio between systems measured in the same run.',
    '',
    '## Reached and missed',
    '',
    grid(goals),
    '',
    measured === 0
      ? 'Nothing has been measured yet.'
      : missed === 0
        ? `Every goal that was measured is reached: ${measured} of ${goals.length - 1}.`
        : `${missed} of ${measured} goals that were measured are missed; they stand above as they were measured.`,
    '',
    ...losses(run),
    ...sections,
    ...run.parts.map(markdownPart),
    '## Method',
    '',
    `- ${rounds === 0 ? 'Several' : rounds} ${rounds === 1 ? 'round' : 'rounds'}; within a round every system meets a workload one after another, so that a slow minute`,
    '  of the machine meets all alike. A table shows medians; a goal compares ratios within each round and takes their median.',
    '- CPU is user and system time of _all_ server processes (Redis, proxies and their children too) from /proc, from the first',
    '  measured message until the last delivery, divided by the deliveries. The load generator is a process of its own and not in it.',
    '- Latency runs from when a message was due (less one tick of the generator, 0.5 ms, in saturation 2 ms) to when the generator',
    '  read it, of every single delivery.',
    '- Deliveries/s are those within the measured seconds. What is late is waited for, up to 15 s, and counts for completeness: every',
    '  client must get every message of its room exactly once.',
    '- Saturation is offered twice. At 300,000 deliveries/s some deliver all, which says what lateness the others have but not how',
    '  much the first could carry: p99 is compared there, deliveries/s at 600,000, in `saturation-600k`, where what is late is waited',
    '  for up to 30 s. What a client’s queue in the generator did not hold was never sent, and is told as not complete.',
    '- Memory is what the resident size of all server processes grew by from before the first client to when all were connected',
    '  (where there is traffic: and warm). Sockets’ buffers in the kernel are not in it.',
    '- A connect counts when the client is in its room: for Bellhop with its `welcome`, for Socket.IO with its namespace, for the',
    '  others with the 101.',
    '- A cell in which the load generator used more than 80 % of a core is invalid and said to be, and the same holds for the parts',
    '  below; `noisy` are cells during which more than 0.3 cores went to neither servers nor load.',
    `- Every system runs without compression. Flags of Node’s for Bellhop’s routers: \`${flags('router')}\`, nodes: \`${flags('node')}\`.`,
    '  Under the workloads where they matter a bare `ws` server runs with the router’s flags as well. The peers and their settings',
    '  are in `scripts/bench/peers`.',
    '',
    '## What this does not show',
    '',
    '- Bellhop does more for each message than the bare servers (it numbers them, knows who is present, and tells who joins), and',
    '  sends more bytes: its envelope names sender, session and number. The peers send the bare 128 bytes (Socket.IO with its prefix).',
    '- One machine: no network between the parts, where fewer and larger packets count for more.',
    '- Rooms are `relay`: nothing is written to Redis for a message.',
    ...run.leftOut.map((why) => `- Left out: ${why}.`),
    '',
    'Again: `npm run bench` (about an hour), `npm run bench -- --quick` (two minutes); the parts by `npm run bench -- members`,',
    '`durable`, `stalled`, `unread`, `security`, `scale` or `placement`. `npm run bench -- --report --docs` makes this page anew from what',
    'was measured last.',
    '',
  ].join('\n');
}

/** Where a peer is better than Bellhop, said before all tables: its number as a multiple of Bellhop's. */
function losses(run: Run): string[] {
  const lines = CHARTS.flatMap(({ workload, title, column, isMoreBetter }) => {
    const value = (id: SystemId) => medianOf(cellsOf(run.cells, workload, id), column.of);
    const own = value('bellhop');
    if (own === undefined) return [];
    const better = run.systems.filter(({ id }) => {
      const its = value(id);
      return id !== 'bellhop' && its !== undefined && (isMoreBetter ? its > own : its < own);
    });
    if (better.length === 0) return [];
    const named = better.map(({ id, name }) => `${name} (${figure((value(id) ?? 0) / own)}×)`);
    return [`- **${workload}**, ${title}: ${named.join('; ')}.`];
  });
  return lines.length === 0 ? [] : ['Where others are better than Bellhop:', '', ...lines, ''];
}

const flags = (role: 'node' | 'router'): string => bellhopFlagsOf(role).join(' ') || 'none';
