import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { nodeFlags, V8_FLAGS } from './node-flags.ts';

it('are ones that this Node knows', () => {
  const known = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8', maxBuffer: 2 ** 24 });
  for (const flag of V8_FLAGS) expect(known).toContain(`  ${flag.split('=')[0]} (`);
});

it('are those of the image', () => {
  const image = readFileSync(new URL('../Dockerfile', import.meta.url), 'utf8');
  const entry = /^ENTRYPOINT (.*)$/m.exec(image)?.[1] ?? '[]';
  expect(JSON.parse(entry)).toEqual(['node', ...V8_FLAGS, 'scripts/run.mjs']);
});

it('give way to what an operator has chosen', () => {
  const given = ['--max-semi-space-size=16', V8_FLAGS[1]];
  expect(nodeFlags(given)).toEqual([...V8_FLAGS, '--max-semi-space-size=16']);
});
