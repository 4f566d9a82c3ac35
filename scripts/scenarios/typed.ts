/** Commands as they are typed, to their end. Owns: how the built command line is started, and what it said. Does not know: clusters. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type ClusterProcess, DIST, launchCommand, plainEnvironment, ROOT } from './processes.ts';

export interface Typed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The built command line, as run.mjs starts it once everything is prepared. */
export const RUN =
  process.env['BELLHOP_TEST_DIST'] === undefined ? join(ROOT, 'scripts', 'run.mjs') : join(DIST, 'run.mjs');

/** The same without looking whether it is built: a scenario types many commands. */
const MAIN = `
const { main } = await import(process.argv[1]);
const code = await main(process.argv.slice(2), { findRedisServer: () => 'redis-server' });
if (code !== undefined) process.exitCode = code;
`;
const SCRIPT = pathToFileURL(join(DIST, 'scripts', 'bellhop.js')).href;

const COMMAND_MS = 90_000;

const words = (argv: readonly string[]) => ['--input-type=module', '-e', MAIN, '--', SCRIPT, ...argv];

/** Starts `bellhop …` that is to live on. */
export function typeAndLeave(name: string, argv: readonly string[]): ClusterProcess {
  return launchCommand(name, [process.execPath, ...words(argv)], {});
}

/** Carries out `bellhop …` in a process of its own. */
export function typed(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Typed> {
  return new Promise((resolve) => {
    const options = {
      cwd: ROOT,
      env: { ...plainEnvironment(), ...env },
      timeout: COMMAND_MS,
      killSignal: 'SIGKILL',
    } as const;
    const child = execFile(process.execPath, words(argv), options, (_error, out, err) => {
      resolve({ code: child.exitCode ?? -1, out, err });
    });
  });
}
