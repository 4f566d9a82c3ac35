import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { plainRedis } from '../shared/testing/redis-client.ts';
import { PrivateRedis } from './private-redis.ts';

const SERVER = process.env['BELLHOP_TEST_REDIS_BIN'] || 'redis-server';
const running: PrivateRedis[] = [];

async function started() {
  const said: string[] = [];
  const redis = await PrivateRedis.start({ server: SERVER, say: (sentence) => said.push(sentence) });
  running.push(redis);
  return { redis, said, port: Number(new URL(redis.url).port) };
}

function isGone(pid: number | undefined): boolean {
  try {
    process.kill(pid ?? 0, 0);
    return false;
  } catch {
    return true;
  }
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((redis) => redis.stop()));
});

describe('PrivateRedis', () => {
  it('serves on the loopback, evicts nothing and persists nothing', async () => {
    const { port } = await started();
    const client = await plainRedis(port);
    expect(await client.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    expect(await client.config('GET', 'appendonly')).toEqual(['appendonly', 'no']);
    expect(await client.config('GET', 'bind')).toEqual(['bind', '127.0.0.1']);
    client.disconnect();
  });

  it('leaves neither process nor folder', async () => {
    const { redis } = await started();
    const { pid, folder } = redis;
    expect(existsSync(folder)).toBe(true);
    expect(redis.stop()).toBe(redis.stop());
    await redis.stop();
    expect(isGone(pid)).toBe(true);
    expect(existsSync(folder)).toBe(false);
  });

  it('comes back on the same port when it was killed', async () => {
    const { redis, said, port } = await started();
    const { pid, url } = redis;
    if (pid === undefined) throw new Error('not running');
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => said.at(-1), { timeout: 15_000 }).toBe('the private Redis is back, empty');
    expect(said[0]).toContain('died');
    expect(redis.url).toBe(url);
    const client = await plainRedis(port);
    expect(await client.dbsize()).toBe(0);
    client.disconnect();
  });

  it('says why it does not start, and leaves nothing', async () => {
    await expect(PrivateRedis.start({ server: '/nowhere/redis-server', say: () => undefined })).rejects.toThrow(
      'ENOENT',
    );
    await expect(PrivateRedis.start({ server: 'false', say: () => undefined })).rejects.toThrow('without a word');
  });

  it('is taken along by its keeper when its owner is killed', async () => {
    const script = `
      const { spawn } = require('node:child_process');
      const server = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
      spawn('/bin/sh', ['-c', process.argv[1], 'keeper', String(server.pid), '/nonexistent/folder'],
        { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
      console.log(server.pid);
      setInterval(() => {}, 1000);`;
    const owner = spawn(process.execPath, ['-e', script, PrivateRedis.keeper], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(owner.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(isGone(pid)).toBe(false);
    owner.kill('SIGKILL');
    await expect.poll(() => isGone(pid), { timeout: 15_000 }).toBe(true);
  });
});
