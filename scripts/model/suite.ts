/** A run of the table. Owns: its order, its lines, and when it has failed: a row with another answer than the wanted one, and one whose
 *  search did not end. Does not know: where Spin comes from. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { flagsOf, type Row, type Size } from './rows.ts';
import { type ModelTools, type RowResult, runRow } from './run-row.ts';

export interface SuiteResult {
  readonly results: readonly RowResult[];
  readonly failed: number;
}

/** Runs rows one after another; `say` gets each line as soon as it is known; `traced`: with
 *  the traces of what was to break.
 *  @throws Error when Spin or the compiler does not take the model */
export async function runSuite(
  rows: readonly Row[],
  size: Size,
  tools: ModelTools,
  say: (line: string) => void,
  traced = false,
): Promise<SuiteResult> {
  const results: RowResult[] = [];
  for (const row of rows) {
    const result = await runRow(row, size, tools, modelsFolder(), traced);
    if (result === undefined) continue;
    results.push(result);
    say(rowLine(result));
  }
  const failed = results.filter(({ ok }) => !ok).length;
  const states = results.reduce((sum, one) => sum + one.states, 0);
  const seconds = results.reduce((sum, one) => sum + one.seconds, 0);
  say(`${results.length} rows, ${states.toLocaleString('en')} states in ${seconds.toFixed(1)} s, ${failed} failed`);
  // A run without a row has shown nothing.
  return { results, failed: results.length === 0 ? 1 : failed };
}

/** Rows of a run: those whose name contains `only`. */
export function rowsOf(rows: readonly Row[], size: Size, only: string): readonly Row[] {
  return rows.filter((row) => flagsOf(row, size) !== undefined && row.name.includes(only));
}

export function rowLine({ row, verdict, states, seconds, megabytes, flags, ok }: RowResult): string {
  const answer = verdict.kind === 'breaks' && row.name.startsWith('reached') ? 'reached' : verdict.kind;
  const wrong = verdict.kind === 'incomplete' ? `, ${verdict.why}` : `, and must ${row.expect.slice(0, -1)}`;
  const line = [
    `${ok ? 'ok  ' : 'FAIL'} ${row.name.padEnd(48)} ${answer.padEnd(10)}`,
    `${states.toLocaleString('en').padStart(12)} states`,
    `${seconds.toFixed(1).padStart(6)} s`,
    `${megabytes.toFixed(0).padStart(5)} MB`,
    ` ${flags.join(' ')}`,
  ].join(' ');
  return ok ? line : `${line}${wrong}`;
}

/** A row of the table in docs/model/README.md. */
export function markdownLine({ row, verdict, states, seconds, megabytes, flags }: RowResult): string {
  const answer = verdict.kind === 'breaks' ? `breaks at step ${verdict.depth}` : verdict.kind;
  const cells = [row.name, `\`${flags.map((flag) => flag.slice(2)).join(' ')}\``, answer];
  const numbers = [states.toLocaleString('en'), seconds.toFixed(1), megabytes.toFixed(0)];
  return `| ${[...cells, ...numbers].join(' | ')} |`;
}

/** The models stand in the checkout, also for the compiled program. */
function modelsFolder(): string {
  const candidates = ['../../docs/model/', '../../../docs/model/'];
  const folder = candidates
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path));
  if (folder === undefined) throw new Error('docs/model is missing: the models are checked from a checkout only');
  return folder;
}
