/** deploy/systemd and deploy/sysctl: units that systemd would load, limits that fit our options, settings that we accept. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../shared/config.ts';
import { envNameOf, OPTION_NAMES } from '../shared/config-options.ts';
import { DRAIN_SLACK_MS } from './node-command.ts';
import { V8_FLAGS } from './node-flags.ts';

const folder = new URL('../deploy/systemd/', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8');
const scratch = mkdtempSync(join(tmpdir(), 'bellhop-units-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const UNITS = ['bellhop-router.service', 'bellhop-node@.service'];

/** Values of a key, in their order. */
const valuesOf = (unit: string, key: string) =>
  [...read(unit).matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, v]) => v ?? '');
const lastOf = (unit: string, key: string) => valuesOf(unit, key).at(-1) ?? '';

/** What stands in an environment file, each placeholder replaced by something that is long enough. */
function environment(name: string): Record<string, string> {
  const lines = read(name)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => {
      const [key = '', value = ''] = line.split(/=(.*)/s);
      return [key, value === 'replace' ? 'x'.repeat(48) : value];
    }),
  );
}

function unitEnvironment(unit: string): Record<string, string> {
  const own = valuesOf(unit, 'Environment').filter((line) => line.startsWith('BELLHOP_'));
  return Object.fromEntries(
    own.map((line) => line.replaceAll('%H', 'host').replaceAll('%i', '1').split('=') as [string, string]),
  );
}

const routerConfig = loadConfig('router', [], {
  ...unitEnvironment('bellhop-router.service'),
  ...environment('common.env.example'),
  ...environment('router.env.example'),
});
const nodeConfig = loadConfig('node', [], {
  ...unitEnvironment('bellhop-node@.service'),
  ...environment('common.env.example'),
  ...environment('node-1.env.example'),
});

describe('units', () => {
  it('are taken by systemd, where there is one', () => {
    const tool = '/usr/bin/systemd-analyze';
    if (!existsSync(tool)) return expect(process.platform === 'linux' && existsSync('/run/systemd/system')).toBe(false);
    for (const unit of UNITS) {
      // The programs of this machine, wherever they are.
      const text = read(unit).replaceAll('/usr/bin/node', process.execPath);
      const path = join(scratch, unit.replace('@.', '@1.'));
      writeFileSync(path, text);
      const done = spawnSync(tool, ['verify', path], { encoding: 'utf8' });
      expect([done.stderr, done.status], unit).toEqual(['', 0]);
    }
    // It tells what it does not know.
    const wrong = join(scratch, 'wrong.service');
    writeFileSync(wrong, read('bellhop-router.service').replace('LimitNOFILE', 'LimitFiles'));
    expect(spawnSync(tool, ['verify', wrong], { encoding: 'utf8' }).stderr).toContain('LimitFiles');
  });

  it('start what the image starts, under the same flags of Node', () => {
    for (const [unit, verb] of UNITS.map((one, i) => [one, ['router', 'node'][i]] as const)) {
      expect(lastOf(unit, 'ExecStart')).toBe(`/usr/bin/node ${V8_FLAGS.join(' ')} scripts/run.mjs ${verb}`);
      expect(lastOf(unit, 'KillMode')).toBe('mixed');
      expect(lastOf(unit, 'RestartPreventExitStatus')).toBe('2');
    }
  });

  it('leave time to end in order', () => {
    const stopMs = (unit: string) => Number(lastOf(unit, 'TimeoutStopSec')) * 1_000;
    expect(stopMs('bellhop-node@.service')).toBeGreaterThan(nodeConfig.drainDeadlineMs + DRAIN_SLACK_MS);
    expect(stopMs('bellhop-router.service')).toBeGreaterThan(routerConfig.stopSpreadMs + 5_000);
  });

  it('let a router have as many files open as it may have clients', () => {
    expect(Number(lastOf('bellhop-router.service', 'LimitNOFILE'))).toBeGreaterThan(
      routerConfig.connectionsMax + 1_000,
    );
  });

  it('bring settings that there are, accepted without a warning', () => {
    const known = new Set<string>(OPTION_NAMES.map(envNameOf));
    const files = readdirSync(folder).filter((name) => name.endsWith('.example'));
    expect(files).toHaveLength(3);
    for (const name of files)
      expect(
        Object.keys(environment(name)).filter((key) => !known.has(key)),
        name,
      ).toEqual([]);
    expect([routerConfig.warnings, nodeConfig.warnings]).toEqual([[], []]);
    expect([routerConfig.id, nodeConfig.id]).toEqual(['host', 'host-1']);
  });
});

it('sysctl names keys that the kernel has', () => {
  const text = readFileSync(new URL('../sysctl/90-bellhop.conf', folder), 'utf8');
  const keys = [...text.matchAll(/^([a-z_.0-9-]+) = [\d ]+$/gm)].map(([, key]) => key ?? '');
  expect(keys.length).toBe(text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length);
  if (process.platform !== 'linux') return;
  // In a container those of the network card are the host's alone.
  const own = keys.filter((key) => !/^net\.core\./.test(key));
  expect(own.filter((key) => !existsSync(`/proc/sys/${key.replaceAll('.', '/')}`))).toEqual([]);
});
