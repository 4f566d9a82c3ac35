// One process at a time prepares a checkout. Owns: the lock file, which names its holder and, while one works for it, a child of
// the holder: killing the holder does not end that. Invariant: a lock whose holder and child are both gone is taken over, by one
// process only: whoever succeeds in renaming it away.
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Sentence } from './sentence.mjs';

const POLL_MS = 100;
const WAIT_MS = 600_000;

/** Runs `work` while holding the checkout's lock; waits up to ten minutes for another process that holds it.
 *  @param work  is given a function that has the lock stand for a child's pid as well, until the lock is let go */
export async function withLock(root, work) {
  const folder = join(root, '.bellhop');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'prepare.lock');
  const until = Date.now() + WAIT_MS;
  while (!tryLock(path)) {
    if (Date.now() > until)
      throw new Sentence(`Another process has been preparing this checkout for too long: see ${path}.`);
    await sleep(POLL_MS);
  }
  const unlock = () => {
    if (holdersOf(path)[0] === process.pid) rmSync(path, { force: true });
  };
  const standForChild = (pid) => {
    const own = `${path}.${process.pid}`;
    writeFileSync(own, `${process.pid} ${pid}`);
    renameSync(own, path);
  };
  process.once('exit', unlock);
  try {
    return await work(standForChild);
  } finally {
    process.off('exit', unlock);
    unlock();
  }
}

function tryLock(path) {
  // Written beside and linked into place, so that a lock never exists without its holder's pid.
  const own = `${path}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    breakStale(path);
    return false;
  } finally {
    rmSync(own, { force: true });
  }
}

function breakStale(path) {
  const holders = holdersOf(path);
  if (holders.length === 0 || holders.some(isAlive)) return;
  const aside = `${path}.stale-${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  // Another process may have broken the lock and taken it between our look and our rename: then it is put back.
  if (holdersOf(aside)[0] !== holders[0]) {
    try {
      linkSync(aside, path);
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
  }
  rmSync(aside, { force: true });
}

/** @returns pids, the holder's first; none where there is no lock or it says nothing */
function holdersOf(path) {
  try {
    const pids = readFileSync(path, 'utf8').split(' ').map(Number);
    return pids.every((pid) => Number.isSafeInteger(pid) && pid > 0) ? pids : [];
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
