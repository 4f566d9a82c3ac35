import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from './fake-cli.ts';
import { FakeRouter } from './fake-router.ts';

describe('which router is asked', () => {
  let router: FakeRouter;
  /** Nobody listens there any more. */
  let nobody = '';
  let folder = '';
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bellhop-cli-'));
    router = await FakeRouter.start(() => ({ body: { pins: [] } }));
    const gone = await FakeRouter.start(() => undefined);
    await gone.stop();
    nobody = gone.url;
  });
  afterEach(async () => {
    await router.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is the flag’s, else the environment’s, else the one that runs here', async () => {
    const { url } = router;
    expect(await runCli(['pins', '--url', url], { env: { url: nobody }, running: [nobody] })).toMatchObject({
      code: 0,
    });
    expect(await runCli(['pins'], { env: { url }, running: [nobody] })).toMatchObject({ code: 0 });
    expect(await runCli(['pins'], { running: [nobody, url] })).toMatchObject({ code: 0, out: 'No room is pinned.\n' });
    expect(router.asked).toHaveLength(3);
  });

  it('is the first of several that answers; none is a sentence and exit code 2', async () => {
    expect(await runCli(['pins', '--url', `${nobody},${router.url}/`])).toMatchObject({ code: 0 });
    const none = await runCli(['pins', '--url', nobody]);
    expect(none).toEqual({ code: 2, out: '', err: `bellhop: no router answers at ${nobody} (ECONNREFUSED).\n` });
    expect(await runCli(['pins'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('no cluster runs from here'),
    });
    for (const url of ['ftp://x', 'localhost:8080', 'http://', 'http://u:p@host', 'http://host?x']) {
      expect(await runCli(['pins', '--url', url]), url).toMatchObject({ code: 2 });
    }
    for (const url of ['http://ann:hunter2@host', 'http://:hunter2@host', 'http://hunter2@host']) {
      expect((await runCli(['pins', '--url', url])).err, url).toMatch(/^(?!.*hunter2).* no password/);
    }
  });

  it('is shown the token of the flag, the environment or a file, and who asks', async () => {
    const file = join(folder, 'token');
    writeFileSync(file, 'from-a-file-0123\n');
    const flags = ['pins', '--url', router.url];
    await runCli([...flags, '--api-token', 'from-the-flag'], { env: { apiToken: 'other' } });
    await runCli([...flags, '--api-token-file', file], { env: { apiToken: 'other' } });
    await runCli(flags, { env: { apiToken: 'from-the-env' } });
    await runCli(flags, { env: { apiTokenFile: file } });
    await runCli(flags);
    expect(router.asked.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer from-the-flag',
      'Bearer from-a-file-0123',
      'Bearer from-the-env',
      'Bearer from-a-file-0123',
      undefined,
    ]);
    expect(router.asked[0]?.headers['x-bellhop-operator']).toBe('ops@desk');
    const missing = await runCli([...flags, '--api-token-file', join(folder, 'none')]);
    expect(missing).toMatchObject({ code: 2, err: expect.stringContaining('ENOENT') });
    const split = await runCli([...flags, '--api-token', 'a\nb']);
    expect(split.code).toBe(2);
    expect(split.err).not.toContain('a\nb');
  });
});
