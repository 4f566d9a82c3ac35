import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../shared/config.ts';
import { startRedis } from '../shared/testing/redis-server.ts';
import { LocalCluster, StartFailure } from './local-cluster.ts';

const SERVER = process.env['BELLHOP_TEST_REDIS_BIN'] || 'redis-server';
const folder = mkdtempSync(join(tmpdir(), 'bellhop-cluster-'));
const journal = join(folder, 'journal');

/** A worker that writes down how it was started and ended. */
function script(name: string, body: string): string {
  const path = join(folder, `${name}.mjs`);
  writeFileSync(
    path,
    `import { appendFileSync } from 'node:fs';
    const id = process.argv.findLast((text) => text.startsWith('--id=')).slice(5);
    const note = (what) => appendFileSync(${JSON.stringify(journal)}, id + ' ' + what + '\\n');
    process.on('disconnect', () => process.exit(9));
    process.on('SIGTERM', () => { note('SIGTERM'); process.exit(0); });
    process.on('message', (message) => { note(message.type); if (message.type === 'stop') process.exit(0); });
    ${body}`,
  );
  return path;
}

const READY = script(
  'ready',
  `note('start ' + JSON.stringify([process.pid, ...process.argv.slice(2)])); process.send({ type: 'ready', url: 'http://u', link: 'l' });`,
);
const CRASH = script('crash', 'process.exit(1);');
const REFUSE = script('refuse', 'process.exit(2);');

const clusters: LocalCluster[] = [];

function cluster(scripts: { node?: string; router?: string } = {}, argv: readonly string[] = []) {
  writeFileSync(journal, '');
  const lines: string[] = [];
  const config = loadConfig(
    'start',
    ['--nodes=2', '--routers=2', '--port=18080', '--restart-delay-ms=10', ...argv],
    {},
  );
  const tools = { findRedisServer: () => SERVER, scripts: { node: READY, router: READY, ...scripts } };
  const made = new LocalCluster(config, tools, (line) => lines.push(line));
  clusters.push(made);
  return { made, lines, journal: () => readFileSync(journal, 'utf8').trim().split('\n') };
}

afterEach(async () => {
  await Promise.all(clusters.splice(0).map((one) => one.stop()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('LocalCluster', () => {
  it('starts Redis, nodes and routers, says so, has them read files again, and ends routers before nodes', async () => {
    const { made, lines, journal: noted } = cluster();
    await made.start();
    expect(lines[0]).toMatch(/^started a private Redis at redis:\/\/127\.0\.0\.1:\d+$/);
    expect(lines.at(-1)).toBe('ready http://127.0.0.1:18080');
    const starts = noted().map((line): [string, string[]] => {
      const [id = '', , json = '[]'] = line.split(/ (start) /);
      return [id, JSON.parse(json)];
    });
    expect(starts.map(([id]) => id).sort()).toEqual(['n1', 'n2', 'r1', 'r2']);
    for (const [id, argv] of starts) {
      const flags = argv.slice(1);
      if (id === 'r2') expect(flags).toContain('--port=18081');
      expect(flags.some((flag) => /^--bootstrap=[0-9a-f]{32}$/.test(flag))).toBe(id.startsWith('n'));
    }
    made.reload();
    const isReload = (line: string) => line.endsWith(' reload');
    await expect.poll(() => noted().filter(isReload).length).toBe(4);
    await made.stop();
    const ends = noted()
      .slice(4)
      .filter((line) => !isReload(line));
    expect(ends.slice(0, 2).sort()).toEqual(['r1 SIGTERM', 'r2 SIGTERM']);
    expect(ends.slice(2).sort()).toEqual(['n1 stop', 'n2 stop']);
    for (const [, [pid]] of starts) expect(() => process.kill(Number(pid), 0)).toThrow(/ESRCH/);
  });

  it('starts a node that was killed again, under another incarnation and without the bootstrap', async () => {
    const { made, lines, journal: noted } = cluster();
    await made.start();
    const first = noted().find((line) => line.startsWith('n1 start')) ?? '';
    process.kill(Number(/\[(\d+)/.exec(first)?.[1]), 'SIGKILL');
    await expect.poll(() => noted().filter((line) => line.startsWith('n1 start')).length, { timeout: 15_000 }).toBe(2);
    const second = noted().findLast((line) => line.startsWith('n1 start')) ?? '';
    expect(/--incarnation=\w+/.exec(second)?.[0]).not.toBe(/--incarnation=\w+/.exec(first)?.[0]);
    expect(second).not.toContain('--bootstrap');
    expect(lines.join('\n')).toMatch(/n1 ended \(SIGKILL\), starting it again in \d+ ms/);
  });

  it('fails with what a refusing or crashing worker means', async () => {
    await expect(cluster({ router: REFUSE }).made.start()).rejects.toMatchObject({ exitCode: 2 });
    const crashing = cluster({ node: CRASH });
    await expect(crashing.made.start()).rejects.toThrow(StartFailure);
    expect(crashing.lines.filter((line) => /^n1 ended/.test(line)).length).toBeLessThanOrEqual(3);
  });

  it('says which Redis does not answer, without its password', async () => {
    const { made } = cluster({}, ['--redis=redis://:hunter2@127.0.0.1:1']);
    const failure = await made.start().catch((error: unknown) => error);
    expect(failure).toMatchObject({ exitCode: 2, message: expect.stringContaining('redis://***@127.0.0.1:1') });
    expect(String(failure)).not.toContain('hunter2');
  });

  it('says what Redis has against it', async () => {
    const redis = await startRedis({ args: ['--requirepass', 'secret'] });
    const { made } = cluster({}, [`--redis=${redis.url.replace('//', '//:hunter2@')}`]);
    await expect(made.start()).rejects.toThrow(/WRONGPASS/);
  });

  it('can be stopped while it starts', async () => {
    const { made, lines } = cluster();
    const starting = made.start().catch((error: unknown) => error);
    await made.stop();
    expect(await starting).toBeInstanceOf(StartFailure);
    expect(lines.some((line) => line.startsWith('ready'))).toBe(false);
  });
});
