// `npm test`: unit tests, fuzzing, the model, scenarios, then a browser. Owns: the shares, their times, the summary as last line, and the exit code.
// Invariant: exit code 0 only if every share ran to its end and nothing in it failed, at its first run or, of real processes, at a second one
// that is told, and none said a planted secret; the last line is `N passed, N failed`.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import process from 'node:process';
import { runNode } from './child.mjs';
import { findChromium } from './chromium.mjs';
import { plant, Search, searchFiles, sentences } from './planted.mjs';
import { findRedisServer } from './redis.mjs';
import { Sentence } from './sentence.mjs';

/** Projects of vitest.config.ts, quickest first. */
const SHARES = ['unit', 'fuzz', 'model', 'scenario', 'browser'];
/** Shares of real processes, whose time is the machine's: up to two files that failed run once more, alone. */
const RUN_TWICE = new Set(['scenario', 'browser']);
const SECOND_RUN_FILES_MAX = 2;

/** @param argv  handed to vitest: files, `-t name`, …
 *  @returns exit code */
export async function test(root, argv) {
  // Tests kill, pause and empty their servers, so each starts its own: a shared one in BELLHOP_REDIS_URL cannot serve.
  const env = { ...process.env };
  env.BELLHOP_TEST_REDIS_BIN ||= findRedisServer();
  const folder = mkdtempSync(join(tmpdir(), 'bellhop-test-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const secrets = plant(env, folder);
  // A pipe is no terminal: what is shown in one stays as it was.
  if (process.stdout.isTTY) env.FORCE_COLOR ||= '1';
  const leaks = [];
  const shares = [];
  for (const name of SHARES) {
    const began = performance.now();
    if (name === 'browser' && !nameChromium(env)) {
      shares.push({ name, seconds: 0, passed: 0, failed: 1, skipped: 0 });
      continue;
    }
    const search = new Search(secrets);
    const hear = (chunk) => search.push(chunk);
    const run = async (report, files) => {
      const path = join(folder, report);
      const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${path}`];
      const args = ['run', '--project', name, '--passWithNoTests', ...reporters, ...argv, ...files];
      const exitCode = await runNode(join(root, 'node_modules', 'vitest', 'vitest.mjs'), args, {
        ...{ cwd: root, env, hear },
      });
      return { exitCode, json: existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined };
    };
    let result = await run(`${name}.json`, []);
    const again = RUN_TWICE.has(name) ? filesToRunAgain(result) : [];
    if (again.length > 0) {
      process.stdout.write(`\n${again.map((file) => relative(root, file)).join(', ')} failed and is run once more.\n`);
      result = afterSecondRun(result, await run(`${name}-again.json`, again));
    }
    leaks.push(...sentences(search, name));
    const seconds = (performance.now() - began) / 1000;
    const second = result.second?.map((file) => relative(root, file));
    shares.push({ name, seconds, ...countTests(result.json, result.exitCode), second });
  }
  leaks.push(...searchFiles(secrets, env.BELLHOP_TEST_OUTPUT));
  const { lines, failed } = summary([...shares, shareOfLeaks(leaks)]);
  process.stdout.write(`\n${lines.join('\n')}\n`);
  return failed === 0 ? 0 : 1;
}

/** Puts the browser's path into the environment of its share. A machine without one has not shown what that share shows, but can run
 *  all others. @returns false, and says what to install, where there is none */
export function nameChromium(env, find = findChromium, say = (line) => process.stderr.write(`bellhop: ${line}\n`)) {
  try {
    env.BELLHOP_TEST_CHROMIUM_BIN ||= find();
    return true;
  } catch (error) {
    if (!(error instanceof Sentence)) throw error;
    say(error.message);
    return false;
  }
}

/** Which files of a share's first run deserve a second one: those with a failed test, where they are few. */
export function filesToRunAgain({ exitCode, json }) {
  if (exitCode === 0 || json === undefined) return [];
  const failed = json.testResults.filter((file) => file.status === 'failed').map((file) => file.name);
  return failed.length <= SECOND_RUN_FILES_MAX ? failed : [];
}

/** The first run with the second in the place of the files that were run again. `second`: those that passed only then. */
export function afterSecondRun(first, again) {
  if (again.json === undefined) return first;
  const replaced = new Set(again.json.testResults.map((file) => file.name));
  const testResults = [...first.json.testResults.filter((file) => !replaced.has(file.name)), ...again.json.testResults];
  const count = (status) =>
    testResults.flatMap((file) => file.assertionResults).filter((one) => one.status === status).length;
  const json = {
    ...first.json,
    testResults,
    numPassedTests: count('passed'),
    numFailedTests: count('failed'),
    numPendingTests: count('pending') + count('skipped'),
    numTodoTests: count('todo'),
  };
  const second = again.json.testResults.filter((file) => file.status === 'passed').map((file) => file.name);
  return { exitCode: again.exitCode, json, second };
}

/** Counts a share by vitest's JSON report. A file that could not be loaded, and a run that failed without a failed test (an
 *  unhandled error, a crash before the report), count as one failure each. */
export function countTests(json, exitCode) {
  let failed = json?.numFailedTests ?? 0;
  for (const file of json?.testResults ?? []) {
    if (file.status === 'failed' && !file.assertionResults.some((one) => one.status === 'failed')) failed++;
  }
  if (exitCode !== 0 && failed === 0) failed = 1;
  return {
    passed: json?.numPassedTests ?? 0,
    failed,
    skipped: (json?.numPendingTests ?? 0) + (json?.numTodoTests ?? 0),
  };
}

/** The search for planted secrets, as a share: one test that fails with each leak. Told apart, since what leaks has been shown already. */
export function shareOfLeaks(leaks, say = (line) => process.stderr.write(`bellhop: ${line}\n`)) {
  for (const leak of leaks) say(leak);
  return { name: 'secrets', seconds: 0, passed: leaks.length === 0 ? 1 : 0, failed: leaks.length, skipped: 0 };
}

/** One line a share and the total. */
export function summary(shares) {
  const total = { passed: 0, failed: 0 };
  const lines = shares.map(({ name, seconds, passed, failed, skipped, second = [] }) => {
    total.passed += passed;
    total.failed += failed;
    const left = skipped > 0 ? `, ${skipped} skipped` : '';
    const twice = second.length > 0 ? `; passed only at a second run: ${second.join(', ')}` : '';
    return `${name.padEnd(9)} ${seconds.toFixed(1).padStart(6)} s  ${passed} passed, ${failed} failed${left}${twice}`;
  });
  // A run without a single test has shown nothing; that nothing leaked then is none.
  if (shares.every(({ name, passed, failed }) => name === 'secrets' || passed + failed === 0)) total.failed ||= 1;
  return { lines: [...lines, `${total.passed} passed, ${total.failed} failed`], failed: total.failed };
}
