import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ConfigError } from '../shared/config-parse.ts';
import { loadPrograms, programFor } from './load-program.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bellhop-programs-'));
  await writeFile(join(folder, 'dice.mjs'), 'export default () => ({});');
  await writeFile(join(folder, 'empty.mjs'), 'export const nothing = 1;');
});
afterAll(() => rm(folder, { recursive: true }));

it('names by file, ends with chat, and runs what the most specific pattern calls for', async () => {
  const offers = await loadPrograms([
    { path: join(folder, 'dice.mjs'), pattern: 'game-*' },
    { path: 'chat', pattern: 'game-lobby' },
  ]);
  expect(offers.map(({ pattern, name }) => `${pattern}=${name}`)).toEqual(['game-*=dice', 'game-lobby=chat', '*=chat']);
  expect(programFor(offers, 'game-7')?.name).toBe('dice');
  expect(programFor(offers, 'game-lobby')?.name).toBe('chat');
  expect(programFor(offers, 'kitchen')?.name).toBe('chat');
});

it('adds no chat behind a pattern that takes every room', async () => {
  const offers = await loadPrograms([{ path: join(folder, 'dice.mjs'), pattern: '*' }]);
  expect(offers).toHaveLength(1);
  expect(programFor(offers, 'any')?.name).toBe('dice');
  expect(programFor([], 'any')).toBeUndefined();
});

it('takes a module that is not there, or makes no program, for a setting to be changed', async () => {
  for (const name of ['empty.mjs', 'none.mjs']) {
    const fault = await loadPrograms([{ path: join(folder, name), pattern: '*' }]).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(ConfigError);
    expect(String(fault)).toContain(join(folder, name));
  }
});

it('leaves a module that throws what it is', async () => {
  await writeFile(join(folder, 'bad.mjs'), 'throw new TypeError("not today");');
  const loading = loadPrograms([{ path: join(folder, 'bad.mjs'), pattern: '*' }]);
  await expect(loading).rejects.toThrow(new TypeError('not today'));
});
