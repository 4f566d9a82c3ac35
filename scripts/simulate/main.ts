/** `npm run simulate`: many seeds of a cluster under faults in virtual time, against the invariants of DESIGN §4. Owns: the command
 *  line and what is printed. Exit code 1 when an invariant broke, 2 for a wrong command line. */
import { parseArgs } from 'node:util';
import { BUGS, isBug } from './bugs.ts';
import { Coverage } from './coverage.ts';
import { FAULTS } from './faults.ts';
import { runSeed, type SeedResult } from './run-seed.ts';

const USAGE = `usage: npm run simulate -- [--seeds 200] [--from 1] [--seed N [--verbose]] [--bug NAME] [--keep-going]
planted bugs:
${Object.entries(BUGS)
  .map(([name, { doc }]) => `  ${name.padEnd(28)} ${doc}`)
  .join('\n')}
`;
const TAIL_LINES = 60;

function main(): number {
  const options = {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    bug: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  } as const;
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
  try {
    values = parseArgs({ options }).values;
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error));
  }
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const { bug } = values;
  if (bug !== undefined && !isBug(bug)) return complain(`there is no bug ${bug}`);
  const one = values.seed === undefined ? undefined : Number(values.seed);
  const first = one ?? Number(values.from);
  const count = one === undefined ? Number(values.seeds) : 1;
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || count < 1)
    return complain('seeds are whole numbers');
  const print = values.verbose ? (line: string) => process.stdout.write(`${line}\n`) : undefined;
  const coverage = new Coverage();
  let counted = 0;
  let broken = 0;
  const beganMs = performance.now();
  for (let seed = first; seed < first + count; seed++) {
    const result = runSeed({ seed, bug, print });
    coverage.merge(result.coverage);
    if (result.counts) counted++;
    if (result.violation === undefined) continue;
    broken++;
    if (!values['keep-going']) return report(result, result.violation, bug, print !== undefined);
    process.stdout.write(`seed ${seed}: invariant ${result.violation.rule} broken: ${result.violation.text}\n`);
  }
  const seconds = (performance.now() - beganMs) / 1_000;
  process.stdout.write(`${coverage.table(FAULTS).join('\n')}\n`);
  process.stdout.write(
    `${count} seeds, ${counted} with a takeover or a refused claim, ${broken} broken, ${seconds.toFixed(1)} s\n`,
  );
  return broken === 0 ? 0 : 1;
}

function complain(sentence: string): number {
  process.stderr.write(`simulate: ${sentence}\n${USAGE}`);
  return 2;
}

type Broken = NonNullable<SeedResult['violation']>;

function report(result: SeedResult, violation: Broken, bug: string | undefined, isPrinted: boolean): number {
  if (!isPrinted) process.stdout.write(`${result.trace.slice(-TAIL_LINES).join('\n')}\n`);
  process.stdout.write(`\nseed ${result.seed}: invariant ${violation.rule} broken: ${violation.text}\n`);
  const flag = bug === undefined ? '' : ` --bug ${bug}`;
  process.stdout.write(`replay: npm run simulate -- --seed ${result.seed} --verbose${flag}\n`);
  return 1;
}

process.exitCode = main();
