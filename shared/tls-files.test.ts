import { afterAll, afterEach, expect, test } from 'vitest';
import type { Logger } from './log.ts';
import { Authority } from './testing/certificates.ts';
import { until } from './testing/until.ts';
import { followTls, type TlsFiles } from './tls-files.ts';

const authority = new Authority('ours');
const said: unknown[] = [];
const say = (event: string, fields?: unknown) => void said.push([event, fields]);
const log: Logger = { info: say, error: say, warn: say, debug: say };
let files: TlsFiles | undefined;
afterEach(() => {
  files?.close();
  said.length = 0;
});
afterAll(() => authority.remove());

test('47 58 files are looked at also for who only dials, and the log says what has come in their place', async () => {
  const paths = authority.sign('own');
  files = followTls(paths, log);
  const before = files?.current.cert;
  authority.sign('own');
  await until(
    async () => files?.current.cert !== before && said.some((one) => String(one).startsWith('certificate replaced')),
  );
  const fields = {
    file: paths.cert,
    names: 'IP Address:127.0.0.1, DNS:localhost',
    validTo: expect.stringMatching(/GMT$/),
  };
  expect(said.at(-1)).toEqual(['certificate replaced', fields]);
});

test('without files there is nothing to follow', () => {
  expect(followTls(undefined, log)).toBeUndefined();
});
