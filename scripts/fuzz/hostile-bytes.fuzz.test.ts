/** The share of `npm test` that fuzzes: the committed corpus first, then mutations under a fixed seed. Runs the compiled program, as an
 *  operator would: coverage is counted on what is shipped. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('../../dist/scripts/fuzz/main.js', import.meta.url));

function fuzz(...flags: string[]): Promise<{ readonly exitCode: number | null; readonly output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('close', (exitCode) => resolve({ exitCode, output }));
  });
}

test('three quarters of a minute of hostile bytes break no promise', async () => {
  const { exitCode, output } = await fuzz('--seconds', '45');
  process.stdout.write(output);
  expect(output).toMatch(/ 0 failed$/m);
  expect(exitCode).toBe(0);
  // Each target had its turns: that is the seeds, the corpus and more.
  for (const target of ['text', 'codec', 'connection', 'client', 'node', 'router']) {
    expect(Number(new RegExp(`${target} (\\d+)`).exec(output)?.[1])).toBeGreaterThan(50);
  }
});

test('each part of the texts can be fuzzed by its name', async () => {
  const parts = ['rooms', 'cursors', 'tokens', 'messages'];
  const { exitCode, output } = await fuzz('--seconds', '4', ...parts.flatMap((part) => ['--target', part]));
  expect(output).toMatch(/ 0 failed$/m);
  expect(exitCode).toBe(0);
  for (const part of parts) expect(Number(new RegExp(`${part} (\\d+)`).exec(output)?.[1])).toBeGreaterThan(2);
});

test('a wrong command line is told in a sentence', async () => {
  expect(await fuzz('--seconds', '-1')).toMatchObject({ exitCode: 2, output: expect.stringContaining('usage:') });
  const unknown = await fuzz('--target', 'nobody');
  expect(unknown).toMatchObject({ exitCode: 2, output: expect.stringContaining('no target "nobody"') });
});
