// What operators put around a cluster, for the tests that try deploy/ for real: Prometheus, nginx, HAProxy. Owns: their names and how each
// is installed. Does not know: running them. No service of theirs is started (find-program.mjs says how).
import { findProgram, system } from './find-program.mjs';

const SBIN = ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin'];

const managers = (name) => [
  {
    name: 'apt-get',
    root: true,
    commands: [
      ['update', '-qq'],
      ['install', '-y', '-qq', '--no-install-recommends', name],
    ],
  },
  { name: 'apk', root: true, commands: [['add', '--no-cache', '-q', name]] },
  { name: 'brew', root: false, commands: [['install', '--quiet', name]] },
];

/** @param program  its name on the PATH; @param pack  the package that brings it */
function tool(program, what, pack = program) {
  return (world = system) =>
    findProgram(
      {
        what,
        names: [program],
        places: SBIN.map((folder) => `${folder}/${program}`),
        managers: managers(pack),
        sentence: `The tests of deploy/ need ${what}: install the package ${pack} so that ${program} is on the PATH.`,
      },
      world,
    );
}

/** Path of the program; installs it where there is none and the user may.
 *  @throws Sentence that says what to install */
export const findPrometheus = tool('prometheus', 'Prometheus');
export const findPromtool = tool('promtool', 'Prometheus', 'prometheus');
export const findNginx = tool('nginx', 'nginx');
export const findHaproxy = tool('haproxy', 'HAProxy');
/** Makes the certificates of those tests. */
export const findOpenssl = tool('openssl', 'OpenSSL');
