/** The thread that fuzzes. Owns: nothing beyond wiring: what it never comes back from is the watching thread's to tell (main.ts). */
import process from 'node:process';
import { parentPort, workerData } from 'node:worker_threads';
import { readCorpus } from './corpus.ts';
import { Coverage } from './coverage.ts';
import { Engine } from './engine.ts';
import { readInputs, writeInput } from './input.ts';
import { computedMs, type Job, noteCurrent, type Report } from './job.ts';
import { makeTargets, watchedFiles } from './targets.ts';

async function fuzz(job: Job): Promise<Report> {
  const watched = watchedFiles();
  const coverage = job.coverage || job.guided ? await startCoverage(watched.map(({ url }) => url)) : undefined;
  const beganMs = performance.now();
  const spentMs = job.isComputing ? computedMs : () => performance.now() - beganMs;
  const engine = new Engine(makeTargets(job.targets), readCorpus(), {
    seed: job.seed,
    isOver: () => spentMs() > job.seconds * 1_000,
    before: (input) => noteCurrent(job.current, writeInput(input)),
    takeCoverage: coverage === undefined ? undefined : () => coverage.take(),
  });
  process.on('uncaughtException', (error) => engine.uncaught(error));
  process.on('unhandledRejection', (error) => engine.uncaught(error));
  const failure = job.replay === undefined ? await engine.run() : await replay(engine, job.replay);
  coverage?.take();
  const files = coverage?.files() ?? [];
  return {
    counts: engine.counts,
    seconds: (performance.now() - beganMs) / 1_000,
    found: engine.found().length,
    coverage: files.map((file) => ({ ...file, isGoal: watched.some((one) => one.url === file.file && one.isGoal) })),
    failure:
      failure === undefined
        ? undefined
        : { input: writeInput(failure.input), text: textOf(failure.error), isReproduced: failure.isReproduced },
    thinned: job.thin ? (await thin(job, engine)).map(writeInput) : [],
  };
}

async function replay(engine: Engine, text: string) {
  for (const input of readInputs(text)) {
    const error = await engine.replay(input);
    if (error !== undefined) return { input, error, isReproduced: true };
  }
  return undefined;
}

/** With counts of its own, since a branch that seeds reach needs no corpus. */
async function thin(job: Job, engine: Engine) {
  const fresh = await startCoverage(watchedFiles().map(({ url }) => url));
  const targets = makeTargets(job.targets);
  const again = new Engine(targets, [], {
    seed: job.seed,
    isOver: () => true,
    before: (input) => noteCurrent(job.current, writeInput(input)),
    takeCoverage: () => fresh.take(),
  });
  await again.run();
  return again.thin([...readCorpus(), ...engine.found()]);
}

async function startCoverage(urls: readonly string[]): Promise<Coverage> {
  const { parseAst } = await import('vitest/node');
  return new Coverage(urls, (source) => parseAst(source));
}

function textOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\n  cause: ${error.cause.stack ?? error.cause.message}` : '';
  return `${error.stack ?? error.message}${cause}`;
}

const job: Job = workerData;
parentPort?.postMessage(await fuzz(job));
