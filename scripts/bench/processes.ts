/** The processes of a bench: started, measured by the kernel's own accounting, ended by pid. Owns: those three. */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const TICKS_PER_SECOND = 100;
const READY_MS = 20_000;

export interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  /** The message by which it said that it is ready. */
  readonly ready: Readonly<Record<string, unknown>>;
}

/** Starts a compiled script of this build and waits until it says `ready`.
 *  @param path  below the build's root, e.g. `node/main.js`
 *  @throws Error when it ends or says nothing within 20 s */
export function start(path: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Started> {
  const script = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const child = fork(script, [...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${path} was not ready in time`));
    }, READY_MS);
    child.once('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`${path} ended with ${code} before it was ready`));
    });
    child.on('message', (message: unknown) => {
      if (typeof message !== 'object' || message === null || !('type' in message) || message.type !== 'ready') return;
      clearTimeout(timer);
      child.removeAllListeners('exit');
      resolve({ child, pid: child.pid ?? 0, ready: message as Readonly<Record<string, unknown>> });
    });
  });
}

export async function stop(started: readonly Started[]): Promise<void> {
  await Promise.all(
    started.map(
      ({ child }) =>
        new Promise<void>((resolve) => {
          if (child.exitCode !== null || child.signalCode !== null) return resolve();
          child.once('exit', () => resolve());
          child.kill('SIGKILL');
        }),
    ),
  );
}

/** User and system time of a process so far, microseconds, from /proc (10 ms resolution). */
export function cpuUs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_SECOND;
}

/** Resident memory of a process, bytes. */
export function rssBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? 0) * 1_024;
}
