/** What stands beside a cluster in a scenario: a program of the system with a folder of its own. Owns: the folder, free ports, and the end
 *  of both. Does not know: what the program is for. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClusterProcess, launchCommand } from './processes.ts';
import { Hopeless, until } from './wait.ts';

/** A port of this machine that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

export class Beside {
  readonly folder = mkdtempSync(join(tmpdir(), 'bellhop-beside-'));
  readonly #processes: ClusterProcess[] = [];

  /** Writes a file of the folder. @returns its path */
  file(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** Starts a program and waits until it takes connections on the port. */
  async start(name: string, argv: readonly string[], port: number): Promise<ClusterProcess> {
    const started = launchCommand(name, argv, {});
    this.#processes.push(started);
    await until(`${name} listens`, async () => {
      if (started.exit !== undefined) throw new Hopeless(`${name} ended:\n${started.said}`);
      return await takesConnections(port);
    });
    return started;
  }

  said(): string {
    return this.#processes.map(({ name, said }) => `--- ${name}\n${said}`).join('\n');
  }

  /** Ends what was started, in order: a program with children of its own ends them only so. Then by force. */
  async stop(): Promise<void> {
    for (const one of this.#processes) if (one.exit === undefined) one.signal('SIGTERM');
    await Promise.all(
      this.#processes.map((one) => until(`${one.name} ends`, () => one.exit, 3_000).catch(() => one.kill())),
    );
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
