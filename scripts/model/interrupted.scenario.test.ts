/** `npm run model`, stopped by a signal in the middle of a row. Spin is a stand-in that writes and does not end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../scenarios/wait.ts';

const MAIN = fileURLToPath(new URL('../../dist/scripts/model/main.js', import.meta.url));
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bellhop-interrupted-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s leaves no folder and no process behind', async (signal, code) => {
  const temporary = join(folder, 'temporary');
  const spin = join(folder, 'spin');
  const running = join(folder, 'running');
  mkdirSync(temporary);
  writeFileSync(
    spin,
    `#!/bin/sh\necho half > pan.c\necho $$ > ${running}.new\nmv ${running}.new ${running}\nexec sleep 60\n`,
  );
  chmodSync(spin, 0o755);
  const env = { ...process.env, TMPDIR: temporary, BELLHOP_MODEL_SPIN: spin, BELLHOP_MODEL_CC: spin };
  const child = spawn(process.execPath, [MAIN, '--small'], { env, stdio: 'ignore' });
  const exited = once(child, 'exit');
  await until('the row runs', () => existsSync(running));
  expect(readdirSync(temporary)).toHaveLength(1);
  child.kill(signal);
  expect((await exited)[0]).toBe(code);
  expect(readdirSync(temporary)).toEqual([]);
  const pid = Number(readFileSync(running, 'utf8'));
  await until('the stand-in has ended', () => !existsSync(`/proc/${pid}/cmdline`) || isZombie(pid));
});

function isZombie(pid: number): boolean {
  return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}
