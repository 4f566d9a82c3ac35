/** One seed from begin to verdict. Owns: the phases of a run. Does not know: the command line. */
import { BUGS, type Bug } from './bugs.ts';
import type { Coverage } from './coverage.ts';
import { Faults, FULL_MIX, type Mix } from './faults.ts';
import { SETTLE_MS, Settling } from './settled.ts';
import type { Violation } from './trace.ts';
import { World } from './world.ts';

const QUIET_MS = 2_500;
const FAULTS_MS = 22_000;

export interface SeedOptions {
  readonly seed: number;
  readonly bug?: Bug | undefined;
  /** The bug's mix, or that of all faults, where absent. */
  readonly mix?: Mix | undefined;
  readonly print?: ((line: string) => void) | undefined;
}

export interface SeedResult {
  readonly seed: number;
  readonly violation: Violation | undefined;
  /** Whether the run held a takeover or a refused claim: others show little. */
  readonly counts: boolean;
  readonly coverage: Coverage;
  readonly trace: readonly string[];
  readonly virtualMs: number;
  /** Clients that were closed by a router, and deliveries that were told a reset. */
  readonly closes: number;
  readonly resets: number;
}

export function runSeed({ seed, bug, mix, print }: SeedOptions): SeedResult {
  const world = new World({ seed, bug, print });
  const faults = new Faults(
    world,
    mix ?? (bug === undefined ? FULL_MIX : BUGS[bug].mix),
    mix === undefined && bug === undefined,
  );
  world.onNodeTurn = (node) => faults.onTurn(node);
  const { queue, trace } = world;
  const isBroken = () => trace.violation !== undefined;
  queue.run(QUIET_MS, isBroken);
  faults.start();
  queue.run(QUIET_MS + FAULTS_MS, isBroken);
  if (!isBroken()) {
    faults.endAll();
    trace.say('FAULT', 'all faults end');
    const settling = new Settling(world);
    queue.run(QUIET_MS + FAULTS_MS + SETTLE_MS, isBroken);
    if (!isBroken()) settling.check();
    if (!isBroken()) queue.run(queue.nowMs + settling.presenceMs, isBroken);
    if (!isBroken()) settling.checkPresence();
  }
  const { violation } = trace;
  const counts = world.oracle.takeovers > 0 || world.counted('claims_lost') > 0;
  const virtualMs = queue.nowMs;
  const { coverage, closes, resets } = world;
  return { seed, violation, counts, coverage, trace: trace.lines, virtualMs, closes, resets };
}

/** What broke, with the command that replays it; undefined when nothing did. */
export function sentenceOf({ seed, violation }: SeedResult): string | undefined {
  if (violation === undefined) return undefined;
  return `invariant ${violation.rule} broken: ${violation.text} (replay: npm run simulate -- --seed ${seed} --verbose)`;
}
