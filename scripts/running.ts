/** Where the cluster that `npm start` runs can be joined. Owns: one small file in the checkout, readable by its owner alone. Does
 *  not know: how to run or join a cluster. Two clusters of one checkout: the later one is the one that is found. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const FILE = fileURLToPath(new URL('../../.bellhop/running.json', import.meta.url));

/** A cluster that runs from here. */
export interface Running {
  readonly pid: number;
  readonly redisUrl: string;
  /** Whether that Redis lives and dies with the cluster. */
  readonly isRedisPrivate: boolean;
  /** `http://host:port` of each router; none before they serve. */
  readonly urls: readonly string[];
  /** Where its supervisor takes orders (control-socket.ts). */
  readonly control: string | undefined;
}

/** Says that this process runs a cluster on that Redis. A checkout that cannot be written to goes without.
 *  @param more  what is known of it so far: said again, it takes the place of what was said before */
export function announceRunning(redisUrl: string, file = FILE, more: Partial<Running> = {}): void {
  const running = { ...more, pid: process.pid, redisUrl };
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(running), { mode: 0o600 });
  } catch {
    // Joining then takes a --redis-url.
  }
}

/** Takes back what this process announced. */
export function withdrawRunning(file = FILE): void {
  if (read(file)?.pid === process.pid) rmSync(file, { force: true });
}

/** The cluster that runs from this checkout now; undefined when none does. */
export function findRunning(file = FILE): Running | undefined {
  const running = read(file);
  return running !== undefined && isAlive(running.pid) ? running : undefined;
}

function read(file: string): Running | undefined {
  try {
    const value = JSON.parse(readFileSync(file, 'utf8')) as Partial<Running>;
    const { pid, redisUrl, isRedisPrivate, urls, control } = value;
    if (typeof pid !== 'number' || typeof redisUrl !== 'string') return undefined;
    return {
      ...{ pid, redisUrl, isRedisPrivate: isRedisPrivate === true },
      urls: Array.isArray(urls) ? urls.filter((url) => typeof url === 'string') : [],
      control: typeof control === 'string' ? control : undefined,
    };
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
