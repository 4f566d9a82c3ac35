/** The processes of a bench: started, measured by the kernel's own accounting, ended by pid. Owns: those three.
 *  Invariant: nothing started here outlives this process' `exit` event. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const TICKS_PER_SECOND = 100;
const READY_MS = 20_000;

export interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  /** The message by which it said that it is ready; empty for a program that says nothing. */
  readonly ready: Readonly<Record<string, unknown>>;
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Notes a child so that it ends with this process. */
export function keep(child: ChildProcess): ChildProcess {
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** This environment without settings of Bellhop's, which would make a run differ from what its page says. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('BELLHOP_')));
}

/** Starts a compiled script of this build and waits until it says `ready`.
 *  @param path  below the build's root, e.g. `node/main.js`
 *  @throws Error when it ends or says nothing within 20 s */
export function start(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  execArgv: readonly string[] = [],
): Promise<Started> {
  const script = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const child = keep(
    fork(script, [...args], {
      env: { ...cleanEnvironment(), ...env },
      execArgv: [...execArgv],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    }),
  );
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${path} was not ready in time`));
    }, READY_MS);
    const ended = (code: number | null): void => {
      clearTimeout(timer);
      reject(new Error(`${path} ended with ${code} before it was ready`));
    };
    child.once('exit', ended);
    child.on('message', (message: unknown) => {
      if (typeof message !== 'object' || message === null || !('type' in message) || message.type !== 'ready') return;
      clearTimeout(timer);
      child.off('exit', ended);
      resolve({ child, pid: child.pid ?? 0, ready: message as Readonly<Record<string, unknown>> });
    });
  });
}

/** Starts a program that listens on a given port and waits until it does.
 *  @throws Error with what it wrote, when it ends or does not listen within 20 s */
export async function startProgram(
  command: string,
  args: readonly string[],
  port: number,
  env: Readonly<Record<string, string>> = {},
): Promise<Started> {
  const child = keep(
    spawn(command, args, { env: { ...cleanEnvironment(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] }),
  );
  let said = '';
  const hear = (chunk: Buffer): void => {
    said = (said + chunk.toString()).slice(-2_000);
  };
  child.stdout?.on('data', hear);
  child.stderr?.on('data', hear);
  let failure: string | undefined;
  child.once('error', (error) => {
    failure = error.message;
  });
  for (let waited = 0; waited < READY_MS; waited += 50) {
    if (failure !== undefined || child.exitCode !== null) break;
    if (await answers(port)) return { child, pid: child.pid ?? 0, ready: { port } };
    await sleep(50);
  }
  child.kill('SIGKILL');
  throw new Error(`${command} did not start: ${failure ?? said.trim()}`);
}

/** Ends processes: a Node process by closing its channel, which gives it time to write a profile, another by a signal, so that it
 *  takes its children along; what is not gone after 2 s is killed. */
export async function stop(started: readonly Started[]): Promise<void> {
  await Promise.all(
    started.map(async ({ child, pid }) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const family = familyOf([pid]).filter((one) => one !== pid);
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      if (child.connected) child.disconnect();
      else child.kill('SIGTERM');
      await Promise.race([gone, sleep(2_000, undefined, { ref: false })]);
      child.kill('SIGKILL');
      await gone;
      for (const one of familyOf(family)) end(one);
    }),
  );
}

/** A port of 127.0.0.1 that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** CPU and memory of processes and all their descendants. */
export interface Usage {
  /** User and system time so far, microseconds, from /proc (resolution 10 ms a process). */
  readonly cpuUs: number;
  /** Resident memory, bytes. */
  readonly rssBytes: number;
}

export function usageOf(roots: readonly number[]): Usage {
  let cpuUs = 0;
  let rssBytes = 0;
  for (const pid of familyOf(roots)) {
    const fields = statOf(pid);
    if (fields === undefined) continue;
    cpuUs += ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_SECOND;
    rssBytes += rssOf(pid);
  }
  return { cpuUs, rssBytes };
}

/** User and system time of one process so far, microseconds, of all its threads that live, as the scheduler counts it: exact where
 *  `usageOf` knows ticks of 10 ms. */
export function exactCpuUs(pid: number): number {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
  }
  return ns / 1_000;
}

/** Time that all processors of the machine have been busy, microseconds. */
export function machineBusyUs(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line.trim().split(/\s+/).slice(1).map(Number);
  return ((user + nice + system + irq + softirq) * 1e6) / TICKS_PER_SECOND;
}

function familyOf(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  const alive = new Set<number>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const fields = Number.isInteger(pid) ? statOf(pid) : undefined;
    if (fields === undefined) continue;
    alive.add(pid);
    const parent = Number(fields[1]);
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  const family: number[] = [];
  const queue = roots.filter((pid) => alive.has(pid));
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    family.push(pid);
    queue.push(...(children.get(pid) ?? []));
  }
  return family;
}

/** Fields of /proc/pid/stat from the state on; undefined once it is gone. */
function statOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

function rssOf(pid: number): number {
  try {
    const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(line?.[1] ?? 0) * 1_024;
  } catch {
    return 0;
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
