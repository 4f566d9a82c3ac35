import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from './child.mjs';
import { plant, Search, searchFiles, sentences } from './planted.mjs';

let folder;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bellhop-planted-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('25 planted secrets are told to the tests, differ, and look like what they stand for', () => {
  const env = {};
  const secrets = plant(env, folder);
  expect(JSON.parse(env.BELLHOP_TEST_PLANTED)).toEqual(secrets);
  expect(new Set(Object.values(secrets)).size).toBe(7);
  for (const secret of Object.values(secrets)) expect(secret).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(plant({}, folder)).not.toEqual(secrets);
});

test('25 a secret in an output is found wherever it is cut, and named by its kind alone', () => {
  const secrets = plant({}, folder);
  const text = `{"event":"joined","ticket":"${secrets.ticket}"}\n`;
  for (let at = 0; at <= text.length; at++) {
    const search = new Search(secrets);
    for (const part of [text.slice(0, at), text.slice(at)]) search.push(Buffer.from(part));
    expect([...search.found]).toEqual(['ticket']);
    const [sentence] = sentences(search, 'unit');
    expect(sentence).toBe('the planted ticket secret is in the output of unit');
  }
  const byByte = new Search(secrets);
  for (const byte of Buffer.from(`é${secrets.redis}é${secrets.api.slice(0, -1)}`)) byByte.push(Buffer.from([byte]));
  expect([...byByte.found]).toEqual(['redis']);
});

test('25 a secret in a file that a process left is found, and an output without one is clean', () => {
  const env = {};
  const secrets = plant(env, folder);
  const output = env.BELLHOP_TEST_OUTPUT;
  writeFileSync(join(output, '1-router.log'), `${'.'.repeat(2 ** 20 - 20)}${secrets.cluster}${'.'.repeat(100)}`);
  writeFileSync(join(output, '2-node.log'), 'nothing\n');
  mkdirSync(join(output, 'more'));
  writeFileSync(join(output, 'more', '3.log'), secrets.cookie);
  expect(searchFiles(secrets, output).sort()).toEqual([
    'the planted cluster secret is in the output of 1-router.log',
    'the planted cookie secret is in the output of 3.log',
  ]);
  rmSync(output, { recursive: true });
  mkdirSync(output);
  expect(searchFiles(secrets, output)).toEqual([]);
});

test('25 what a child process says is heard, on both of its streams', async () => {
  const secrets = plant({}, folder);
  const search = new Search(secrets);
  const code = `process.stdout.write('${secrets.bearer}\\n'); process.stderr.write('${secrets.jwt}\\n')`;
  const shown = [];
  const exitCode = await run(process.execPath, ['-e', code], {
    hear: (chunk) => search.push(chunk),
    show: { stdout: (chunk) => shown.push(chunk), stderr: (chunk) => shown.push(chunk) },
  });
  expect(exitCode).toBe(0);
  expect([...search.found].sort()).toEqual(['bearer', 'jwt']);
  expect(Buffer.concat(shown).length).toBe(2 * 44);
});
