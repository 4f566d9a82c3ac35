// What checks the model: Spin, which makes a C program of it, and a C compiler. Owns: their names and how each is installed.
// Does not know: the model, or how it is run (scripts/model does).
import { findProgram, system } from './find-program.mjs';

const managers = (debian, others) => [
  {
    name: 'apt-get',
    root: true,
    commands: [
      ['update', '-qq'],
      ['install', '-y', '-qq', '--no-install-recommends', ...debian],
    ],
  },
  { name: 'brew', root: false, commands: [['install', '--quiet', others]] },
];

const sentence =
  'The model is checked with Spin 6.5 and a C compiler: install the packages spin and gcc so that both are on the PATH.';
const SPIN = { names: ['spin'], managers: managers(['spin'], 'spin'), what: 'Spin', sentence };
// Debian's gcc only recommends the C library's headers.
const COMPILER = {
  names: ['gcc', 'cc', 'clang'],
  managers: managers(['gcc', 'libc6-dev'], 'gcc'),
  what: 'C compiler',
  sentence,
};

/** Paths of Spin and of a C compiler; installs what is missing where the user may.
 *  @throws Sentence that says what to install */
export function findModelTools(world = system) {
  return { spin: findProgram(SPIN, world), compiler: findProgram(COMPILER, world) };
}
