import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isBuilt, sourceHash } from './build.mjs';
import { install, isInstalled } from './install.mjs';
import { withLock } from './lock.mjs';
import { Sentence } from './sentence.mjs';

let root = '';
const put = (path, text) => {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), text);
};
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'bellhop-prepare-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('isInstalled', () => {
  const lock = (packages) => JSON.stringify({ packages: { '': { name: 'x' }, ...packages } });
  const ws = { 'node_modules/ws': { version: '8.0.0' } };
  const other = { 'node_modules/for-windows': { version: '1.0.0', optional: true } };

  it('compares what npm has installed with what the lock file names', () => {
    put('package-lock.json', lock({ ...ws, ...other }));
    expect(isInstalled(root)).toBe(false);
    put('node_modules/.package-lock.json', lock(ws));
    put('node_modules/ws/package.json', '{}');
    expect(isInstalled(root)).toBe(true);
    put('node_modules/.package-lock.json', lock({ 'node_modules/ws': { version: '7.9.9' } }));
    expect(isInstalled(root)).toBe(false);
    put('node_modules/.package-lock.json', lock({}));
    expect(isInstalled(root)).toBe(false);
    put('node_modules/.package-lock.json', lock({ ...ws, 'node_modules/surplus': { version: '1.0.0' } }));
    expect(isInstalled(root)).toBe(false);
    put('node_modules/.package-lock.json', '{"packages": {');
    expect(isInstalled(root)).toBe(false);
  });

  it('does not believe a record of packages that are not there', () => {
    put('package-lock.json', lock(ws));
    put('node_modules/.package-lock.json', lock(ws));
    expect(isInstalled(root)).toBe(false);
    put('node_modules/ws/LICENSE', 'left by an npm that was interrupted');
    expect(isInstalled(root)).toBe(false);
  });

  it('cannot do without the lock file', () => {
    expect(() => isInstalled(root)).toThrow(Sentence);
  });
});

describe('install', () => {
  it('leaves alone what a symbolic link leads to', async () => {
    put('elsewhere/kept', '');
    symlinkSync(join(root, 'elsewhere'), join(root, 'node_modules'));
    await expect(install(root, () => undefined)).rejects.toThrow(/symbolic link/);
    expect(existsSync(join(root, 'elsewhere', 'kept'))).toBe(true);
  });

  describe('that is interrupted', () => {
    const DEAF =
      "process.on('SIGINT', () => undefined); require('node:fs').writeFileSync('npm.pid', String(process.pid)); setInterval(() => undefined, 1000);";
    const npm = () => Number(readFileSync(join(root, 'npm.pid'), 'utf8'));
    const isAlive = (pid) => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    };
    const begin = async () => {
      put('tsconfig.build.json', '{}');
      put('package-lock.json', JSON.stringify({ packages: { 'node_modules/ws': { version: '8.0.0' } } }));
      put('npm-cli.js', DEAF);
      const program = `import { prepare } from ${JSON.stringify(new URL('prepare.mjs', import.meta.url).href)}; await prepare(${JSON.stringify(root)});`;
      const env = { ...process.env, npm_execpath: join(root, 'npm-cli.js') };
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], { env, stdio: 'ignore' });
      await vi.waitFor(() => expect(npm()).toBeGreaterThan(0), { timeout: 20_000 });
      return { child, ended: new Promise((resolve) => child.once('exit', (...how) => resolve(how))) };
    };

    it('ends npm before it ends itself', async () => {
      const { child, ended } = await begin();
      child.kill('SIGINT');
      expect(await ended).toEqual([130, null]);
      expect(isAlive(npm())).toBe(false);
    });

    it('keeps the next one waiting for an npm that outlived its parent', async () => {
      const { child, ended } = await begin();
      child.kill('SIGKILL');
      await ended;
      let worked = false;
      const waiting = withLock(root, () => {
        worked = true;
      });
      // It has looked at the lock once, and left it.
      expect(readFileSync(join(root, '.bellhop', 'prepare.lock'), 'utf8')).toBe(`${child.pid} ${npm()}`);
      expect(worked).toBe(false);
      process.kill(npm(), 'SIGKILL');
      await waiting;
      expect(worked).toBe(true);
    });
  });
});

describe('sourceHash', () => {
  it('changes with what a build depends on, and with nothing else', () => {
    put('package.json', '{}');
    put('shared/a.ts', 'a');
    const first = sourceHash(root);
    put('shared/a.test.ts', 'a test');
    put('docs/page.md', 'text');
    utimesSync(join(root, 'shared/a.ts'), 1, 1);
    expect(sourceHash(root)).toBe(first);
    put('shared/lua/a.lua', 'return 1');
    const withLua = sourceHash(root);
    expect(withLua).not.toBe(first);
    put('shared/a.ts', 'b');
    expect(sourceHash(root)).not.toBe(withLua);
  });

  it('is what a finished build is known by', () => {
    expect(isBuilt(root, 'abc')).toBe(false);
    put('dist/.built-from', 'abc');
    expect(isBuilt(root, 'abc')).toBe(true);
    expect(isBuilt(root, 'abd')).toBe(false);
  });
});

describe('withLock', () => {
  const path = () => join(root, '.bellhop', 'prepare.lock');

  it('holds the lock while it works, and lets go however that ends', async () => {
    expect(await withLock(root, () => existsSync(path()))).toBe(true);
    await expect(withLock(root, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(readdirSync(join(root, '.bellhop'))).toEqual([]);
  });

  it('takes over the lock of a process that is gone', async () => {
    // Above every system's largest pid.
    put('.bellhop/prepare.lock', '2147483646');
    expect(await withLock(root, () => 'worked')).toBe('worked');
    expect(readdirSync(join(root, '.bellhop'))).toEqual([]);
  });

  it('waits for a process that lives', async () => {
    put('.bellhop/prepare.lock', String(process.ppid));
    let worked = false;
    const waiting = withLock(root, () => {
      worked = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(worked).toBe(false);
    rmSync(path());
    await waiting;
    expect(worked).toBe(true);
  });
});
