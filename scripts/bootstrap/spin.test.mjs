import { describe, expect, it } from 'vitest';
import { Sentence } from './sentence.mjs';
import { findModelTools } from './spin.mjs';

/** A machine with these programs, whose package manager brings what `installs` says. */
function machine({ programs = [], isRoot = true, installs = {} }) {
  const present = new Set(programs);
  const lines = [];
  const run = (command, args) => {
    lines.push([command, ...args].join(' '));
    for (const [part, program] of Object.entries(installs)) if (lines.at(-1).includes(part)) present.add(program);
    return true;
  };
  const world = {
    path: () => '/usr/bin',
    isExecutable: (file) => present.has(file),
    isRoot: () => isRoot,
    run,
    say: () => undefined,
  };
  return { world, lines };
}

describe('findModelTools', () => {
  it('takes what is there, any C compiler, and runs nothing', () => {
    const { world, lines } = machine({ programs: ['/usr/bin/spin', '/usr/bin/clang', '/usr/bin/apt-get'] });
    expect(findModelTools(world)).toEqual({ spin: '/usr/bin/spin', compiler: '/usr/bin/clang' });
    expect(lines).toEqual([]);
  });

  it('installs only what is missing', () => {
    const installs = { 'install -y': '/usr/bin/spin' };
    const { world, lines } = machine({ programs: ['/usr/bin/gcc', '/usr/bin/apt-get'], installs });
    expect(findModelTools(world)).toEqual({ spin: '/usr/bin/spin', compiler: '/usr/bin/gcc' });
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/^apt-get install .* spin$/);
  });

  it('says in one sentence what to install, whichever of the two is missing', () => {
    for (const programs of [[], ['/usr/bin/spin'], ['/usr/bin/gcc']]) {
      const { world } = machine({ programs: [...programs, '/usr/bin/apt-get'] });
      expect(() => findModelTools(world)).toThrow(Sentence);
      expect(() => findModelTools(world)).toThrow(/^The model is checked with Spin .* on the PATH\.$/);
    }
  });
});
