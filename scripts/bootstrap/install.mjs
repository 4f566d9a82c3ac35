// Dependencies. Owns: whether node_modules is what package-lock.json says, and `npm ci` when it is not.
// npm's own record of what it installed is compared, written by npm as its last step: an installation by hand counts, an
// interrupted one does not. Each package must be there as well: two npm at once leave a whole record of half an installation.
// Invariant: npm does not outlive an installation that is interrupted; where its parent is killed, the lock stands for it.
import { spawn } from 'node:child_process';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Sentence } from './sentence.mjs';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
/** Characters of npm's words that are kept, the last ones. */
const WORDS_MAX = 1_000_000;

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
  for (const path of present.keys()) if (!existsSync(join(root, path, 'package.json'))) return false;
  return true;
}

/** Runs `npm ci`, with the development dependencies that a build needs. npm's words are shown only if it fails.
 *  A signal that ends this process ends npm first: one that goes on would undo what the next attempt installs.
 *  @param onChild  told the pid of npm */
export async function install(root, onChild) {
  // Through a link npm would empty another checkout's dependencies under it.
  if (lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    throw new Sentence('node_modules is a symbolic link and does not fit package-lock.json: remove the link first.');
  }
  process.stderr.write('bellhop: installing dependencies…\n');
  const { ok, words } = await runNpm(root, onChild);
  if (ok) return;
  process.stderr.write(words);
  throw new Sentence('The dependencies could not be installed: npm ci failed (see above).');
}

function runNpm(root, onChild) {
  const cli = process.env.npm_execpath;
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const options = { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] };
  const npm =
    cli?.endsWith('npm-cli.js') === true
      ? spawn(process.execPath, [cli, ...args], options)
      : spawn('npm', args, { ...options, shell: process.platform === 'win32' });
  if (npm.pid !== undefined) onChild(npm.pid);
  let words = '';
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      words = (words + text).slice(-WORDS_MAX);
    });
  }
  // Not by the signal itself: to that npm takes back what it has done so far, which takes longer than whoever pressed Ctrl-C waits.
  let endedBy;
  const end = (signal) => {
    endedBy = signal;
    npm.kill('SIGKILL');
  };
  for (const signal of SIGNALS) process.on(signal, end);
  return new Promise((resolve) => {
    const done = (ok) => {
      if (endedBy !== undefined) process.exit(128 + constants.signals[endedBy]);
      for (const signal of SIGNALS) process.off(signal, end);
      resolve({ ok, words });
    };
    npm.once('error', (error) => {
      words += `npm: ${error.message}\n`;
      done(false);
    });
    npm.once('close', (code) => done(code === 0));
  });
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
