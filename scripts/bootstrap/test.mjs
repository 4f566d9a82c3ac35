// `npm test`: unit tests, fuzzing, the model, scenarios, then a browser. Owns: the shares, their times, the summary as last line, and the exit code.
// Invariant: exit code 0 only if every share ran to its end and nothing in it failed; the last line is `N passed, N failed`.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { runNode } from './child.mjs';
import { findChromium } from './chromium.mjs';
import { findRedisServer } from './redis.mjs';
import { Sentence } from './sentence.mjs';

/** Projects of vitest.config.ts, quickest first. */
const SHARES = ['unit', 'fuzz', 'model', 'scenario', 'browser'];

/** @param argv  handed to vitest: files, `-t name`, …
 *  @returns exit code */
export async function test(root, argv) {
  // Tests kill, pause and empty their servers, so each starts its own: a shared one in BELLHOP_REDIS_URL cannot serve.
  const env = { ...process.env };
  env.BELLHOP_TEST_REDIS_BIN ||= findRedisServer();
  const folder = mkdtempSync(join(tmpdir(), 'bellhop-test-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const shares = [];
  for (const name of SHARES) {
    const began = performance.now();
    if (name === 'browser' && !nameChromium(env)) {
      shares.push({ name, seconds: 0, passed: 0, failed: 1, skipped: 0 });
      continue;
    }
    const report = join(folder, `${name}.json`);
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const args = ['run', '--project', name, '--passWithNoTests', ...reporters, ...argv];
    const exitCode = await runNode(join(root, 'node_modules', 'vitest', 'vitest.mjs'), args, { cwd: root, env });
    const json = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : undefined;
    shares.push({ name, seconds: (performance.now() - began) / 1000, ...countTests(json, exitCode) });
  }
  const { lines, failed } = summary(shares);
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

/** One line a share and the total. */
export function summary(shares) {
  const total = { passed: 0, failed: 0 };
  const lines = shares.map(({ name, seconds, passed, failed, skipped }) => {
    total.passed += passed;
    total.failed += failed;
    const left = skipped > 0 ? `, ${skipped} skipped` : '';
    return `${name.padEnd(9)} ${seconds.toFixed(1).padStart(6)} s  ${passed} passed, ${failed} failed${left}`;
  });
  // A run without a single test has shown nothing.
  if (total.passed + total.failed === 0) total.failed = 1;
  return { lines: [...lines, `${total.passed} passed, ${total.failed} failed`], failed: total.failed };
}
