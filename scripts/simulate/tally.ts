/** What many seeds showed, in sum. Owns: the counts, and the form in which one process sends them to another. Does not know: how seeds
 *  are run, or what is printed. */
import { Coverage } from './coverage.ts';
import type { SeedResult } from './run-seed.ts';

const TAIL_LINES = 60;

export interface BrokenSeed {
  readonly seed: number;
  readonly rule: string;
  readonly text: string;
  /** The end of its trace. */
  readonly tail: readonly string[];
}

export interface TallyParts {
  readonly seeds: number;
  readonly counted: number;
  readonly virtualMs: number;
  readonly appended: number;
  readonly resets: number;
  readonly broken: readonly BrokenSeed[];
  readonly coverage: Readonly<Record<string, number>>;
}

export class Tally {
  readonly coverage = new Coverage();
  readonly broken: BrokenSeed[] = [];
  seeds = 0;
  /** With a takeover or a refused claim. */
  counted = 0;
  virtualMs = 0;
  appended = 0;
  resets = 0;

  add({ seed, violation, counts, coverage, trace, virtualMs, appended, resets }: SeedResult): void {
    this.seeds++;
    this.counted += counts ? 1 : 0;
    this.virtualMs += virtualMs;
    this.appended += appended;
    this.resets += resets;
    this.coverage.merge(coverage);
    if (violation === undefined) return;
    this.broken.push({ seed, rule: violation.rule, text: violation.text, tail: trace.slice(-TAIL_LINES) });
  }

  get parts(): TallyParts {
    const { seeds, counted, virtualMs, appended, resets, broken, coverage } = this;
    return { seeds, counted, virtualMs, appended, resets, broken, coverage: coverage.counts };
  }

  merge({ seeds, counted, virtualMs, appended, resets, broken, coverage }: TallyParts): void {
    this.seeds += seeds;
    this.counted += counted;
    this.virtualMs += virtualMs;
    this.appended += appended;
    this.resets += resets;
    this.broken.push(...broken);
    this.coverage.merge(Coverage.from(coverage));
  }

  /** One line of what was done. */
  get summary(): string {
    const hours = (this.virtualMs / 3_600_000).toFixed(1);
    return (
      `${this.seeds} seeds, ${this.counted} with a takeover or a refused claim, ${hours} h of virtual time, ` +
      `${this.appended} messages logged, ${this.resets} resets told, ${this.broken.length} broken`
    );
  }
}
