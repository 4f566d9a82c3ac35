import { describe, expect, it } from 'vitest';
import { findChromium } from './chromium.mjs';
import { findRedisServer } from './redis.mjs';
import { Sentence } from './sentence.mjs';

/** A machine with these programs; `installs` says which program a command brings. */
function machine({ programs = [], isRoot = false, sudoWorks = false, installs = {} }) {
  const present = new Set(programs);
  const ran = [];
  const world = {
    path: () => '/usr/bin:/opt/bin',
    isExecutable: (file) => present.has(file),
    isRoot: () => isRoot,
    run: (command, args, env) => {
      ran.push({ line: [command, ...args].join(' '), env });
      if (command === 'sudo' && args.join(' ') === '-n true') return sudoWorks;
      const found = Object.entries(installs).find(([part]) => ran.at(-1).line.includes(part));
      if (found !== undefined) present.add(found[1]);
      return found !== undefined;
    },
    say: () => undefined,
  };
  return { world, lines: () => ran.map(({ line }) => line), ran };
}

describe('findRedisServer', () => {
  it('takes what is on the PATH, Valkey too, and runs nothing', () => {
    const redis = machine({ programs: ['/opt/bin/redis-server', '/usr/bin/valkey-server'] });
    expect(findRedisServer(redis.world)).toBe('/opt/bin/redis-server');
    const valkey = machine({ programs: ['/usr/bin/valkey-server'], isRoot: true });
    expect(findRedisServer(valkey.world)).toBe('/usr/bin/valkey-server');
    expect([...redis.lines(), ...valkey.lines()]).toEqual([]);
  });

  it('installs as root, with a fresh index and without starting a service', () => {
    const installs = { 'install -y': '/usr/bin/redis-server' };
    const { world, ran, lines } = machine({ programs: ['/usr/bin/apt-get'], isRoot: true, installs });
    expect(findRedisServer(world)).toBe('/usr/bin/redis-server');
    expect(lines()[0]).toContain('apt-get update');
    expect(lines()[1]).toMatch(/^apt-get install .*redis-server$/);
    expect(ran[1].env).toMatchObject({ RUNLEVEL: '1', DEBIAN_FRONTEND: 'noninteractive' });
  });

  it('uses sudo only where it asks for no password', () => {
    const programs = ['/usr/bin/apk', '/usr/bin/sudo'];
    const installs = { 'apk add': '/usr/bin/redis-server' };
    const able = machine({ programs, sudoWorks: true, installs });
    expect(findRedisServer(able.world)).toBe('/usr/bin/redis-server');
    expect(able.lines().at(-1)).toMatch(/^sudo -n env .*RUNLEVEL=1 .*apk add/);
    const unable = machine({ programs, installs });
    expect(() => findRedisServer(unable.world)).toThrow(Sentence);
    expect(unable.lines()).toEqual(['sudo -n true']);
  });

  it('tries the next manager when one has no Redis', () => {
    const installs = { 'install -y -q redis': '/usr/bin/redis-server' };
    const { world } = machine({ programs: ['/usr/bin/dnf'], isRoot: true, installs });
    expect(findRedisServer(world)).toBe('/usr/bin/redis-server');
  });

  it('needs no root for Homebrew', () => {
    const { world } = machine({ programs: ['/opt/bin/brew'], installs: { brew: '/opt/bin/redis-server' } });
    expect(findRedisServer(world)).toBe('/opt/bin/redis-server');
  });

  it('says in one sentence what to install', () => {
    const { world } = machine({ isRoot: true });
    expect(() => findRedisServer(world)).toThrow(/^Bellhop needs Redis .*BELLHOP_REDIS_URL\.$/);
  });
});

describe('findChromium', () => {
  it('takes a Chrome too, and one that is on no PATH', () => {
    const chrome = machine({ programs: ['/usr/bin/google-chrome'] });
    expect(findChromium(chrome.world)).toBe('/usr/bin/google-chrome');
    const mac = machine({ programs: ['/Applications/Chromium.app/Contents/MacOS/Chromium'] });
    expect(findChromium(mac.world)).toMatch(/^\/Applications/);
    expect([...chrome.lines(), ...mac.lines()]).toEqual([]);
  });

  it('installs it as root', () => {
    const installs = { 'install -y': '/usr/bin/chromium' };
    const { world, lines } = machine({ programs: ['/usr/bin/apt-get'], isRoot: true, installs });
    expect(findChromium(world)).toBe('/usr/bin/chromium');
    expect(lines().at(-1)).toMatch(/^apt-get install .*chromium$/);
  });

  it('says in one sentence what to install', () => {
    const { world } = machine({ programs: ['/usr/bin/apt-get'] });
    expect(() => findChromium(world)).toThrow(/need Chromium: install .*BELLHOP_TEST_CHROMIUM_BIN\.$/);
  });
});
