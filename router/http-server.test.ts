/** The edge over TLS: versions, and a certificate that is replaced under open sockets. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Authority } from '../shared/testing/certificates.ts';
import { until } from '../shared/testing/until.ts';
import { TlsFiles } from '../shared/tls-files.ts';
import { createHttpServer, type HttpServer } from './http-server.ts';

const authority = new Authority('ours');
const ca = readFileSync(authority.ca);
let server: HttpServer | undefined;
let files: TlsFiles;
const faults: string[] = [];
const sockets: TLSSocket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.close();
  files.close();
  faults.length = 0;
});
afterAll(() => authority.remove());

async function start(): Promise<number> {
  files = new TlsFiles(authority.sign('edge'), (why) => faults.push(why));
  server = createHttpServer({ headersTimeout: 8_000 }, files, (_request, response) => response.end('well'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function dial(port: number, version?: SecureVersion): Promise<TLSSocket> {
  const versions = version === undefined ? {} : { minVersion: version, maxVersion: version };
  // Level 0 lets this client offer the old versions at all.
  const socket = connect({ host: '127.0.0.1', port, ca, ciphers: 'DEFAULT@SECLEVEL=0', ...versions });
  sockets.push(socket);
  await once(socket, 'secureConnect');
  return socket;
}

async function ask(socket: TLSSocket): Promise<string> {
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk.toString();
}

describe('TLS at the edge', () => {
  test.each(['TLSv1.2', 'TLSv1.3'] as const)('58 %s is spoken', async (version) => {
    const socket = await dial(await start(), version);
    expect(socket.getProtocol()).toBe(version);
    expect(await ask(socket)).toMatch(/^HTTP\/1\.1 200/);
  });

  test.each(['TLSv1', 'TLSv1.1'] as const)('58 %s is refused', async (version) => {
    const port = await start();
    await expect(dial(port, version)).rejects.toThrow(/alert|protocol|version/i);
  });

  test.each(['by being told', 'by looking'] as const)(
    '58 a certificate that changed is shown to new sockets, found %s, and no open one is closed',
    async (how) => {
      const port = await start();
      const old = await dial(port);
      const before = old.getPeerX509Certificate()?.fingerprint256;
      expect(await ask(old)).toMatch(/^HTTP\/1\.1 200/);
      authority.sign('edge');
      if (how === 'by being told') files.reload();
      await until(async () => (await dial(port)).getPeerX509Certificate()?.fingerprint256 !== before);
      expect(await ask(old)).toMatch(/^HTTP\/1\.1 200/);
    },
  );

  test('58 files that do not fit together are told of, and the last good ones stay in force', async () => {
    const port = await start();
    const { cert } = files.current;
    const { cert: path } = authority.sign('edge');
    writeFileSync(path, cert);
    files.reload();
    expect(faults).toEqual([expect.stringMatching(/are no certificate with its key/)]);
    expect(files.current.cert).toBe(cert);
    expect(await ask(await dial(port))).toMatch(/^HTTP\/1\.1 200/);
  });

  test('58 files that are not there are one sentence', () => {
    expect(() => new TlsFiles({ cert: '/nowhere/c', key: '/nowhere/k' }, () => undefined)).toThrow(
      '/nowhere/c cannot be read: ENOENT.',
    );
  });
});
