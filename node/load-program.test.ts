import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
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

it('names the module that makes no program, or cannot be loaded', async () => {
  await expect(loadPrograms([{ path: join(folder, 'empty.mjs'), pattern: '*' }])).rejects.toThrow(/empty\.mjs/);
  await expect(loadPrograms([{ path: join(folder, 'none.mjs'), pattern: '*' }])).rejects.toThrow(/none\.mjs/);
});
