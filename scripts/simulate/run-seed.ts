/** One seed from begin to verdict. Owns: the phases of a run. Does not know: the command line. */
import { BUGS, type Bug } from './bugs.ts';
import type { Coverage } from './coverage.ts';
import { AIMS, CALM_MIX, Faults, FULL_MIX } from './faults.ts';
import { SETTLE_MS, Settling } from './settled.ts';
import type { Violation } from './trace.ts';
import { World } from './world.ts';

const QUIET_MS = 2_500;
const FAULTS_MS = 22_000;
/** Without an end to faults there is time for more of them. */
const SAFETY_MS = 40_000;
/** Share of runs in which one node stays ill when all other faults end. */
const ILL_SHARE = 0.3;

/** `safety`: faults to the end, and nothing wrong may ever be seen. `liveness`: faults end, but for those of one node perhaps, and
 *  everything must come to rest as it should be; what must never be seen is looked for all the same. */
export const MODES = ['safety', 'liveness'] as const;
export type Mode = (typeof MODES)[number];

/** The mode of a seed for which none is asked. */
export function modeOf(seed: number): Mode {
  return seed % 4 === 0 ? 'safety' : 'liveness';
}

/** Of these seeds nothing but an operator and the clients disturb the cluster, and no client may notice. */
function isCalm(seed: number): boolean {
  return seed % 12 === 5;
}

export interface SeedOptions {
  readonly seed: number;
  readonly bug?: Bug | undefined;
  readonly mode?: Mode | undefined;
  /** The faults that show this bug, without the bug. */
  readonly faultsOf?: Bug | undefined;
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
  /** Messages that went into logs. */
  readonly appended: number;
}

export function runSeed({ seed, bug, faultsOf = bug, mode, print }: SeedOptions): SeedResult {
  const info = faultsOf === undefined ? undefined : BUGS[faultsOf];
  const world = new World({ seed, bug, print, isRelayOnly: info?.rooms === 'relay' });
  const isUsual = info === undefined;
  const usual = isCalm(seed) ? CALM_MIX : FULL_MIX;
  const faults = new Faults(world, info?.mix ?? usual, isUsual ? AIMS : (info.aims ?? []));
  world.onNodeTurn = (node) => faults.onTurn(node);
  const { queue, trace } = world;
  const isBroken = () => trace.violation !== undefined;
  queue.run(QUIET_MS, isBroken);
  faults.start();
  const isSafety = (mode ?? (isUsual ? modeOf(seed) : 'liveness')) === 'safety';
  queue.run(QUIET_MS + (isSafety ? SAFETY_MS : FAULTS_MS), isBroken);
  if (!isSafety && !isBroken()) {
    if (isUsual && world.random.unit() < ILL_SHARE && !isCalm(seed)) faults.endAllButOne();
    else faults.endAll();
    settle(world);
  }
  if (isUsual && isCalm(seed) && !isBroken()) calmly(world);
  const { violation } = trace;
  const counts = world.oracle.takeovers > 0 || world.counted('claims_lost') > 0;
  const virtualMs = queue.nowMs;
  const { coverage, closes, resets } = world;
  const { appended } = world.logs;
  return { seed, violation, counts, coverage, trace: trace.lines, virtualMs, closes, resets, appended };
}

function settle(world: World): void {
  const { queue, trace } = world;
  const isBroken = () => trace.violation !== undefined;
  const settling = new Settling(world);
  queue.run(queue.nowMs + SETTLE_MS, isBroken);
  if (!isBroken()) queue.run(queue.nowMs + settling.lateMs, isBroken);
  if (!isBroken()) settling.check();
  if (!isBroken()) queue.run(queue.nowMs + settling.presenceMs, isBroken);
  if (!isBroken()) settling.checkPresence();
}

/** Drains, moves, joins and leaves are all that has happened. */
function calmly({ trace, closes, resets, leftBehind }: World): void {
  if (closes > 0) trace.violate('7', `${closes} sockets were closed while nodes were only drained and rooms moved`);
  if (resets > 0) trace.violate('7', `${resets} resets were told while nodes were only drained and rooms moved`);
  if (leftBehind > 0) trace.violate('7', `drains ended with ${leftBehind} rooms left`);
}

/** What broke, with the command that replays it; undefined when nothing did. */
export function sentenceOf({ seed, violation }: SeedResult): string | undefined {
  if (violation === undefined) return undefined;
  return `invariant ${violation.rule} broken: ${violation.text} (replay: npm run simulate -- --seed ${seed} --verbose)`;
}
