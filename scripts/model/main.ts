/** `npm run model`: checks the Promela models of ownership and log. Owns: the command line and what is printed.
 *  Exit code 1 when a row gave another answer than it must, or its search did not end; 2 for a wrong command line. */
import { parseArgs } from 'node:util';
import { ROWS } from './rows.ts';
import { markdownLine, rowsOf, runSuite } from './suite.ts';

const USAGE = `usage: npm run model -- [--small | --full] [--only TEXT] [--trace] [--markdown]
  --small     small bounds, under a minute (the default): what must hold holds, what must break breaks
  --full      the whole table of docs/model/README.md, some minutes and up to 6 GB of memory
  --only      only rows whose name contains TEXT
  --trace     prints for every row that breaks what happened in its shortest trace; without it for unexpected ones only
  --markdown  prints the rows as docs/model/README.md shows them
`;

const OPTIONS = {
  small: { type: 'boolean', default: false },
  full: { type: 'boolean', default: false },
  only: { type: 'string', default: '' },
  trace: { type: 'boolean', default: false },
  markdown: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

async function main(): Promise<number> {
  let values: ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];
  try {
    values = parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error));
  }
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (values.small && values.full) return complain('a run is small or full, not both');
  const size = values.full ? 'full' : 'small';
  const rows = rowsOf(ROWS, size, values.only ?? '');
  if (rows.length === 0) return complain(`no row's name contains ${JSON.stringify(values.only)}`);
  const { BELLHOP_MODEL_SPIN: spin, BELLHOP_MODEL_CC: compiler } = process.env;
  if (spin === undefined || compiler === undefined) return complain('it is started as npm run model, which finds Spin');
  const { results, failed } = await runSuite(rows, size, { spin, compiler }, print, values.trace);
  for (const { row, trace } of results) {
    if (trace.length === 0) continue;
    print(`\n${row.name}:`);
    for (const event of trace) print(`  ${event}`);
  }
  if (values.markdown) for (const result of results) print(markdownLine(result));
  return failed === 0 ? 0 : 1;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function complain(sentence: string): number {
  process.stderr.write(`model: ${sentence}\n${USAGE}`);
  return 2;
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.on(signal, () => process.exit(code));
}
process.exitCode = await main();
