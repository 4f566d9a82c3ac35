// `npm run check`: everything that reads the code without running it. Owns: the steps and their order. Every step runs, also
// after one that failed, so that one look shows all.
import { join } from 'node:path';
import process from 'node:process';
import { runNode } from './child.mjs';

/** @returns exit code */
export async function check(root) {
  const program = (...path) => join(root, 'node_modules', ...path);
  const steps = [
    ['format', program('@biomejs', 'biome', 'bin', 'biome'), ['format', '.']],
    ['lint', program('@biomejs', 'biome', 'bin', 'biome'), ['lint', '--error-on-warnings', '.']],
    ['types', program('typescript', 'bin', 'tsc'), ['--noEmit', '-p', '.']],
    ['pages', program('typescript', 'bin', 'tsc'), ['--noEmit', '-p', 'tsconfig.pages.json']],
    ['imports', join(root, 'dist', 'scripts', 'check-imports.js'), [root]],
    ['depends', join(root, 'scripts', 'bootstrap', 'dependencies.mjs'), [root]],
    ['unused', program('knip', 'bin', 'knip.js'), ['--no-progress']],
  ];
  const lines = [];
  let failures = 0;
  for (const [name, script, args] of steps) {
    const began = performance.now();
    const ok = (await runNode(script, args, { cwd: root })) === 0;
    if (!ok) failures++;
    lines.push(
      `${name.padEnd(9)} ${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${ok ? 'ok' : 'failed'}`,
    );
  }
  process.stdout.write(`\n${lines.join('\n')}\n`);
  return failures === 0 ? 0 : 1;
}
