/** A private Redis for tests. Owns: the child process, its port and its temporary directory. Does not know: what is stored.
 *  Listens on 127.0.0.1 only and persists nothing, so every restart begins an empty history under another run id.
 *  Invariant: no server started here outlives this process's `exit` event; each is ended by its own pid. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

export interface RedisServerOptions {
  /** Further arguments of redis-server, e.g. `['--maxmemory-policy', 'allkeys-lru']`. */
  readonly args?: readonly string[];
  /** A port that must be used; without it a random free one is found. */
  readonly port?: number;
  /** Starts a sentinel instead. */
  readonly sentinelOf?: SentinelOptions;
}

/** What a sentinel watches, and when it acts. */
export interface SentinelOptions {
  /** What it calls the primary. */
  readonly name: string;
  /** Of the primary. */
  readonly port: number;
  /** How many sentinels must find the primary gone; 1 by default. */
  readonly quorum?: number;
  /** A primary that has not answered for so long is gone; as Redis has it by default. */
  readonly downAfterMs?: number;
}

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Of the process that runs now; a restart changes it. */
  readonly pid: number;
  /** Ends the server and removes its directory. Safe to repeat. */
  stop(): Promise<void>;
  /** Ends the server as a crash would and waits until it is gone. */
  kill9(): Promise<void>;
  /** Kills what still runs and starts an empty server on the same port; `args` replaces the further arguments. */
  restart(options?: { readonly args?: readonly string[] }): Promise<void>;
  /** Stops (SIGSTOP) and continues (SIGCONT) the process: it keeps its connections and answers nothing meanwhile. */
  pause(): void;
  resume(): void;
}

/** Longest wait for the line that says the server is ready. */
const READY_MS = 15_000;
const PORT_ATTEMPTS = 20;
/** Below the kernel's ephemeral range, and low enough for a cluster bus at port + 10,000. */
const PORT_FROM = 20_000;
const PORT_BELOW = 32_000;

const running = new Set<ChildProcess>();
const directories = new Set<string>();
let exitHooked = false;

/** Starts a Redis (or Valkey) server of its own.
 *  @throws Error saying what to install, if neither is on the PATH and BELLHOP_TEST_REDIS_BIN is not set */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const binary = findBinary();
  hookExit();
  const directory = mkdtempSync(join(tmpdir(), 'bellhop-redis-'));
  directories.add(directory);
  const { sentinelOf } = options;
  let args = options.args ?? [];
  const mode = () => (sentinelOf === undefined ? dataMode(directory, args) : sentinelMode(directory, sentinelOf));
  let started: { child: ChildProcess; port: number };
  try {
    started = await launchSomewhere(binary, mode(), options.port);
  } catch (error) {
    removeDirectory(directory);
    throw error;
  }
  const { port } = started;
  let child = started.child;
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return child.pid ?? -1;
    },
    async stop() {
      await end(child);
      removeDirectory(directory);
    },
    kill9: () => end(child),
    async restart(next = {}) {
      args = next.args ?? args;
      await end(child);
      child = (await launchSomewhere(binary, mode(), port)).child;
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
  };
}

interface Mode {
  readonly argv: (port: number) => readonly string[];
  /** What the server says once it can be asked. */
  readonly ready: string;
}

function dataMode(directory: string, args: readonly string[]): Mode {
  const fixed = ['--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no'];
  return { argv: (port) => ['--port', String(port), ...fixed, ...args], ready: 'Ready to accept connections' };
}

function sentinelMode(directory: string, { name, port: watched, quorum, downAfterMs }: SentinelOptions): Mode {
  return {
    argv(port) {
      // A sentinel keeps what it learns in its configuration file and does not start without one.
      const file = join(directory, 'sentinel.conf');
      const lines = [
        `port ${port}`,
        'bind 127.0.0.1',
        `dir ${directory}`,
        `sentinel monitor ${name} 127.0.0.1 ${watched} ${quorum ?? 1}`,
        ...(downAfterMs === undefined ? [] : [`sentinel down-after-milliseconds ${name} ${downAfterMs}`]),
        // A vote that was split is held again after twice this.
        `sentinel failover-timeout ${name} 5000`,
      ];
      writeFileSync(file, `${lines.join('\n')}\n`);
      return [file, '--sentinel'];
    },
    ready: '+monitor master',
  };
}

async function launchSomewhere(
  binary: string,
  mode: Mode,
  fixedPort: number | undefined,
): Promise<{ child: ChildProcess; port: number }> {
  let lastError: unknown;
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
    const port = fixedPort ?? randomInt(PORT_FROM, PORT_BELOW);
    try {
      return { child: await launch(binary, mode, port), port };
    } catch (error) {
      lastError = error;
      if (!(error instanceof PortTaken)) throw error;
    }
  }
  throw new Error(`No free port for redis-server after ${PORT_ATTEMPTS} attempts`, { cause: lastError });
}

class PortTaken extends Error {}

function launch(binary: string, mode: Mode, port: number): Promise<ChildProcess> {
  const child = spawn(binary, mode.argv(port), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] },
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return new Promise((resolve, reject) => {
    // The tail of what the server says, kept for the error message.
    let said = '';
    const timer = setTimeout(() => {
      void end(child);
      reject(new Error(`redis-server was not ready after ${READY_MS} ms:\n${said}`));
    }, READY_MS);
    const hear = (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4_000);
      if (!said.includes(mode.ready)) return;
      clearTimeout(timer);
      child.stdout?.off('data', hear).resume();
      child.stderr?.off('data', hear).resume();
      resolve(child);
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('error', (error) => {
      clearTimeout(timer);
      running.delete(child);
      reject(error);
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      const taken = /address already in use|could not bind|failed listening/i.test(said);
      const text = `redis-server on port ${port} exited with ${code}:\n${said}`;
      reject(taken ? new PortTaken(text) : new Error(text));
    });
  });
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    // SIGKILL also ends a stopped process, and there is nothing to save.
    child.kill('SIGKILL');
  });
}

function findBinary(): string {
  const named = process.env['BELLHOP_TEST_REDIS_BIN'];
  if (named !== undefined && named !== '') return named;
  for (const name of ['redis-server', 'valkey-server']) {
    for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
      if (folder === '') continue;
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not here; the next folder may have it.
      }
    }
  }
  throw new Error(
    'These tests need a Redis of their own: install redis-server or valkey-server (6.2 or newer), or name one in BELLHOP_TEST_REDIS_BIN.',
  );
}

function hookExit(): void {
  if (exitHooked) return;
  exitHooked = true;
  process.once('exit', () => {
    for (const child of running) child.kill('SIGKILL');
    for (const directory of directories) removeDirectory(directory);
  });
}

function removeDirectory(directory: string): void {
  directories.delete(directory);
  rmSync(directory, { recursive: true, force: true });
}
