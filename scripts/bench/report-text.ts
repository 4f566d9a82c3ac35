/** What a run and a part say in a terminal and in Markdown. Owns: how their tables are drawn. Pure. */
import type { PartResult } from './part.ts';
import { goalsTable, partGoalRow, type Run, tableOf } from './report-tables.ts';

/** For the terminal. */
export function plainReport(run: Run): string {
  const workloads = run.workloads.map(
    (workload) => `${workload.id}: ${workload.says}\n${aligned(tableOf(run, workload))}\n`,
  );
  const parts = run.parts.map((part) => plainPart(part, false));
  const left = run.leftOut.map((why) => `left out: ${why}\n`);
  const goals = aligned(goalsTable(run));
  return `${[...workloads, ...parts].join('\n')}\n${goals}\n${left.join('')}load generator: ${run.machine.loadGenerator}\n`;
}

/** A part for the terminal. */
export function plainPart(result: PartResult, withGoals = true): string {
  const { part, says, date, table, goals, notes } = result;
  const goalTable = goals.map((goal) => partGoalRow(part, goal));
  return [
    `${part} (${date}): ${says}`,
    aligned(table),
    ...(withGoals ? [aligned(goalTable)] : []),
    ...notes.map((note) => `  ${note}`),
    '',
  ].join('\n');
}

/** A part as a section of docs/benchmarks.md. */
export function markdownPart({ part, says, date, table, notes, goals }: PartResult): string {
  const words = goals.map((goal) => {
    const [, , than = '', bound, measured, word] = partGoalRow(part, goal);
    return `- ${goal.says}${than === '–' ? '' : `, compared with ${than}`}: ${measured} (goal ${bound}): **${word}**.`;
  });
  return [
    `## ${part}`,
    '',
    `${says}. Measured on ${date}.`,
    '',
    grid(table),
    '',
    ...(words.length > 0 ? [...words, ''] : []),
    ...(notes.length > 0 ? [...notes.map((note) => `- ${note}`), ''] : []),
  ].join('\n');
}

export function grid(table: readonly (readonly string[])[]): string {
  const [titles = [], ...rows] = table;
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = titles.map((_, i) => (i === 0 ? '---' : '---:'));
  return [line(titles), line(rule), ...rows.map(line)].join('\n');
}

/** Columns under each other, numbers to the right. */
function aligned(table: readonly (readonly string[])[]): string {
  const widths = (table[0] ?? []).map((_, i) => Math.max(...table.map((row) => row[i]?.length ?? 0)));
  const pad = (text: string, i: number): string =>
    /^[-–≤≥\d]/.test(text) ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0);
  return table.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}
