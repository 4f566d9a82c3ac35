/** What a bench leaves on disk. Owns: the files' names. Does not know: their words. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { charts } from './chart-set.ts';
import type { PartResult } from './part.ts';
import { markdownReport } from './report.ts';
import type { Run } from './report-tables.ts';
import { markdownPart } from './report-text.ts';

/** The page, its charts and the numbers behind them.
 *  @param chartsFromPage  the charts' folder as seen from the page */
export function writeRun(run: Run, chartFolder: string, page: string, chartsFromPage: string): void {
  mkdirSync(chartFolder, { recursive: true });
  for (const [name, svg] of charts(run)) writeFileSync(join(chartFolder, name), svg);
  writeFileSync(join(chartFolder, 'results.json'), linesOfJson(run));
  writeFileSync(page, markdownReport(run, chartsFromPage));
}

/** A line for each cell and part: small, and a change shows what changed. */
function linesOfJson(run: Run): string {
  const { cells, parts, ...rest } = asJson(run);
  const list = (name: string, items: readonly object[]): string =>
    `"${name}":[\n${items.map((item) => JSON.stringify(item)).join(',\n')}\n]`;
  return `${JSON.stringify(rest).slice(0, -1)},\n${list('cells', cells)},\n${list('parts', parts)}}\n`;
}

export function asJson(run: Run) {
  const { systems, workloads, ...rest } = run;
  return { ...rest, systems: systems.map(({ id, name }) => ({ id, name })), workloads };
}

/** A part's section of the page, for itself. */
export function writePart(result: PartResult, folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${result.part}.md`), markdownPart(result));
}
