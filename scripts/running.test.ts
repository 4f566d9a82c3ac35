import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { announceRunning, findRunning, withdrawRunning } from './running.ts';

describe('where the running cluster can be joined', () => {
  let folder = '';
  const file = () => join(folder, 'sub', 'running.json');

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bellhop-running-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('is found while the process that announced it lives, and by its owner alone', () => {
    expect(findRunning(file())).toBeUndefined();
    announceRunning('redis://127.0.0.1:7000', file());
    expect(findRunning(file())).toMatchObject({ redisUrl: 'redis://127.0.0.1:7000', urls: [] });
    const more = { urls: ['http://127.0.0.1:8080'], control: '/tmp/control', isRedisPrivate: true };
    announceRunning('redis://127.0.0.1:7000', file(), more);
    expect(findRunning(file())).toEqual({ pid: process.pid, redisUrl: 'redis://127.0.0.1:7000', ...more });
    expect(statSync(file()).mode & 0o077).toBe(0);
    withdrawRunning(file());
    expect(findRunning(file())).toBeUndefined();
  });

  it('is not found once that process is gone, nor in a file that is not whole', () => {
    announceRunning('redis://127.0.0.1:7000', file());
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    writeFileSync(file(), readFileSync(file(), 'utf8').replace(String(process.pid), String(gone)));
    expect(findRunning(file())).toBeUndefined();
    writeFileSync(file(), '{"pid":1');
    expect(findRunning(file())).toBeUndefined();
  });

  it('leaves what another process announced', () => {
    announceRunning('redis://127.0.0.1:7000', file());
    writeFileSync(file(), JSON.stringify({ pid: process.ppid, redisUrl: 'redis://127.0.0.1:7001' }));
    withdrawRunning(file());
    expect(findRunning(file())?.redisUrl).toBe('redis://127.0.0.1:7001');
  });
});
