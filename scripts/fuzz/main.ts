/** `npm run fuzz`: hostile bytes for the codec, both ends of the link and the client edge. Owns: the command line, what is printed, and the
 *  watch over the thread that fuzzes: one input that takes too long, or a heap that grows without bound, is a failure of that input.
 *  Exit code 1 when a promise broke, 2 for a wrong command line. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { keepFailure, writeCorpus } from './corpus.ts';
import { readInputs } from './input.ts';
import { CURRENT_BYTES, computedMs, type Job, type Report, readCurrent } from './job.ts';

const TARGETS = ['text', 'codec', 'connection', 'client', 'node', 'router'];
const PARTS = ['rooms', 'cursors', 'tokens', 'messages'];
const USAGE = `usage: npm run fuzz -- [--seconds 30 | --minutes N] [--seed 1] [--target NAME …] [--coverage] [--plain]
       npm run fuzz -- --replay FILE
targets: ${TARGETS.join(', ')}; all of them unless named
         ${PARTS.join(', ')}: parts of text, only where named
  --minutes   are of computing: a busy machine takes longer
  --coverage  prints which branches of the codec and both ends of the link were reached
  --plain     takes no heed of coverage when it chooses what to change next: faster, and sees less
  --grow FILE writes the inputs that reach a branch which no seed reaches
`;
/** An input takes milliseconds of computing, and what is watched some seconds before the first of them. Counted is what this process
 *  computed, since a busy machine may let it wait for minutes. */
const HANG_CPU_MS = 60_000;
/** One that computes nothing waits for what does not come. */
const HANG_MS = 900_000;
const WATCH_MS = 1_000;
const HEAP_MB = 1_024;
const MISSED_SHOWN = 40;

const OPTIONS = {
  seconds: { type: 'string' },
  minutes: { type: 'string' },
  seed: { type: 'string', default: '1' },
  target: { type: 'string', multiple: true, default: [] as string[] },
  replay: { type: 'string' },
  coverage: { type: 'boolean', default: false },
  plain: { type: 'boolean', default: false },
  grow: { type: 'string' },
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
  const seconds = values.minutes === undefined ? Number(values.seconds ?? 30) : Number(values.minutes) * 60;
  const seed = Number(values.seed);
  if (!(seconds > 0) || !Number.isSafeInteger(seed)) return complain('a time is a positive number, a seed a whole one');
  const { replay, grow } = values;
  const unknown = values.target?.find((name) => ![...TARGETS, ...PARTS].includes(name));
  if (unknown !== undefined) return complain(`there is no target "${unknown}"`);
  const job: Job = {
    seed,
    seconds,
    isComputing: values.minutes !== undefined,
    targets: values.target ?? [],
    coverage: values.coverage === true,
    guided: values.plain !== true,
    replay: replay === undefined ? undefined : readFileSync(replay, 'utf8'),
    thin: grow !== undefined,
    current: new SharedArrayBuffer(CURRENT_BYTES),
  };
  const report = await watch(job);
  if (values.coverage === true) process.stdout.write(`${coverageLines(report.coverage).join('\n')}\n`);
  if (grow !== undefined) writeCorpus(grow, report.thinned.flatMap(readInputs));
  return conclude(job, report, replay);
}

function complain(sentence: string): number {
  process.stderr.write(`fuzz: ${sentence}\n${USAGE}`);
  return 2;
}

/** Runs the job in a thread of its own. Resolves in any case: with its report, or with one of how it did not end. */
function watch(job: Job): Promise<Report> {
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: job,
    // A stack like that of a process: a thread's is larger by default.
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, stackSizeMb: 1 },
  });
  return new Promise((resolve) => {
    let seen = { count: -1, sinceMs: performance.now(), sinceCpuMs: computedMs() };
    const give = (report: Report) => {
      clearInterval(timer);
      resolve(report);
    };
    const lost = (text: string) => {
      void worker.terminate();
      give(lostReport(job, text));
    };
    const timer = setInterval(() => {
      const { count } = readCurrent(job.current);
      const nowMs = performance.now();
      if (count !== seen.count) seen = { count, sinceMs: nowMs, sinceCpuMs: computedMs() };
      else if (computedMs() - seen.sinceCpuMs > HANG_CPU_MS)
        lost(`hang: an input took ${HANG_CPU_MS / 1_000} s of computing`);
      else if (nowMs - seen.sinceMs > HANG_MS) lost(`hang: an input has not ended after ${HANG_MS / 1_000} s`);
    }, WATCH_MS);
    worker.on('message', (report: Report) => {
      give(report);
      void worker.terminate();
    });
    worker.on('error', (error: Error) => lost(`the thread ended: ${error.stack ?? error.message}`));
  });
}

function lostReport({ current }: Job, text: string): Report {
  const { count, text: input } = readCurrent(current);
  const failure = { input, text, isReproduced: false };
  return { counts: { all: count }, seconds: 0, found: 0, coverage: [], thinned: [], failure };
}

function conclude(job: Job, { counts, seconds, found, failure }: Report, replayed: string | undefined): number {
  if (failure !== undefined) {
    // A thread that ended before its first input names none.
    const [input] = failure.input === '' ? [] : readInputs(failure.input);
    const file = replayed ?? (input === undefined ? '' : keepFailure(join('.bellhop', 'fuzz'), input));
    process.stdout.write(`${failure.text}\n\n`);
    if (!failure.isReproduced) process.stdout.write('It did not fail again by itself.\n');
    process.stdout.write(`seed ${job.seed}; replay: npm run fuzz -- --replay ${file}\n`);
  }
  const total = Object.values(counts).reduce((sum, one) => sum + one, 0);
  const each = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  if (replayed !== undefined) process.stdout.write(failure === undefined ? 'all promises kept\n' : '');
  else
    process.stdout.write(
      `${total} inputs in ${seconds.toFixed(1)} s, ${(computedMs() / 1_000).toFixed(1)} s of computing (${each.join(', ')}), ${found} kept, ${failure === undefined ? 0 : 1} failed\n`,
    );
  return failure === undefined ? 0 : 1;
}

function coverageLines(files: Report['coverage']): string[] {
  const line = (name: string, reached: number, branches: number, missed: readonly string[]) =>
    `${name.padEnd(32)} ${String(reached).padStart(4)} of ${String(branches).padStart(4)}  ${share(reached, branches)}  ${missed.slice(0, MISSED_SHOWN).join(' ')}`;
  const goal = files.filter(({ isGoal }) => isGoal);
  const sum = (pick: (file: Report['coverage'][number]) => number) => goal.reduce((all, file) => all + pick(file), 0);
  const shown = (file: Report['coverage'][number]) =>
    line(file.file.split('/').slice(-2).join('/'), file.reached, file.branches, file.missed);
  return [
    'branches reached, and which were not (line of the compiled file:kind)',
    ...goal.map(shown),
    line(
      'codec and both ends of the link',
      sum(({ reached }) => reached),
      sum(({ branches }) => branches),
      [],
    ),
    ...files.filter(({ isGoal }) => !isGoal).map(shown),
  ];
}

function share(reached: number, branches: number): string {
  return `${((branches === 0 ? 1 : reached / branches) * 100).toFixed(1).padStart(5)} %`;
}

process.exitCode = await main();
