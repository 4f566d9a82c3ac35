/** Which branches of the compiled files have run. Owns: V8's precise block coverage of this thread, and its counts by branch.
 *  Does not know: what a file does. Branches are found in the syntax tree (branches.ts), since V8 names only blocks whose count
 *  differs from that of the block around them.
 *  Invariant: counts only grow. */

import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import { type Branch, branchesOf } from './branches.ts';

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

interface Script {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Range[] }[];
}

interface Covered {
  readonly branches: readonly Branch[];
  readonly counts: Float64Array;
}

export interface FileCoverage {
  readonly file: string;
  readonly branches: number;
  readonly reached: number;
  /** `line:kind` of each that was not. */
  readonly missed: readonly string[];
}

export class Coverage {
  readonly #session = new Session();
  readonly #files = new Map<string, Covered>();

  /** @param urls  file URLs of compiled modules, which may be loaded already or later */
  constructor(urls: readonly string[], parse: (source: string) => unknown) {
    for (const url of urls) {
      const branches = branchesOf(readFileSync(fileURLToPath(url), 'utf8'), parse);
      this.#files.set(url, { branches, counts: new Float64Array(branches.length) });
    }
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Adds what ran since the last time. @returns branches that ran for the first time */
  take(): number {
    let fresh = 0;
    // In this thread the answer comes before `post` returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, reply) => {
      if (error !== null) throw error;
      for (const script of reply.result) fresh += this.#add(script);
    });
    return fresh;
  }

  files(): FileCoverage[] {
    return [...this.#files].map(([url, { branches, counts }]) => {
      const missed = branches.filter((_, at) => counts[at] === 0);
      return {
        file: url,
        branches: branches.length,
        reached: branches.length - missed.length,
        missed: missed.map(({ line, kind }) => `${line}:${kind}`),
      };
    });
  }

  close(): void {
    this.#session.disconnect();
  }

  #add(script: Script): number {
    const file = this.#files.get(script.url);
    if (file === undefined) return 0;
    const ranges = script.functions.flatMap((one) => one.ranges);
    const { branches, counts } = file;
    let fresh = 0;
    for (const [at, branch] of branches.entries()) {
      const ran = branch.count((offset) => countAt(ranges, offset));
      if (ran <= 0) continue;
      if (counts[at] === 0) fresh++;
      counts[at] = (counts[at] ?? 0) + ran;
    }
    return fresh;
  }
}

/** Count of the smallest block around an offset; 0 where V8 names none: it has not run since it was last asked. */
function countAt(ranges: readonly Range[], offset: number): number {
  let best: Range | undefined;
  for (const range of ranges) {
    if (range.startOffset > offset || range.endOffset <= offset) continue;
    if (best === undefined || range.endOffset - range.startOffset <= best.endOffset - best.startOffset) best = range;
  }
  return best?.count ?? 0;
}
