/** What a message costs its room's owner in a room of 10 and in one of 10,000. Owns: that experiment. It looks at the node's process
 *  alone: the owner writes one frame a router, whoever is behind it, so its price must not grow with the members.
 *  What a node does anyway (heartbeats, presence) is measured for as long without messages and taken off. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CLIENT_PATH, startBellhop } from '../bellhop-cluster.ts';
import { figure } from '../charts.ts';
import type { LoadPlan, LoadResult } from '../load-plan.ts';
import { startLoad, tooBusy } from '../load-process.ts';
import { GOALS_OF_ALL, type PartResult, type PartTools, today } from '../part.ts';
import { exactCpuUs } from '../processes.ts';
import { median } from '../summary.ts';

const SIZES = [10, 10_000] as const;
const RATE = 100;
const SPEAKERS = 10;
/** Ratio of the larger to the smaller that still counts as flat. */
const FLAT = { from: 0.85, to: 1.15 } as const;

interface Sample {
  readonly members: number;
  readonly round: number;
  /** CPU of the node for each message, microseconds. */
  readonly grossUs: number;
  /** The same without what it uses in silence. */
  readonly netUs: number;
  readonly isComplete: boolean;
  readonly invalid: string | undefined;
}

export async function measureMembers(tools: PartTools, rounds: number, seconds: number): Promise<PartResult> {
  const samples: Sample[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const members of round % 2 === 1 ? SIZES : SIZES.toReversed()) {
      const sample = await measure(tools, members, round, seconds);
      samples.push(sample);
      tools.say(
        `members: round ${round}, ${members}: ${sample.netUs.toFixed(1)} µs a message (${sample.grossUs.toFixed(1)} with all else)${sample.isComplete ? '' : ' INCOMPLETE'}${sample.invalid === undefined ? '' : ' INVALID'}`,
      );
    }
  }
  return report(samples, seconds);
}

async function measure({ generator }: PartTools, members: number, round: number, seconds: number): Promise<Sample> {
  const cluster = await startBellhop(1, 1);
  try {
    const plan: LoadPlan = {
      ports: cluster.ports,
      path: CLIENT_PATH,
      envelope: 'bellhop',
      clients: members,
      members,
      speakers: SPEAKERS,
      bytes: 64,
      rate: RATE,
      seconds,
      // Long, because opening ten thousand sessions has compiled the large room's code already and ten have not.
      warm: 15,
      settle: 6_000,
      drain: 15,
      concurrency: 64,
      // Twenty messages leave together, so that a member's socket is written once for all of them: what a router and a generator on
      // one machine can carry must not bound what the owner is asked. It is the same for both rooms.
      tick: 200_000,
    };
    const load = startLoad(plan, generator);
    try {
      await load.next('connected');
      await load.next('ready');
      const [node = 0] = cluster.nodes;
      const silent = await using(node, () => sleep(seconds * 1_000));
      const busy = await using(node, async () => {
        load.go();
        return (await load.next('result')) as unknown as LoadResult;
      });
      const { result } = busy;
      return {
        members,
        round,
        grossUs: busy.cpuUs / result.sent,
        netUs: (busy.cpuUs - (silent.cpuUs / silent.ms) * busy.ms) / result.sent,
        isComplete: result.deliveries === result.expected && result.unsent + result.lost + result.duplicates === 0,
        invalid: tooBusy(result.cpuUs / (result.seconds * 1e6)),
      };
    } finally {
      await load.stop();
    }
  } finally {
    await cluster.stop();
  }
}

async function using<T>(pid: number, act: () => Promise<T>): Promise<{ result: T; cpuUs: number; ms: number }> {
  const cpu = exactCpuUs(pid);
  const since = performance.now();
  const result = await act();
  return { result, cpuUs: exactCpuUs(pid) - cpu, ms: performance.now() - since };
}

function report(samples: readonly Sample[], seconds: number): PartResult {
  const of = (members: number, measure: (sample: Sample) => number): number | undefined =>
    median(samples.filter((sample) => sample.members === members).map(measure));
  const [small, large] = SIZES;
  const ratios = samples.flatMap((sample) => {
    const other = samples.find(({ members, round }) => members === small && round === sample.round);
    return sample.members === large && other !== undefined && other.netUs > 0 ? [sample.netUs / other.netUs] : [];
  });
  const ratio = median(ratios);
  return {
    part: 'members',
    date: today(),
    says: `One room of 10 and one of 10,000 members, ${RATE} messages/s from ${SPEAKERS} of them for ${seconds} s, all behind one router: CPU of the node that owns it, per message`,
    table: [
      ['members', 'µs a message', 'with all else a node does', 'complete'],
      ...SIZES.map((members) => [
        members.toLocaleString('en-US'),
        figure(of(members, ({ netUs }) => netUs)),
        figure(of(members, ({ grossUs }) => grossUs)),
        samples.every((sample) => sample.members !== members || sample.isComplete) ? 'yes' : 'no',
      ]),
    ],
    goals: [
      {
        ...GOALS_OF_ALL.members,
        measured: ratio === undefined ? '–' : `${ratio.toFixed(2)}×`,
        isReached: ratio !== undefined && ratio >= FLAT.from && ratio <= FLAT.to,
        isValid: samples.every(({ invalid }) => invalid === undefined),
      },
    ],
    notes: [
      'What the node uses in an equally long silence with the same members is taken off; the third column is with it.',
      'The same ten members speak in both rooms, and messages leave in bursts of twenty, five a second.',
    ],
    numbers: { rate: RATE, seconds, ratio, ratios, samples },
  };
}
