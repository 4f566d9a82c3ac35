import { expect, it } from 'vitest';
import { findHaproxy, findNginx, findOpenssl, findPrometheus, findPromtool } from './operators.mjs';

const bare = {
  path: () => '/usr/bin',
  isExecutable: () => false,
  isRoot: () => true,
  run: () => false,
  say: () => undefined,
};

it('takes a program that is there, also where the PATH does not lead', () => {
  const world = { ...bare, isExecutable: (file) => file === '/usr/sbin/nginx' };
  expect(findNginx(world)).toBe('/usr/sbin/nginx');
});

it('installs the package that brings it, with no service started', () => {
  const ran = [];
  const present = new Set(['/usr/bin/apt-get']);
  const world = {
    ...bare,
    isExecutable: (file) => present.has(file),
    run: (command, args, env) => {
      ran.push(`${command} ${args.join(' ')} RUNLEVEL=${env.RUNLEVEL}`);
      if (args.includes('install')) present.add('/usr/bin/promtool');
      return true;
    },
  };
  expect(findPromtool(world)).toBe('/usr/bin/promtool');
  expect(ran.at(-1)).toBe('apt-get install -y -qq --no-install-recommends prometheus RUNLEVEL=1');
});

it('says in one sentence what to install', () => {
  for (const find of [findPrometheus, findPromtool, findNginx, findHaproxy, findOpenssl]) {
    expect(() => find(bare)).toThrow(
      /^The tests of deploy\/ need .*: install the package \w+ so that \w+ is on the PATH\.$/,
    );
  }
});
