// Verbs of run.mjs. Owns: which verb needs what, and exit codes. `start`, `router`, `node` and what else bellhop.ts knows run in
// this very process, so that a signal to it is a signal to them.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { check } from './check.mjs';
import { prepare } from './prepare.mjs';
import { findRedisServer } from './redis.mjs';
import { Sentence } from './sentence.mjs';
import { findModelTools } from './spin.mjs';
import { test } from './test.mjs';

/** Programs beside the command line, each a script with its own flags; most start Redis servers of their own. */
const PROGRAMS = {
  bench: 'scripts/bench/main.js',
  simulate: 'scripts/simulate/main.js',
  fuzz: 'scripts/fuzz/main.js',
  chaos: 'scripts/chaos/main.js',
  herd: 'scripts/herd/main.js',
  model: 'scripts/model/main.js',
  'metrics-page': 'scripts/metrics-page.js',
};

/** Programs of PROGRAMS that need no Redis. */
const WITHOUT_REDIS = new Set(['simulate', 'fuzz', 'model', 'metrics-page']);

const LINGER_MS = 500;

/** Carries out `argv[0]`. Sets the exit code; returns before the verb has ended where that lives on in this process. */
export async function runVerb(root, argv) {
  // Programs have their help themselves.
  const isHelpOf = argv[0] === 'help' && argv.length === 2 && Object.hasOwn(PROGRAMS, argv[1]);
  const [verb = '--help', ...rest] = isHelpOf ? [argv[1], '--help'] : argv;
  try {
    if ((verb === 'build' || verb === 'check') && rest.length > 0 && !rest.includes('--help')) {
      throw new Sentence(`${verb} takes no words: it always takes all.`);
    }
    await prepare(root);
    if (verb === 'build' && rest.length === 0) return;
    if (verb === 'test') process.exitCode = await test(root, rest);
    else if (verb === 'check' && rest.length === 0) process.exitCode = await check(root);
    else if (Object.hasOwn(PROGRAMS, verb)) await runProgram(root, verb, rest);
    else await runBellhop(root, [verb, ...rest]);
  } catch (error) {
    if (!(error instanceof Sentence)) throw error;
    process.stderr.write(`bellhop: ${error.message}\n`);
    process.exitCode = 2;
  }
}

async function runProgram(root, verb, argv) {
  const script = join(root, 'dist', PROGRAMS[verb]);
  if (!existsSync(script))
    throw new Sentence(`This version has no ${verb}: ${PROGRAMS[verb].replace('.js', '.ts')} is missing.`);
  if (verb === 'model') {
    const { spin, compiler } = findModelTools();
    Object.assign(process.env, { BELLHOP_MODEL_SPIN: spin, BELLHOP_MODEL_CC: compiler });
  }
  if (!WITHOUT_REDIS.has(verb)) process.env.BELLHOP_TEST_REDIS_BIN ??= findRedisServer();
  process.argv = [process.execPath, script, ...argv];
  await import(pathToFileURL(script).href);
}

async function runBellhop(root, argv) {
  const { main } = await import(pathToFileURL(join(root, 'dist', 'scripts', 'bellhop.js')).href);
  const exitCode = await main(argv, { findRedisServer });
  if (exitCode === undefined) return;
  process.exitCode = exitCode;
  // It ends by itself, output written; should anything hold it up, then not for long.
  setTimeout(() => process.exit(), LINGER_MS).unref();
}
