/** This machine, as far as Bellhop cares. Owns: reading /proc, cgroups and what Node tells. What cannot be read is undefined. */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import type { HostFacts } from './findings.ts';

export function readHost(nodeVersionMin: readonly [number, number]): HostFacts {
  const memory = attempt('/proc/meminfo') ?? '';
  return {
    nodeVersion: process.versions.node,
    nodeVersionMin,
    openFilesMax: readOpenFiles(attempt('/proc/self/limits')),
    somaxconn: numberFrom(attempt('/proc/sys/net/core/somaxconn')),
    portRange: readRange(attempt('/proc/sys/net/ipv4/ip_local_port_range')),
    memoryTotalBytes: totalmem(),
    memoryAvailableBytes: readAvailable(memory) ?? totalmem(),
    memoryLimitBytes: readLimit(),
    cores: availableParallelism(),
  };
}

/** The hard limit: Node raises the soft one to it when it starts. */
export function readOpenFiles(limits: string | undefined): number | undefined {
  const [, most = ''] = /^Max open files +\S+ +(\S+)/m.exec(limits ?? '') ?? [];
  if (most === 'unlimited') return Number.POSITIVE_INFINITY;
  return numberFrom(most);
}

export function readRange(text: string | undefined): readonly [number, number] | undefined {
  const [, first, last] = /^(\d+)\s+(\d+)/.exec(text ?? '') ?? [];
  return first === undefined || last === undefined ? undefined : [Number(first), Number(last)];
}

export function readAvailable(meminfo: string): number | undefined {
  const [, kib] = /^MemAvailable: +(\d+) kB/m.exec(meminfo) ?? [];
  return kib === undefined ? undefined : Number(kib) * 1_024;
}

/** Of the control group, version 2 or 1; a bound beyond the machine's memory is none. */
function readLimit(): number | undefined {
  for (const path of ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']) {
    const bound = numberFrom(attempt(path));
    if (bound !== undefined && bound < totalmem()) return bound;
  }
  return undefined;
}

function numberFrom(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? '';
  return /^\d+$/.test(trimmed) ? Number(trimmed) : undefined;
}

function attempt(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
