// Dependencies. Owns: whether node_modules is what package-lock.json says, and `npm ci` when it is not.
// npm's own record of what it installed is compared, written by npm as its last step: an installation by hand counts, an
// interrupted one does not.
import { spawnSync } from 'node:child_process';
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { Sentence } from './sentence.mjs';

export function isInstalled(root) {
  const wanted = packagesOf(join(root, 'package-lock.json'));
  const present = packagesOf(join(root, 'node_modules', '.package-lock.json'));
  if (wanted === undefined)
    throw new Sentence('package-lock.json is missing or broken: restore it from the repository.');
  if (present === undefined) return false;
  for (const [path, { version }] of present) if (wanted.get(path)?.version !== version) return false;
  // Optional packages are those of other platforms.
  for (const [path, { optional, devOptional }] of wanted) {
    if (!present.has(path) && optional !== true && devOptional !== true) return false;
  }
  return true;
}

/** Runs `npm ci`, with the development dependencies that a build needs. npm's words are shown only if it fails. */
export function install(root) {
  // Through a link npm would empty another checkout's dependencies under it.
  if (lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    throw new Sentence('node_modules is a symbolic link and does not fit package-lock.json: remove the link first.');
  }
  process.stderr.write('bellhop: installing dependencies…\n');
  const cli = process.env.npm_execpath;
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const options = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 * 1024 * 1024 };
  const done =
    cli?.endsWith('npm-cli.js') === true
      ? spawnSync(process.execPath, [cli, ...args], options)
      : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
  if (done.status === 0) return;
  process.stderr.write(`${done.stdout ?? ''}${done.stderr ?? ''}`);
  throw new Sentence('The dependencies could not be installed: npm ci failed (see above).');
}

function packagesOf(path) {
  try {
    const { packages } = JSON.parse(readFileSync(path, 'utf8'));
    return new Map(Object.entries(packages).filter(([name]) => name !== ''));
  } catch {
    // Missing, cut off or of another npm: whatever it is, it does not say that all is installed.
    return undefined;
  }
}
