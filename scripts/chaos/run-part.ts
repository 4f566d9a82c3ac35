/** Carries a part out: the stage, its trials, the quiet at the end, the verdict. Owns: this order. Does not know: how results are told. */
import { SeededRandom } from '../../shared/random.ts';
import { pause } from '../scenarios/wait.ts';
import { check } from './checker/check.ts';
import type { Nemesis } from './nemeses/nemesis.ts';
import { add, drain } from './nemeses/nodes.ts';
import type { Part, PartResult, Series } from './part.ts';
import { MIXED } from './parts.ts';
import { readEnd } from './read-end.ts';
import { spread } from './spread.ts';
import { Stage } from './stage.ts';
import { runTrial, type Trial } from './trial.ts';

const OUTCOME_BOUND_MS = 20_000;
const CHURN_PER_SECOND = 4;
/** After so many trials that broke a promise by themselves the part ends: the rest would say the same. */
const WRONG_MAX = 5;

export interface PartRun {
  readonly part: Part;
  readonly seed: number;
  readonly say: (line: string) => void;
}

/** @throws Error where the cluster does not come up, or a nemesis cannot act */
export async function runPart({ part, seed, say }: PartRun): Promise<PartResult> {
  const began = performance.now();
  const random = new SeededRandom(seed);
  const stage = await Stage.start({ ...part.shape, random, say });
  try {
    const trials =
      part.mixedMs === undefined ? await inRounds(part, stage, say) : await mixed(part.mixedMs, stage, say);
    await stage.quiet(OUTCOME_BOUND_MS);
    const { counts, broken, findings } = check(stage.history, await readEnd(stage));
    const { nodes, routers, rooms, clients, rate, signals, proof, redis, roomClass } = part.shape;
    if (findings.length > 0) say(stage.cluster.said());
    return {
      part: part.id,
      says: part.says,
      seed,
      roomClass,
      shape: { nodes, routers, rooms, clients, rate, signals, proof, redis },
      series: seriesOf(trials),
      counts,
      broken,
      findings,
      starved: stage.starved,
      limits: part.limits,
      tookMs: Math.round(performance.now() - began),
    };
  } finally {
    await stage.close();
  }
}

interface Done {
  readonly nemesis: Pick<Nemesis, 'name' | 'says' | 'measures'>;
  readonly trial: Trial;
}

async function inRounds(part: Part, stage: Stage, say: (line: string) => void): Promise<Done[]> {
  const done: Done[] = [];
  let wrong = 0;
  for (let round = 1; round <= part.rounds; round++) {
    for (const nemesis of part.nemeses) {
      const trial = await runTrial(nemesis, stage);
      done.push({ nemesis, trial });
      say(`${part.id} ${round}/${part.rounds} ${tell(trial)}`);
      if (trial.wrong.length > 0 || trial.unanswered > 0) wrong++;
      if (wrong >= WRONG_MAX) return done;
    }
  }
  return done;
}

function tell({ what, rooms, unanswered, unavailableMs, figures, wrong }: Trial): string {
  const slowest = Math.round(Math.max(0, ...unavailableMs));
  const more = Object.entries(figures).map(([name, value]) => `, ${name} ${value}`);
  const trouble = [...(unanswered > 0 ? [`${unanswered} unanswered`] : []), ...wrong];
  return `${what}: ${rooms} rooms, slowest ${slowest} ms${more.join('')}${trouble.map((text) => `; ${text}`).join('')}`;
}

/** Faults at random until the time is up. What is measured is how long it takes until everything works after each.
 *  Their order follows from the seed; the interleaving of real processes does not. */
async function mixed(forMs: number, stage: Stage, say: (line: string) => void): Promise<Done[]> {
  const done: Done[] = [];
  const deadlineMs = stage.now() + forMs;
  const nemesis = {
    name: 'mixed',
    says: 'one fault or two of any kind',
    measures: 'faults are over and what died runs again → every client is seated and every room is heard',
  };
  while (stage.now() < deadlineMs) {
    const beganMs = stage.now();
    stage.load.churn(CHURN_PER_SECOND);
    const wrong: string[] = [];
    const struck = await strikeSome(stage, wrong);
    stage.load.churn(0);
    let healMs: number | undefined;
    try {
      for (const { repair } of struck) await repair?.();
      healMs = await stage.settled();
    } catch (error) {
      wrong.push(error instanceof Error ? error.message : String(error));
    }
    for (const { what, routers } of struck) stage.end(what, routers);
    for (const one of struck) wrong.push(...(one.wrong ?? []));
    const what = struck.map((one) => one.what).join(' + ');
    const trial: Trial = {
      nemesis: nemesis.name,
      what,
      rooms: stage.load.rooms.length,
      unanswered: healMs === undefined ? 1 : 0,
      unavailableMs: healMs === undefined ? [] : [healMs],
      slowestMs: [],
      figures: {},
      wrong: wrong.map((text) => `${what}: ${text}`),
      tookMs: stage.now() - beganMs,
    };
    done.push({ nemesis, trial });
    say(`mixed ${done.length} ${tell(trial)}`);
    if (trial.wrong.length > 0) break;
  }
  return done;
}

async function strikeSome(stage: Stage, wrong: string[]) {
  const strike = async (nemesis: Nemesis) => {
    try {
      return await nemesis.strike(stage);
    } catch (error) {
      wrong.push(`${nemesis.name}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  const dice = stage.options.random.unit();
  if (dice < 0.15) {
    const drained = await strike(drain);
    const added = await strike(add);
    return [drained, added].filter((one) => one !== undefined);
  }
  const first = stage.pick(MIXED);
  if (dice > 0.5) return [await strike(first)].filter((one) => one !== undefined);
  const second = stage.pick(MIXED.filter(({ name }) => name !== first.name));
  const lateMs = stage.between(0, 1_500);
  const both = await Promise.all([strike(first), pause(lateMs).then(() => strike(second))]);
  return both.filter((one) => one !== undefined);
}

function seriesOf(done: readonly Done[]): Series[] {
  const names = [...new Set(done.map(({ nemesis }) => nemesis.name))];
  return names.flatMap((name) => {
    const own = done.filter(({ nemesis }) => nemesis.name === name);
    const [first] = own;
    if (first === undefined) return [];
    const trials = own.map(({ trial }) => trial);
    const pauses = trials.flatMap(({ pausesMs }) => pausesMs ?? []);
    const figures: Record<string, number> = {};
    for (const trial of trials)
      for (const [key, value] of Object.entries(trial.figures)) figures[key] = Math.max(figures[key] ?? value, value);
    return [
      {
        nemesis: name,
        says: first.nemesis.says,
        measures: first.nemesis.measures,
        trials: trials.length,
        rooms: trials.reduce((sum, { rooms }) => sum + rooms, 0),
        unanswered: trials.reduce((sum, { unanswered }) => sum + unanswered, 0),
        unavailableMs: spread(trials.flatMap(({ unavailableMs }) => unavailableMs)),
        slowestMs: spread(trials.flatMap(({ slowestMs }) => slowestMs)),
        ...(pauses.length === 0 ? {} : { pausesMs: spread(pauses) }),
        tookMs: spread(trials.map(({ tookMs }) => tookMs)),
        figures,
        wrong: trials.flatMap(({ wrong }) => wrong),
      },
    ];
  });
}
