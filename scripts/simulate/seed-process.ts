/** A process that runs the seeds it is given by its parent (run-many.ts), and ends when that lets go of it. */
import process from 'node:process';
import type { Share } from './run-many.ts';
import { runSeed } from './run-seed.ts';
import { Tally } from './tally.ts';

process.on('message', (message) => {
  const { from, count, bug, mode } = message as Share;
  const tally = new Tally();
  for (let seed = from; seed < from + count; seed++) tally.add(runSeed({ seed, bug, mode }));
  process.send?.(tally.parts);
});
