/** Real processes of a scenario: forked with an IPC channel, as their supervisor forks them. Owns: each child, the tail of what it said,
 *  and its end. Does not know: nodes, routers, rooms.
 *  Invariant: no process started here outlives this process's `exit` event; each is ended by its own pid. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keepOutput } from './planted.ts';

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const READY_MS = 30_000;
const LINES_MAX = 400;

const running = new Set<ChildProcess>();
let exitHooked = false;

/** The checkout, and the build in it: this file runs from either. BELLHOP_TEST_DIST names another build. */
const COMPILED = import.meta.url.endsWith('.js');
const ABOVE = fileURLToPath(new URL('../..', import.meta.url));
export const ROOT = COMPILED ? dirname(ABOVE) : ABOVE;
export const DIST = process.env['BELLHOP_TEST_DIST'] ?? (COMPILED ? ABOVE : join(ROOT, 'dist'));

export class ClusterProcess {
  readonly name: string;
  readonly pid: number;
  readonly exited: Promise<ProcessExit>;
  /** What the process said when it began to serve; rejects when it ended before. */
  readonly ready: Promise<Readonly<Record<string, unknown>>>;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #exit: ProcessExit | undefined;

  constructor(name: string, child: ChildProcess) {
    hookExit();
    running.add(child);
    this.name = name;
    this.#child = child;
    this.pid = child.pid ?? -1;
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => this.#hear(chunk));
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        running.delete(child);
        this.#exit = { code, signal };
        resolve({ code, signal });
      });
    });
    this.ready = this.#whenReady();
    this.ready.catch(() => undefined);
  }

  /** How it ended; undefined while it runs. */
  get exit(): ProcessExit | undefined {
    return this.#exit;
  }

  /** The last lines of its output. */
  get said(): string {
    return this.#lines.join('\n');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it at once, stopped or not. */
  async kill(): Promise<void> {
    if (this.#exit === undefined) this.#child.kill('SIGKILL');
    await this.exited;
  }

  #hear(chunk: Buffer): void {
    keepOutput(this.name, this.pid, chunk);
    for (const line of chunk.toString().split('\n')) if (line !== '') this.#lines.push(line);
    if (this.#lines.length > LINES_MAX) this.#lines.splice(0, this.#lines.length - LINES_MAX);
  }

  #whenReady(): Promise<Readonly<Record<string, unknown>>> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.name} was not ready in time:\n${this.said}`)), READY_MS);
      void this.exited.then(({ code, signal }) => {
        clearTimeout(timer);
        reject(new Error(`${this.name} ended (${code ?? signal}) before it was ready:\n${this.said}`));
      });
      this.#child.on('message', (message: unknown) => {
        if (typeof message !== 'object' || message === null || !('type' in message) || message.type !== 'ready') return;
        clearTimeout(timer);
        resolve(message as Readonly<Record<string, unknown>>);
      });
    });
  }
}

/** In every scenario code is made of files alone: what made some of a text would throw. */
const NO_CODE_FROM_TEXT = '--disallow-code-generation-from-strings';

/** Starts a compiled script of the build. @param flags  of Node's */
export function launch(
  name: string,
  script: string,
  argv: readonly string[],
  flags: readonly string[] = [],
): ClusterProcess {
  const path = join(DIST, script);
  if (!existsSync(path)) throw new Error(`${path} is missing: run "npm run build" first`);
  const child = fork(path, [...argv], {
    env: plainEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    execArgv: [NO_CODE_FROM_TEXT, ...flags],
  });
  return new ClusterProcess(name, child);
}

/** Starts a command of the checkout, without a channel, as a person would. */
export function launchCommand(
  name: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): ClusterProcess {
  const [program = '', ...rest] = argv;
  return new ClusterProcess(
    name,
    spawn(program, rest, {
      cwd: ROOT,
      env: { ...plainEnvironment(), NODE_OPTIONS: NO_CODE_FROM_TEXT, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
}

/** This environment without what would configure a cluster. */
export function plainEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('BELLHOP_') || name === 'BELLHOP_TEST_REDIS_BIN'),
  );
}

function hookExit(): void {
  if (exitHooked) return;
  exitHooked = true;
  process.once('exit', () => {
    for (const child of running) child.kill('SIGKILL');
  });
}
