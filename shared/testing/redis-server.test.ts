import { existsSync, mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type RedisServer, startRedis } from './redis-server.ts';

const open: RedisServer[] = [];

async function started(...options: Parameters<typeof startRedis>): Promise<RedisServer> {
  const server = await startRedis(...options);
  open.push(server);
  return server;
}

/** Sends one inline command and returns the first line of the answer, or the error's code. */
function ask(port: number, line: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${line}\r\n`));
    socket.once('data', (data) => {
      resolve(data.toString().split('\r\n')[0] ?? '');
      socket.destroy();
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
  });
}

afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(open.splice(0).map((server) => server.stop()));
});

describe('startRedis', () => {
  it('answers on its own port, and is gone with its directory after stop', async () => {
    const scratch = mkdtempSync(join(tmpdir(), 'bellhop-scratch-'));
    vi.stubEnv('TMPDIR', scratch);
    const server = await started();
    expect(await ask(server.port, 'PING')).toBe('+PONG');
    expect(readdirSync(scratch)).toHaveLength(1);
    await server.stop();
    await server.stop();
    expect(readdirSync(scratch)).toEqual([]);
    rmdirSync(scratch);
    expect(await ask(server.port, 'PING')).toBe('ECONNREFUSED');
    expect(() => process.kill(server.pid, 0)).toThrow();
  });

  it('restarts empty on the same port under another pid', async () => {
    const server = await started();
    const { pid, port } = server;
    expect(await ask(port, 'SET k v')).toBe('+OK');
    await server.kill9();
    expect(await ask(port, 'PING')).toBe('ECONNREFUSED');
    await server.restart();
    expect(server.port).toBe(port);
    expect(server.pid).not.toBe(pid);
    expect(await ask(port, 'EXISTS k')).toBe(':0');
  });

  it('starts several at once on different ports', async () => {
    const servers = await Promise.all([started(), started(), started()]);
    expect(new Set(servers.map((server) => server.port)).size).toBe(3);
  });

  it('starts a sentinel that names the primary it watches', async () => {
    const primary = await started();
    const sentinel = await started({ sentinelOf: { name: 'main', port: primary.port } });
    expect(await ask(sentinel.port, 'SENTINEL get-master-addr-by-name main')).toBe('*2');
    expect(await ask(sentinel.port, 'SENTINEL get-master-addr-by-name other')).toMatch(/^[*$]-1$/);
  });

  it('says in a sentence what to install', async () => {
    vi.stubEnv('PATH', '/nowhere');
    vi.stubEnv('BELLHOP_TEST_REDIS_BIN', '');
    expect(existsSync('/nowhere/redis-server')).toBe(false);
    await expect(startRedis()).rejects.toThrow(/install redis-server or valkey-server/);
  });

  it('fails with what the server said when its arguments are wrong', async () => {
    await expect(startRedis({ args: ['--no-such-option', 'x'] })).rejects.toThrow(/no-such-option/);
  });
});
