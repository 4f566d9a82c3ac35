/** Many seeds, in this process or shared out to several. Owns: who runs which seeds, and when it is enough. Does not know: what is
 *  printed. Invariant: each seed is run once; with `jobs` processes the same seeds give the same tally, but for the order of failures. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Bug } from './bugs.ts';
import { type Mode, runSeed } from './run-seed.ts';
import { Tally, type TallyParts } from './tally.ts';

/** Seeds that a process is given at a time. */
const SHARE = 10;

export interface ManyOptions {
  readonly from: number;
  readonly count: number;
  readonly jobs: number;
  readonly bug: Bug | undefined;
  readonly mode: Mode | undefined;
  /** Goes on after a seed that broke something. */
  readonly keepsGoing: boolean;
  /** No seed is begun after that many milliseconds. */
  readonly boundMs: number;
}

/** What a process is told to run. */
export interface Share {
  readonly from: number;
  readonly count: number;
  readonly bug?: Bug | undefined;
  readonly mode?: Mode | undefined;
}

export async function runMany(options: ManyOptions, onShare: (tally: Tally) => void): Promise<Tally> {
  return options.jobs === 1 ? runHere(options, onShare) : await runShared(options, onShare);
}

function runHere({ from, count, bug, mode, keepsGoing, boundMs }: ManyOptions, onShare: (tally: Tally) => void): Tally {
  const tally = new Tally();
  const beganMs = performance.now();
  for (let seed = from; seed < from + count && performance.now() - beganMs < boundMs; seed++) {
    tally.add(runSeed({ seed, bug, mode }));
    if (tally.broken.length > 0 && !keepsGoing) break;
    if (tally.seeds % SHARE === 0) onShare(tally);
  }
  return tally;
}

function runShared(options: ManyOptions, onShare: (tally: Tally) => void): Promise<Tally> {
  const { from, count, jobs, bug, mode, keepsGoing, boundMs } = options;
  const tally = new Tally();
  const beganMs = performance.now();
  let next = from;
  const give = (child: ChildProcess) => {
    const isEnough = (tally.broken.length > 0 && !keepsGoing) || performance.now() - beganMs >= boundMs;
    if (isEnough || next >= from + count) return child.disconnect();
    const share: Share = { from: next, count: Math.min(SHARE, from + count - next), bug, mode };
    next += share.count;
    child.send(share);
  };
  return new Promise((resolve, reject) => {
    let living = jobs;
    for (let job = 0; job < jobs; job++) {
      const child = fork(fileURLToPath(new URL('./seed-process.js', import.meta.url)));
      child.on('message', (parts) => {
        tally.merge(parts as TallyParts);
        onShare(tally);
        give(child);
      });
      child.on('error', reject);
      child.on('exit', (code) => {
        if (code !== 0) reject(new Error(`a process that ran seeds ended with ${code}`));
        else if (--living === 0) resolve(tally);
      });
      give(child);
    }
  });
}
