/** Where a bench ran and with what. Owns: looking that up. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { VERSION } from '../../shared/version.ts';
import { proxyTool } from './systems.ts';
import { type Missing, ROOT, type Tool } from './tools.ts';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly loadGenerator: string;
  /** Name → version, of all that took part. */
  readonly versions: Readonly<Record<string, string>>;
}

export function lookAtMachine(load: Tool | Missing, systems: readonly string[]): Machine {
  const versions: Record<string, string> = { Bellhop: VERSION, 'Node.js': process.versions.node };
  const redis = process.env['BELLHOP_TEST_REDIS_BIN'] || 'redis-server';
  versions['Redis'] = said(redis, ['--version']).replace(/^.*?v=(\S+).*$/, '$1');
  for (const name of ['nginx', 'haproxy'] as const) {
    if (!systems.includes(name)) continue;
    const tool = proxyTool(name);
    if (!('missing' in tool)) versions[name] = /\d+\.\d+[^\s,]*/.exec(tool.version)?.[0] ?? tool.version;
  }
  for (const name of ['ws', 'http-proxy', 'socket.io', '@socket.io/redis-adapter']) {
    const version = packageVersion(name);
    if (version !== undefined) versions[name] = version;
  }
  const [first] = cpus();
  return {
    processor: first?.model.trim() || 'unknown processor',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    loadGenerator: 'missing' in load ? `load-node.ts (${load.missing})` : load.version,
    versions,
  };
}

function packageVersion(name: string): string | undefined {
  try {
    const require = createRequire(join(ROOT, 'package.json'));
    // Not every package exports its package.json.
    const [folder] = require.resolve.paths(name) ?? [];
    const { version } = JSON.parse(readFileSync(join(folder ?? '', name, 'package.json'), 'utf8')) as {
      version: string;
    };
    return version;
  } catch {
    return undefined;
  }
}

function said(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, [...args], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}
