import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { startWorker, type Worker } from './worker.ts';

const folder = mkdtempSync(join(tmpdir(), 'bellhop-worker-'));
const script = join(folder, 'worker.mjs');
writeFileSync(
  script,
  `
  console.log('argv', process.argv.slice(2).join(' '));
  console.error('secret', process.env.BELLHOP_SECRET);
  process.on('SIGTERM', () => process.exit(0));
  process.on('message', (message) => {
    if (message.type === 'reload') console.log('reload');
    if (message.type === 'stop') process.exit(7);
  });
  process.on('disconnect', () => process.exit(8));
  process.send({ type: 'other' });
  process.send({ type: 'ready', link: '127.0.0.1:1' });
  `,
);
const started: Worker[] = [];

function start(path = script) {
  const lines: string[] = [];
  const env = { ...process.env, BELLHOP_SECRET: 'handed-on' };
  const worker = startWorker({ script: path, argv: ['--id=n1'], env, onLine: (line) => lines.push(line) });
  started.push(worker);
  const ready = new Promise<Readonly<Record<string, unknown>>>((resolve) => worker.onReady(resolve));
  return { worker, lines, ready };
}

afterEach(async () => {
  for (const worker of started) worker.kill();
  await Promise.all(started.splice(0).map((worker) => worker.exited));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('startWorker', () => {
  it('hands argv and environment on, and hears readiness and output', async () => {
    const { worker, lines, ready } = start();
    expect(await ready).toEqual({ type: 'ready', link: '127.0.0.1:1' });
    worker.drain();
    expect(await worker.exited).toEqual({ code: 0, signal: null });
    await expect.poll(() => [...lines].sort()).toEqual(['argv --id=n1', 'secret handed-on']);
  });

  it('58 has it read its files again, also one that has only just begun', async () => {
    const { worker, lines, ready } = start();
    worker.reload();
    await ready;
    worker.reload();
    await expect.poll(() => lines.filter((line) => line === 'reload').length).toBe(2);
  });

  it('stops at once when told, and stopping what is gone does nothing', async () => {
    const { worker, ready } = start();
    await ready;
    worker.stop();
    expect((await worker.exited).code).toBe(7);
    worker.stop();
    worker.drain();
  });

  it('tells of a death by signal, once the process is reaped', async () => {
    const { worker, ready } = start();
    await ready;
    worker.kill();
    expect(await worker.exited).toEqual({ code: null, signal: 'SIGKILL' });
    expect(() => process.kill(worker.pid, 0)).toThrow(/ESRCH/);
  });

  it('takes a script that is not there for one that crashed', async () => {
    expect((await start(join(folder, 'none.mjs')).worker.exited).code).toBe(1);
  });
});
