// The build: TypeScript to JavaScript in dist/. Owns: when it is due, and putting it in place in one step.
// Invariant: dist/ is a whole build of one state of the sources, also for a process that starts while another one builds.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import process from 'node:process';
import { Sentence } from './sentence.mjs';

const FOLDERS = ['router', 'node', 'shared', 'scripts', 'client', 'examples'];
const SETTINGS = ['package.json', 'tsconfig.json', 'tsconfig.build.json'];
const STAMP = '.built-from';

/** Files that are read at run time beside the compiled ones. */
const isCopied = (path) => /\.(lua|html|css|svg|json)$/.test(path) || /(^|\/)(router|client)\/.*\.js$/.test(path);
const isSource = (path) => (path.endsWith('.ts') && !path.endsWith('.test.ts')) || isCopied(path);

/** Names the state of all sources that a build depends on. */
export function sourceHash(root) {
  const hash = createHash('sha256');
  for (const path of [...SETTINGS, ...sourceFiles(root)]) {
    const file = join(root, path);
    if (existsSync(file)) hash.update(`${path}\0`).update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

export function isBuilt(root, hash) {
  try {
    return readFileSync(join(root, 'dist', STAMP), 'utf8') === hash;
  } catch {
    return false;
  }
}

/** Builds beside dist/ and then swaps the two. To be called under the checkout's lock. */
export function build(root, hash) {
  process.stderr.write('bellhop: building…\n');
  const fresh = join(root, '.bellhop', `dist-${process.pid}`);
  const old = join(root, '.bellhop', `dist-${process.pid}-old`);
  try {
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const args = [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', fresh];
    const done = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
    if (done.status !== 0) {
      process.stderr.write(`${done.stdout ?? ''}${done.stderr ?? ''}`);
      throw new Sentence('The build failed (see above).');
    }
    for (const path of sourceFiles(root).filter(isCopied)) cpSync(join(root, path), join(fresh, path));
    writeFileSync(join(fresh, STAMP), hash);
    if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old);
    renameSync(fresh, join(root, 'dist'));
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
  }
}

function sourceFiles(root) {
  const files = [];
  for (const folder of FOLDERS) {
    const path = join(root, folder);
    if (!existsSync(path)) continue;
    for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
      const file = relative(root, join(entry.parentPath, entry.name)).split(sep).join('/');
      if (entry.isFile() && isSource(file)) files.push(file);
    }
  }
  return files.sort();
}
