/** A Redis of this command's own, for `npm start` without one. Owns: the server's process, port and temporary folder. Does not
 *  know: what is stored.
 *  It listens on 127.0.0.1, evicts nothing and persists nothing: after a restart it is empty, and the nodes put back what they
 *  hold. It stands outside of this process' group, since Ctrl-C must not end it before the nodes; a keeper (a shell that waits for
 *  this process' end) takes it along if this process is killed.
 *  Invariant: after `stop`, and after this process' end however it came, neither server nor folder is left. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { foreignEnvironment } from '../shared/config.ts';
import { RestartBackoff } from './restart-backoff.ts';

const READY_MS = 15_000;
const STOP_MS = 1_000;
const PORT_ATTEMPTS = 20;
/** Below the ephemeral range of Linux and of BSD. */
const PORT_FROM = 20_000;
const PORT_BELOW = 32_000;

export interface PrivateRedisOptions {
  /** Program to run. */
  readonly server: string;
  /** One sentence for each change of state after the start. */
  readonly say: (sentence: string) => void;
}

interface Running {
  readonly server: ChildProcess;
  readonly keeper: ChildProcess;
  readonly exited: Promise<unknown>;
}

export class PrivateRedis {
  /** Shell script of the keeper: its standard input ends with this process. Arguments: the server's pid and the folder. */
  static readonly keeper = 'cat > /dev/null; kill -9 "$1" 2> /dev/null; rm -rf -- "$2"';

  readonly #options: PrivateRedisOptions;
  readonly #folder = mkdtempSync(join(tmpdir(), 'bellhop-'));
  readonly #backoff = new RestartBackoff(200);
  readonly #onExit = () => this.killNow();
  #port = 0;
  #running: Running | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped: Promise<void> | undefined;

  /** Starts a server and waits until it serves.
   *  @throws Error if the program cannot be run or says why it does not start */
  static async start(options: PrivateRedisOptions): Promise<PrivateRedis> {
    const redis = new PrivateRedis(options);
    try {
      await redis.#launchSomewhere();
    } catch (error) {
      await redis.stop();
      throw error;
    }
    return redis;
  }

  private constructor(options: PrivateRedisOptions) {
    this.#options = options;
    process.once('exit', this.#onExit);
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`;
  }

  get pid(): number | undefined {
    return this.#running?.server.pid;
  }

  get folder(): string {
    return this.#folder;
  }

  /** Ends the server and removes its folder. Safe to repeat. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** The same at once, for a process' last moments. */
  killNow(): void {
    clearTimeout(this.#timer);
    this.#stopped ??= Promise.resolve();
    this.#running?.server.kill('SIGKILL');
    this.#running?.keeper.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#timer);
    const running = this.#running;
    if (running !== undefined) {
      running.server.kill('SIGTERM');
      const timer = setTimeout(() => running.server.kill('SIGKILL'), STOP_MS);
      await running.exited;
      clearTimeout(timer);
    }
    rmSync(this.#folder, { recursive: true, force: true });
    process.off('exit', this.#onExit);
  }

  async #launchSomewhere(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      this.#port = randomInt(PORT_FROM, PORT_BELOW);
      try {
        return await this.#launch();
      } catch (error) {
        if (!(error instanceof PortTaken) || attempt === PORT_ATTEMPTS) throw error;
      }
    }
  }

  async #launch(): Promise<void> {
    const running = spawnServer(this.#options.server, this.#port, this.#folder);
    this.#running = running;
    try {
      await untilReady(running.server, running.exited);
    } catch (error) {
      running.server.kill('SIGKILL');
      await running.exited;
      this.#running = undefined;
      throw error;
    }
    const began = performance.now();
    void running.exited.then(() => {
      this.#running = undefined;
      if (this.#stopped === undefined) this.#relaunch(performance.now() - began);
    });
  }

  #relaunch(lifeMs: number): void {
    const pauseMs = this.#backoff.pauseAfter(lifeMs);
    this.#options.say(`the private Redis died; starting an empty one on the same port in ${pauseMs} ms`);
    this.#timer = setTimeout(() => {
      this.#launch().then(
        () => this.#options.say('the private Redis is back, empty'),
        (error: unknown) => {
          if (this.#stopped !== undefined) return;
          this.#options.say(
            `the private Redis did not start: ${error instanceof Error ? error.message : String(error)}`,
          );
          this.#relaunch(0);
        },
      );
    }, pauseMs);
  }
}

class PortTaken extends Error {}

function spawnServer(program: string, port: number, folder: string): Running {
  const env = foreignEnvironment();
  const network = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder];
  const server = spawn(
    program,
    [...network, '--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction', '--loglevel', 'notice'],
    { stdio: ['ignore', 'pipe', 'pipe'], detached: true, cwd: folder, env },
  );
  const keeper = spawn('/bin/sh', ['-c', PrivateRedis.keeper, 'bellhop-keeper', String(server.pid ?? 'none'), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    env,
  });
  keeper.on('error', () => undefined);
  keeper.stdin.on('error', () => undefined);
  const exited = new Promise((resolve) => {
    server.once('exit', resolve);
    server.once('error', resolve);
  }).then(() => keeper.kill('SIGKILL'));
  return { server, keeper, exited };
}

function untilReady(server: ChildProcess, exited: Promise<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    // The tail of what the server says, kept for the error.
    let said = '';
    const timer = setTimeout(() => reject(new Error(`it was not ready after ${READY_MS} ms`)), READY_MS);
    server.once('error', (error) => reject(error));
    for (const stream of [server.stdout, server.stderr]) {
      const hear = (chunk: Buffer) => {
        said = (said + chunk.toString()).slice(-4_000);
        if (!said.includes('Ready to accept connections')) return;
        clearTimeout(timer);
        // Read on, so that a full pipe never stops the server.
        stream?.off('data', hear).resume();
        resolve();
      };
      stream?.on('data', hear);
    }
    void exited.then(() => {
      clearTimeout(timer);
      const lastLine = said.trim().split('\n').at(-1) || 'without a word';
      const taken = /address already in use|could not bind|failed listening/i.test(said);
      reject(taken ? new PortTaken(`its port is taken, ${lastLine}`) : new Error(`it ended, ${lastLine}`));
    });
  });
}
