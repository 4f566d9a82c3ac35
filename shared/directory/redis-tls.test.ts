/** The directory over TLS, on a real server with a real certificate. */
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Authority } from '../testing/certificates.ts';
import { type RedisServer, startRedis } from '../testing/redis-server.ts';
import { until } from '../testing/until.ts';
import { RedisDirectory } from './redis-directory.ts';

const authority = new Authority('strange');
let redis: RedisServer | undefined;
let port = 0;

async function freePort(): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

beforeAll(async () => {
  const { cert, key, ca } = authority.sign('redis');
  port = await freePort();
  const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', ca];
  redis = await startRedis({ args: ['--tls-port', String(port), '--tls-auth-clients', 'no', ...files] });
});
afterAll(async () => {
  await redis?.stop();
  authority.remove();
});

test('50 a Redis whose certificate is of an authority that is not trusted is refused, and told nothing', async () => {
  const url = `rediss://somebody:planted-word@127.0.0.1:${port}`;
  const directory = RedisDirectory.connect({
    url,
    cluster: 'test',
    timings: { commandTimeoutMs: 5_000, reconnectMs: 500 },
  });
  const reasons: string[] = [];
  directory.onState((event) => {
    if (event.kind === 'down') reasons.push(event.reason);
    expect(event.kind).not.toBe('up');
  });
  directory.start();
  await until(async () => reasons.length >= 3);
  expect(reasons.join()).toMatch(/certificate/);
  expect(reasons.join()).not.toMatch(/planted-word/);
  await expect(directory.call('readCluster', {})).rejects.toMatchObject({ code: 'unavailable' });
  await directory.close();
});
