// The build: TypeScript to JavaScript in dist/. Owns: when it is due, and putting it in place in one step.
// Invariant: dist/ is a whole build of one state of the sources, also for a process that starts while another one builds.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import process from 'node:process';
import { Sentence } from './sentence.mjs';

const FOLDERS = ['router', 'node', 'shared', 'scripts', 'client', 'examples', 'pages'];
const SETTINGS = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'tsconfig.pages.json'];
const STAMP = '.built-from';
const CLIENT = join('client', 'index.js');
const CLIENT_FILE = join('client', 'bellhop.global.js');

const PAGES = { dashboard: ['dashboard', 'main.tsx'], early: ['dashboard', 'early.ts'], chat: ['chat', 'main.ts'] };
/** Packages of which a page's file holds a copy. */
const BUNDLED = ['preact', 'uplot'];

/** Files that are read at run time beside the compiled ones. */
const isCopied = (path) => /\.(lua|html|css|svg|json)$/.test(path) || /(^|\/)(router|client)\/.*\.js$/.test(path);
const isSource = (path) => (/\.tsx?$/.test(path) && !path.endsWith('.test.ts')) || isCopied(path);

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
    runStep(root, ['typescript', 'bin', 'tsc'], ['-p', join(root, 'tsconfig.build.json'), '--outDir', fresh]);
    if (existsSync(join(fresh, CLIENT))) bundle(root, join(fresh, CLIENT), join(fresh, CLIENT_FILE));
    if (existsSync(join(root, 'pages'))) bundlePages(root, join(fresh, 'pages'));
    for (const path of sourceFiles(root).filter(isCopied)) cpSync(join(root, path), join(fresh, path));
    writeFileSync(join(fresh, STAMP), hash);
    if (existsSync(join(root, 'dist'))) renameSync(join(root, 'dist'), old);
    renameSync(fresh, join(root, 'dist'));
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
  }
}

/** The client library as one file for a `<script>`: it sets `Bellhop`. */
function bundle(root, input, output) {
  const shape = ['--format', 'iife', '--name', 'Bellhop', '--platform', 'browser'];
  const args = ['--input', input, '--file', output, ...shape, '--minify', '--transform.target', 'es2022'];
  runStep(root, ['rolldown', 'bin', 'cli.mjs'], [...args, '--log-level', 'warn']);
}

/** What browsers run, each page as one file, and the notices of what is in them: nothing is built or fetched at run time. */
function bundlePages(root, folder) {
  for (const [page, input] of Object.entries(PAGES)) {
    const shape = ['--format', 'esm', '--platform', 'browser', '--tsconfig', join(root, 'tsconfig.pages.json')];
    const args = ['--input', join(root, 'pages', ...input), '--file', join(folder, `${page}.js`), ...shape, '--minify'];
    runStep(root, ['rolldown', 'bin', 'cli.mjs'], [...args, '--transform.target', 'es2022', '--log-level', 'warn']);
  }
  const notices = [];
  for (const name of BUNDLED) {
    const from = join(root, 'node_modules', name);
    notices.push(`${name}\n\n${readFileSync(join(from, 'LICENSE'), 'utf8')}`);
  }
  writeFileSync(join(folder, 'licenses.txt'), notices.join('\n\n'));
  cpSync(join(root, 'node_modules', 'uplot', 'dist', 'uPlot.min.css'), join(folder, 'chart.css'));
}

function runStep(root, program, args) {
  const script = join(root, 'node_modules', ...program);
  const options = { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 };
  const done = spawnSync(process.execPath, [script, ...args], options);
  if (done.status === 0) return;
  process.stderr.write(`${done.stdout ?? ''}${done.stderr ?? ''}`);
  throw new Sentence('The build failed (see above).');
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
