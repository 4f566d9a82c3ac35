// Where a Redis server program is found. Owns: its names here and at package managers. Does not know: running it (private-redis.ts does).
import { findProgram, system } from './find-program.mjs';

const SERVERS = ['redis-server', 'valkey-server'];

/** Package managers and what each runs, in the order of trial; the last command of each installs. */
const MANAGERS = [
  {
    name: 'apt-get',
    root: true,
    commands: [
      ['update', '-qq'],
      ['install', '-y', '-qq', '--no-install-recommends', 'redis-server'],
    ],
  },
  { name: 'dnf', root: true, commands: [['install', '-y', '-q', 'valkey']] },
  { name: 'dnf', root: true, commands: [['install', '-y', '-q', 'redis']] },
  { name: 'yum', root: true, commands: [['install', '-y', '-q', 'redis']] },
  { name: 'apk', root: true, commands: [['add', '--no-cache', '-q', 'redis']] },
  { name: 'pacman', root: true, commands: [['-Sy', '--noconfirm', '--needed', 'valkey']] },
  { name: 'zypper', root: true, commands: [['--non-interactive', '--quiet', 'install', 'redis']] },
  { name: 'brew', root: false, commands: [['install', '--quiet', 'redis']] },
];

/** Path of a Redis or Valkey server program; installs one where there is none and the user may.
 *  @throws Sentence that says what to install */
export function findRedisServer(world = system) {
  const sentence =
    'Bellhop needs Redis 6.2 or Valkey 7.2 or newer: install redis-server or valkey-server so that it is on the PATH, or name a running one in BELLHOP_REDIS_URL.';
  return findProgram({ what: 'Redis', names: SERVERS, managers: MANAGERS, sentence }, world);
}
