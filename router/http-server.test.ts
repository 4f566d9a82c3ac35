/** The edge over TLS: versions, and a certificate that is replaced under open sockets. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Authority } from '../shared/testing/certificates.ts';
import { until } from '../shared/testing/until.ts';
import { TlsFiles, type TlsPaths } from '../shared/tls-files.ts';
import { EdgeBench } from './edge-fixture.ts';
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
  server = undefined;
  files.close();
  faults.length = 0;
});
afterAll(() => authority.remove());

async function start(paths: TlsPaths = authority.sign('edge')): Promise<number> {
  files = new TlsFiles(paths, (why) => faults.push(why));
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

  test('20 who does not get to the end of the handshake is gone in time, and hears no HTTP', async () => {
    files = new TlsFiles(authority.sign('edge'), (why) => faults.push(why));
    const bench = await new EdgeBench({ tls: files, headersTimeoutMs: 200, checkIntervalMs: 50 }).start();
    try {
      const hello = Buffer.from('1603010200010001fc0303', 'hex');
      const starts = ['', hello.subarray(0, 3), hello, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', Buffer.alloc(5_000, 7)];
      const heard = await Promise.all(starts.map((bytes) => bench.raw(bytes)));
      expect(heard.map(({ answers }) => answers)).toEqual(starts.map(() => 0));
    } finally {
      await bench.stop();
    }
  });

  test('58 a session begun under another certificate is not resumed under this one', async () => {
    const port = await start();
    const first = await dial(port);
    const [session] = (await once(first, 'session')) as [Buffer];
    const resumed = async () => {
      const socket = connect({ host: '127.0.0.1', port, ca, session });
      sockets.push(socket);
      await once(socket, 'secureConnect');
      return socket.isSessionReused();
    };
    expect(await resumed()).toBe(true);
    authority.sign('edge');
    files.reload();
    expect(await resumed()).toBe(false);
  });

  test('58 HTTP/1.1 is what it speaks: who offers it gets it, who offers something else alone is refused', async () => {
    const port = await start();
    const agreed = async (ALPNProtocols: string[]) => {
      const socket = connect({ host: '127.0.0.1', port, ca, ALPNProtocols });
      sockets.push(socket);
      await once(socket, 'secureConnect');
      return socket.alpnProtocol;
    };
    expect(await agreed(['h2', 'http/1.1'])).toBe('http/1.1');
    await expect(agreed(['h2'])).rejects.toThrow(/no application protocol/);
  });

  test('58 the whole chain in the file is shown', async () => {
    const between = new Authority('between', authority);
    const leaf = between.sign('edge');
    appendFileSync(leaf.cert, readFileSync(between.ca));
    // Who trusts the root alone.
    expect(await ask(await dial(await start(leaf)))).toMatch(/^HTTP\/1\.1 200/);
    between.remove();
  });

  test.each(['-aes256', '-traditional'] as const)('58 a key that is encrypted (%s) is one sentence', (how) => {
    const { cert, key } = authority.sign('locked');
    const locked = `${key}.${how}`;
    const flags = how === '-aes256' ? [] : ['-traditional'];
    execFileSync('openssl', ['pkey', '-in', key, '-aes256', ...flags, '-passout', 'pass:x', '-out', locked]);
    const read = () => new TlsFiles({ cert, key: locked }, (why) => faults.push(why));
    expect(read).toThrow(`${locked} is encrypted, and there is no passphrase to give`);
  });

  test('58 files that are not there are one sentence', () => {
    expect(() => new TlsFiles({ cert: '/nowhere/c', key: '/nowhere/k' }, () => undefined)).toThrow(
      '/nowhere/c cannot be read: ENOENT.',
    );
  });
});
