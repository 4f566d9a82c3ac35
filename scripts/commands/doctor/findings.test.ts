import { describe, expect, it } from 'vitest';
import { plainOf } from '../text.ts';
import { renderFindings } from './doctor.ts';
import {
  type Expectations,
  type HostFacts,
  hostFindings,
  mustChange,
  type RedisFacts,
  redisFindings,
} from './findings.ts';
import { readAvailable, readHost, readOpenFiles, readRange } from './host.ts';
import { described, readInfo, readSettings } from './redis.ts';

const GIB = 1_073_741_824;
const HOST: HostFacts = {
  nodeVersion: '22.11.0',
  nodeVersionMin: [20, 19],
  openFilesMax: 20_000,
  somaxconn: 4_096,
  portRange: [32_768, 60_999],
  memoryTotalBytes: 8 * GIB,
  memoryAvailableBytes: 4 * GIB,
  memoryLimitBytes: undefined,
  cores: 2,
};
const REDIS: RedisFacts = {
  ...{ address: '10.0.0.1:6379', version: '7.2.4', role: 'master', maxmemoryPolicy: 'noeviction', maxmemoryBytes: 0 },
  ...{ usedBytes: 1_000, appendonly: true, appendfsync: 'everysec', save: '', lastSaveFailed: false, replicas: 1 },
  latency: { p50Ms: 0.3, maxMs: 4 },
  clock: { offsetMs: -20, withinMs: 1 },
};
const EXPECTED: Expectations = { clients: 10_000, commandTimeoutMs: 400, replicasWanted: 1, isRedisPrivate: false };

describe('doctor', () => {
  it('has nothing to say against a machine and a Redis that are well', () => {
    const findings = [...hostFindings(HOST, EXPECTED), ...redisFindings(REDIS, EXPECTED)];
    expect(findings.filter(({ level }) => level !== 'ok')).toEqual([]);
    expect(mustChange(findings)).toBe(false);
    expect(renderFindings(findings).map(plainOf).at(-1)).toBe('Nothing must change; 0 could be better.');
  });

  it.each<[string, Partial<HostFacts>, 'advice' | 'change', RegExp]>([
    ['Node.js', { nodeVersion: '20.18.3' }, 'change', /too old: 20\.19/],
    ['Node.js', { nodeVersion: '23.1.0' }, 'advice', /without long support/],
    ['open files', { openFilesMax: 1_024 }, 'change', /1,024 is less than 10,000/],
    ['net.core.somaxconn', { somaxconn: 128 }, 'change', /cuts the queue/],
    ['net.core.somaxconn', { somaxconn: 1_024 }, 'advice', /little for a herd/],
    ['net.ipv4.ip_local_port_range', { portRange: [50_000, 60_000] }, 'advice', /10,001 ports/],
    ['memory', { memoryAvailableBytes: 50_000_000 }, 'change', /47\.7 MiB are free/],
    ['memory', { memoryLimitBytes: 64_000_000 }, 'change', /bounded to 61\.0 MiB/],
  ])('finds fault with %s: %j', (about, change, level, says) => {
    const found = hostFindings({ ...HOST, ...change }, EXPECTED).find((finding) => finding.about === about);
    expect(found).toMatchObject({ level, says: expect.stringMatching(says), command: expect.any(String) });
  });

  it.each<[string, Partial<RedisFacts>, 'advice' | 'change', RegExp]>([
    ['version', { version: '6.0.16' }, 'change', /too old/],
    ['eviction', { maxmemoryPolicy: 'allkeys-lru' }, 'change', /may drop a room’s record/],
    ['eviction', { maxmemoryBytes: 1_100 }, 'change', /of maxmemory/],
    ['persistence', { appendonly: false, save: '' }, 'change', /forgets every message/],
    ['persistence', { appendonly: false, save: '3600 1' }, 'advice', /snapshots alone/],
    ['persistence', { appendfsync: 'no' }, 'advice', /up to 30 s/],
    ['persistence', { lastSaveFailed: true }, 'change', /failed/],
    ['replicas', { replicas: 0 }, 'change', /nodes fall silent/],
    ['latency', { latency: { p50Ms: 1, maxMs: 250 } }, 'change', /heartbeats fail at 400 ms/],
    ['latency', { latency: { p50Ms: 8, maxMs: 9 } }, 'advice', /waits for it/],
    ['clock', { clock: { offsetMs: 9_000, withinMs: 1 } }, 'change', /ahead of this machine/],
    ['clock', { clock: { offsetMs: -900, withinMs: 1 } }, 'advice', /behind this machine/],
  ])('finds fault with a Redis’ %s: %j', (about, change, level, says) => {
    const found = redisFindings({ ...REDIS, ...change }, EXPECTED).find((finding) =>
      finding.about.endsWith(`: ${about}`),
    );
    expect(found).toMatchObject({ level, says: expect.stringMatching(says) });
    if (level === 'change') expect(found?.command).toBeDefined();
  });

  it('takes a Redis that cannot be asked for one that must change, and a private one as it is meant', () => {
    const gone = redisFindings({ address: 'x:1', unreachable: 'ECONNREFUSED' }, EXPECTED);
    expect(mustChange(gone)).toBe(true);
    const forgetful = { ...REDIS, appendonly: false, save: '' };
    expect(mustChange(redisFindings(forgetful, { ...EXPECTED, isRedisPrivate: true }))).toBe(false);
  });

  it('reads what the system and Redis say of themselves', () => {
    expect(readOpenFiles('Max open files            1024                 524288               files     \n')).toBe(
      524_288,
    );
    expect(readOpenFiles('Max open files            unlimited            unlimited            files\n')).toBe(
      Number.POSITIVE_INFINITY,
    );
    expect(readOpenFiles(undefined)).toBeUndefined();
    expect(readRange('32768\t60999\n')).toEqual([32_768, 60_999]);
    expect(readAvailable('MemTotal:  10 kB\nMemAvailable:  4 kB\n')).toBe(4_096);
    expect(readHost([20, 19]).memoryTotalBytes).toBeGreaterThan(0);
    const info = readInfo(
      '# Server\r\nredis_version:7.0.15\r\nrole:master\r\nused_memory:12\r\naof_enabled:1\r\naof_last_write_status:err\r\nconnected_slaves:2\r\n',
    );
    expect(described(info, readSettings(['maxmemory-policy', 'noeviction', 'save', '']))).toMatchObject({
      ...{ version: '7.0.15', usedBytes: 12, appendonly: true, lastSaveFailed: true, replicas: 2, save: '' },
      maxmemoryPolicy: 'noeviction',
    });
    // A rented Redis may forbid CONFIG.
    expect(described(info, readSettings('nope'))).toMatchObject({ appendonly: true, save: undefined });
  });
});
