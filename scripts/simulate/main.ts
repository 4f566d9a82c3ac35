/** `npm run simulate`: many seeds of a cluster under faults in virtual time, against the invariants of DESIGN §4. Owns: the command
 *  line and what is printed. Exit code 1 when an invariant broke or a pair of fault and state never occurred, 2 for a wrong command
 *  line. */
import { parseArgs } from 'node:util';
import { BUGS, type Bug, isBug } from './bugs.ts';
import { COVERED_SEEDS, LONG_SEEDS, WHOLE_SEEDS } from './expected-coverage.ts';
import { FAULTS } from './faults.ts';
import { runMany } from './run-many.ts';
import { MODES, type Mode, runSeed } from './run-seed.ts';
import { type BrokenSeed, Tally } from './tally.ts';
import { verdictOf } from './verdict.ts';

const USAGE = `usage: npm run simulate -- [--seeds 200] [--from 1] [--jobs 1] [--minutes M] [--mode safety|liveness] [--keep-going]
       npm run simulate -- --seed N [--verbose] [--mode safety|liveness] [--bug NAME]
Every fourth seed is run for safety (faults to the end), the others for liveness (faults end, all must come to rest), unless one mode is
asked for. Of ${COVERED_SEEDS} seeds and more, each pair of fault and state that is met often must have occurred, of ${LONG_SEEDS} each but those
of a few milliseconds, and of ${WHOLE_SEEDS} every pair that can be.
planted bugs (--bug NAME):
${Object.entries(BUGS)
  .map(([name, { doc }]) => `  ${name.padEnd(28)} ${doc}`)
  .join('\n')}
`;
const JOBS_MAX = 64;
const PROGRESS_EVERY_MS = 30_000;

async function main(): Promise<number> {
  const options = {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    jobs: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '1440' },
    mode: { type: 'string' },
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
  const mode = MODES.find((one) => one === values.mode);
  if (values.mode !== undefined && mode === undefined) return complain(`there is no mode ${values.mode}`);
  const [from, count, jobs] = [Number(values.from), Number(values.seeds), Number(values.jobs)];
  const areWhole = [from, count, jobs].every((one) => Number.isSafeInteger(one) && one >= 0) && count >= 1;
  const boundMs = Number(values.minutes) * 60_000;
  if (!areWhole || jobs < 1 || jobs > JOBS_MAX || !(boundMs > 0))
    return complain('seeds, jobs and minutes are numbers above 0');
  if (values.seed !== undefined) {
    const seed = Number(values.seed);
    return Number.isSafeInteger(seed) ? runOne(seed, bug, mode, values.verbose) : complain('a seed is a whole number');
  }
  const beganMs = performance.now();
  let toldMs = beganMs;
  const keepsGoing = values['keep-going'];
  let toldBroken = 0;
  const tally = await runMany({ from, count, jobs, bug, mode, keepsGoing, boundMs }, (soFar) => {
    for (const { seed, rule, text } of soFar.broken.slice(toldBroken)) {
      process.stderr.write(`seed ${seed}: invariant ${rule} broken: ${text}\n`);
    }
    toldBroken = soFar.broken.length;
    if (performance.now() - toldMs < PROGRESS_EVERY_MS) return;
    toldMs = performance.now();
    process.stderr.write(`${soFar.summary}\n`);
  });
  const seconds = (performance.now() - beganMs) / 1_000;
  process.stdout.write(`${tally.coverage.table(FAULTS).join('\n')}\n`);
  for (const broken of tally.broken) report(broken, bug, mode, keepsGoing);
  process.stdout.write(`${tally.summary}, ${seconds.toFixed(1)} s\n`);
  const { exitCode, lines } = verdictOf(tally, bug === undefined && mode === undefined);
  process.stdout.write(`${lines.join('\n')}\n`);
  return exitCode;
}

function complain(sentence: string): number {
  process.stderr.write(`simulate: ${sentence}\n${USAGE}`);
  return 2;
}

function runOne(seed: number, bug: Bug | undefined, mode: Mode | undefined, isVerbose: boolean): number {
  const print = isVerbose ? (line: string) => process.stdout.write(`${line}\n`) : undefined;
  const tally = new Tally();
  tally.add(runSeed({ seed, bug, mode, print }));
  for (const broken of tally.broken) report(broken, bug, mode, isVerbose);
  process.stdout.write(`${tally.summary}\n`);
  return tally.broken.length === 0 ? 0 : 1;
}

function report(
  { seed, rule, text, tail }: BrokenSeed,
  bug: Bug | undefined,
  mode: Mode | undefined,
  isShort: boolean,
): void {
  if (!isShort) process.stdout.write(`${tail.join('\n')}\n`);
  process.stdout.write(`seed ${seed}: invariant ${rule} broken: ${text}\n`);
  const flags = `${mode === undefined ? '' : ` --mode ${mode}`}${bug === undefined ? '' : ` --bug ${bug}`}`;
  process.stdout.write(`replay: npm run simulate -- --seed ${seed} --verbose${flags}\n`);
}

process.exitCode = await main();
