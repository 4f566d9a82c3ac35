/** Memory by the kernel's own accounts. Owns: reading them. Does not know: whose processes or clients these are.
 *  Of user memory the proportional size (PSS) counts a page shared by several processes once, the resident size once for each. */
import { readFileSync } from 'node:fs';

export interface UserMemory {
  readonly rssBytes: number;
  readonly pssBytes: number;
}

export interface KernelMemory {
  /** What programs could still get. */
  readonly availableBytes: number;
  /** The kernel's own objects: sockets, files, inodes and what waits in sockets. */
  readonly slabBytes: number;
  /** Pages that TCP accounts for what waits in its sockets. */
  readonly tcpBytes: number;
  /** Bytes by kind of object; empty where it may not be read. */
  readonly caches: ReadonlyMap<string, number>;
}

const PAGE = 4_096;

/** Of these processes together; one that has ended counts for nothing. */
export function userMemory(pids: readonly number[]): UserMemory {
  let rssBytes = 0;
  let pssBytes = 0;
  for (const pid of pids) {
    const text = read(`/proc/${pid}/smaps_rollup`);
    rssBytes += kilobytes(text, 'Rss');
    pssBytes += kilobytes(text, 'Pss');
  }
  return { rssBytes, pssBytes };
}

export function kernelMemory(): KernelMemory {
  const info = read('/proc/meminfo');
  const tcp = /^TCP:.* mem (\d+)/m.exec(read('/proc/net/sockstat'));
  const caches = new Map<string, number>();
  for (const line of read('/proc/slabinfo').split('\n').slice(2)) {
    const [name = '', , total, size] = line.split(/\s+/);
    if (name !== '') caches.set(name, Number(total) * Number(size));
  }
  return {
    availableBytes: kilobytes(info, 'MemAvailable'),
    slabBytes: kilobytes(info, 'Slab'),
    tcpBytes: Number(tcp?.[1] ?? 0) * PAGE,
    caches,
  };
}

/** The kinds of objects that grew most, largest first. */
export function grownCaches(before: KernelMemory, after: KernelMemory, most: number): [name: string, bytes: number][] {
  return [...after.caches]
    .map(([name, bytes]): [string, number] => [name, bytes - (before.caches.get(name) ?? 0)])
    .filter(([, bytes]) => bytes > 0)
    .sort(([, a], [, b]) => b - a)
    .slice(0, most);
}

function kilobytes(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1_024;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
