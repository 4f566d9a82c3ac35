/** Programs that a bench needs and that may be missing: the compiled load generator, nginx, HAProxy. Owns: where they are and how
 *  they are had. What the machine lacks is unpacked from its package archive into .bellhop/bench/peers: no rights are needed, no
 *  service is started and nothing is installed. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Of the checkout; this file runs from its dist/scripts/bench. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const SOURCES = join(ROOT, 'scripts', 'bench');
export const WORK = join(ROOT, '.bellhop', 'bench');
const PEERS = join(WORK, 'peers');

export interface Tool {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  readonly version: string;
}

/** Why a tool cannot be had. */
export interface Missing {
  readonly missing: string;
}

/** Debian's packages of each, with the libraries that a small system lacks. */
const PACKAGES = {
  nginx: ['nginx'],
  haproxy: ['haproxy', 'liblua5.3-0', 'libopentracing-c-wrapper0', 'libopentracing1'],
} as const;

/** Finds a proxy on this machine or unpacks it. */
export function findProxy(name: keyof typeof PACKAGES): Tool | Missing {
  const unpacked = join(PEERS, name);
  const own = join(unpacked, 'usr', 'sbin', name);
  const path = which(name, ['/usr/sbin', '/usr/local/sbin']) ?? (existsSync(own) ? own : undefined);
  if (path === undefined) {
    const why = unpack(name, unpacked);
    if (why !== undefined) return { missing: why };
  }
  const program = path ?? own;
  const env: Record<string, string> = program === own ? { LD_LIBRARY_PATH: librariesIn(unpacked).join(':') } : {};
  try {
    return { path: program, env, version: versionOf(program, ['-v'], env) };
  } catch (error) {
    return { missing: `${name} does not run: ${reason(error)}` };
  }
}

/** Compiles load.c where there is a compiler and sources; once for each state of them. */
export function findLoadGenerator(): Tool | Missing {
  const sources = ['load.c', 'load-client.h'].map((file) => join(SOURCES, file));
  const [main = ''] = sources;
  if (process.platform !== 'linux' || !sources.every((file) => existsSync(file))) return { missing: 'no load.c here' };
  const compiler = which('cc', []) ?? which('gcc', []);
  if (compiler === undefined) return { missing: 'no C compiler (cc or gcc) here' };
  const path = join(WORK, 'load');
  try {
    const isFresh = existsSync(path) && sources.every((file) => statSync(file).mtimeMs < statSync(path).mtimeMs);
    if (!isFresh) {
      mkdirSync(WORK, { recursive: true });
      execFileSync(compiler, ['-O2', '-o', `${path}.new`, main], { stdio: 'pipe' });
      renameSync(`${path}.new`, path);
    }
    return { path, env: {}, version: `load.c, ${versionOf(compiler, ['--version'], {})}` };
  } catch (error) {
    return { missing: `load.c does not compile: ${reason(error)}` };
  }
}

/** First line of what a program says about itself. */
export function versionOf(program: string, args: readonly string[], env: Readonly<Record<string, string>>): string {
  // nginx says it on stderr.
  const command = `"$0" ${args.join(' ')} 2>&1`;
  const said = execFileSync('/bin/sh', ['-c', command, program], { env: { ...process.env, ...env }, encoding: 'utf8' });
  return (said.split('\n')[0] ?? '').trim();
}

/** @returns why it could not be had; undefined once it is there */
function unpack(name: keyof typeof PACKAGES, folder: string): string | undefined {
  if (which('apt-get', []) === undefined || which('dpkg', []) === undefined) return `${name} is not installed`;
  process.stderr.write(`bench: fetching ${name} with apt-get…\n`);
  const fresh = `${folder}.new`;
  try {
    rmSync(fresh, { recursive: true, force: true });
    mkdirSync(fresh, { recursive: true });
    execFileSync('apt-get', ['download', '-q', ...PACKAGES[name]], { cwd: fresh, stdio: 'pipe', timeout: 60_000 });
    for (const file of readdirSync(fresh).filter((one) => one.endsWith('.deb'))) {
      execFileSync('dpkg', ['-x', file, '.'], { cwd: fresh, stdio: 'pipe' });
      rmSync(join(fresh, file));
    }
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
    return undefined;
  } catch (error) {
    return `${name} is not installed and could not be fetched: ${reason(error)}`;
  }
}

function librariesIn(folder: string): string[] {
  const lib = join(folder, 'usr', 'lib');
  if (!existsSync(lib)) return [];
  return [lib, ...readdirSync(lib).map((name) => join(lib, name))].filter((path) => statSync(path).isDirectory());
}

function which(name: string, further: readonly string[]): string | undefined {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), ...further]) {
    if (folder === '') continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here; the next folder may have it.
    }
  }
  return undefined;
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const said = 'stderr' in error ? String(error.stderr) : '';
  return (said.trim().split('\n')[0] || error.message).slice(0, 200);
}
