import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { isProcessGone, parseStat, processFacts } from './host-facts.ts';

describe('parseStat', () => {
  const rest = '1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21';

  it.each(['(node)', '(a b)', '(x) R 1 (y)', '(\n)', '())'])('counts fields after the name %j', (name) => {
    expect(parseStat(`42 ${name} S ${rest}\n`)).toEqual({ state: 'S', startTime: '987654' });
  });

  it.each(['', '42 (node) S 1 2', `42 (node) S ${rest.replace('987654', 'x')}`])('refuses %j', (text) => {
    expect(parseStat(text)).toBeUndefined();
  });
});

describe.runIf(process.platform === 'linux')('processes of this host', () => {
  const children: ChildProcess[] = [];

  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });

  /** A process that says it has started, and its facts. */
  async function started() {
    const child = spawn(process.execPath, ['-e', 'console.log("up"); setInterval(() => {}, 1e6)'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    children.push(child);
    await once(child.stdout, 'data');
    const pid = child.pid ?? 0;
    const pidStart = parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.startTime ?? '';
    return { child, facts: { ...processFacts(), pid, pidStart } };
  }

  it('are named by more than a pid', () => {
    const facts = processFacts();
    expect(facts.pid).toBe(process.pid);
    expect(facts.pidStart).toMatch(/^[0-9]+$/);
    expect(facts.bootId).toMatch(/^[0-9a-f-]{36}$/);
    expect(facts.pidNamespace).toMatch(/^pid:\[[0-9]+\]/);
    expect(processFacts()).toEqual(facts);
    expect(isProcessGone(facts)).toBe('alive');
  });

  it('are alive until the kernel has no more of them', async () => {
    const { child, facts } = await started();
    expect(isProcessGone(facts)).toBe('alive');
    child.kill('SIGSTOP');
    expect(isProcessGone(facts)).toBe('alive');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isProcessGone(facts)).toBe('gone');
  });

  it('are gone where another has their pid', async () => {
    const { facts } = await started();
    expect(isProcessGone({ ...facts, pidStart: `${Number(facts.pidStart) - 1}` })).toBe('gone');
  });

  it('are unknown where another boot, another container or nothing is named', async () => {
    const { child, facts } = await started();
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isProcessGone({ ...facts, bootId: '00000000-0000-0000-0000-000000000000' })).toBe('unknown');
    expect(isProcessGone({ ...facts, pidNamespace: 'pid:[1]' })).toBe('unknown');
    for (const field of ['bootId', 'pidNamespace', 'pidStart']) {
      expect(isProcessGone({ ...facts, [field]: '' })).toBe('unknown');
    }
    for (const pid of [0, -1, 1.5, Number.NaN]) expect(isProcessGone({ ...facts, pid })).toBe('unknown');
  });

  it('are not called gone while they are zombies', async () => {
    // The shell's child ends at once; the shell becomes a program that never reaps it.
    const parent = spawn('/bin/sh', ['-c', 'sh -c "echo \\$\\$; read line" & exec sleep 1000'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    children.push(parent);
    const [line] = await once(parent.stdout, 'data');
    const pid = Number(String(line));
    let stat = parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    while (stat?.state !== 'Z') {
      await new Promise((resolve) => setImmediate(resolve));
      stat = parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    }
    expect(isProcessGone({ ...processFacts(), pid, pidStart: stat.startTime })).toBe('unknown');
  });
});
