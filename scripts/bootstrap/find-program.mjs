// Where a program is found that npm does not bring. Owns: the search on the PATH and, where the user may, the installation by the
// system's package manager. Does not know: what the program is for.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { Sentence } from './sentence.mjs';

const INSTALL_MS = 300_000;

/** The world as this file needs it; tests give another. */
export const system = {
  path: () => process.env.PATH ?? '',
  isExecutable: (file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  },
  isRoot: () => process.getuid?.() === 0,
  /** Runs a command quietly; true when it succeeded. */
  run: (command, args, env) =>
    spawnSync(command, args, { stdio: 'ignore', timeout: INSTALL_MS, env: { ...process.env, ...env } }).status === 0,
  say: (line) => process.stderr.write(`bellhop: ${line}\n`),
};

/** Path of the first of `names` on the PATH, or of `places`; installs one where there is none and the user may.
 *  @param managers  package managers and what each runs, in the order of trial; the last command of each installs
 *  @throws Sentence that says what to install */
export function findProgram({ what, names, places = [], managers, sentence }, world) {
  const find = () => firstOnPath(names, world) ?? places.find((file) => world.isExecutable(file));
  const found = find();
  if (found !== undefined) return found;
  const sudo = world.isRoot() ? [] : passwordlessSudo(world);
  for (const manager of managers) {
    if (firstOnPath([manager.name], world) === undefined || (manager.root && sudo === undefined)) continue;
    world.say(`no ${what} here: installing it with ${manager.name}…`);
    installWith(manager, manager.root ? sudo : [], world);
    const installed = find();
    if (installed !== undefined) return installed;
  }
  throw new Sentence(sentence);
}

function passwordlessSudo(world) {
  return firstOnPath(['sudo'], world) !== undefined && world.run('sudo', ['-n', 'true'], {})
    ? ['sudo', '-n']
    : undefined;
}

function installWith({ name, commands }, sudo, world) {
  // Debian starts a system-wide server on installation, which nobody asked for: with RUNLEVEL=1 invoke-rc.d starts nothing. Where
  // it is started all the same it is let be: the private one has a port of its own.
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1', HOMEBREW_NO_AUTO_UPDATE: '1' };
  const assignments = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  for (const args of commands) {
    const [command, ...rest] = [...sudo, ...(sudo.length > 0 ? ['env', ...assignments] : []), name, ...args];
    // Also after a failed `update`: an outdated index may do.
    world.run(command, rest, env);
  }
}

function firstOnPath(names, world) {
  for (const name of names) {
    for (const folder of world.path().split(delimiter)) {
      if (folder !== '' && world.isExecutable(join(folder, name))) return join(folder, name);
    }
  }
  return undefined;
}
