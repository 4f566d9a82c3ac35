/** What clients that stop reading cost the others. Owns: that experiment. The `rooms` workload, once as it is and once with 1 % of its
 *  clients stalled from the moment they joined; both within a round, in turn first. */
import { CLIENT_PATH, readMetrics, startBellhop } from '../bellhop-cluster.ts';
import { figure } from '../charts.ts';
import type { LoadPlan, LoadResult } from '../load-plan.ts';
import { startLoad, tooBusy } from '../load-process.ts';
import { GOALS_OF_ALL, type PartResult, type PartTools, today } from '../part.ts';
import { usageOf } from '../processes.ts';
import { median } from '../summary.ts';
import { WORKLOADS } from '../workloads.ts';

const SHARE = 0.01;
const GOAL = 1.2;
/** What docs/security.md promises of a slow reader in a busy room. */
const PROMISE = 2;

interface Sample {
  readonly stalled: number;
  readonly round: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly cpuPerDeliveryUs: number;
  readonly isComplete: boolean;
  /** Clients that the router closed as slow. */
  readonly slowCloses: number;
  readonly backlogBytes: number;
  readonly invalid: string | undefined;
}

export async function measureStalled(tools: PartTools, rounds: number, seconds: number): Promise<PartResult> {
  const base = WORKLOADS.find(({ id }) => id === 'rooms')?.load;
  if (base === undefined) throw new Error('there is no workload of rooms');
  const samples: Sample[] = [];
  for (let round = 1; round <= rounds; round++) {
    const few = Math.round(base.clients * SHARE);
    for (const stalled of round % 2 === 1 ? [0, few] : [few, 0]) {
      const sample = await measure(tools, { ...base, seconds }, stalled, round);
      samples.push(sample);
      tools.say(
        `stalled: round ${round}, ${stalled} stalled: others’ p99 ${sample.p99Ms} ms, ${sample.slowCloses} closed as slow, ${sample.backlogBytes} B of backlog left${sample.isComplete ? '' : ' INCOMPLETE'}${sample.invalid === undefined ? '' : ' INVALID'}`,
      );
    }
  }
  return report(samples, seconds);
}

type Base = Omit<LoadPlan, 'ports' | 'path' | 'envelope'>;

async function measure({ generator }: PartTools, base: Base, stalled: number, round: number): Promise<Sample> {
  const cluster = await startBellhop(1, 1);
  try {
    const plan: LoadPlan = { ...base, ports: cluster.ports, path: CLIENT_PATH, envelope: 'bellhop', stalled };
    const load = startLoad(plan, generator);
    try {
      await load.next('connected');
      await load.next('ready');
      const began = usageOf(cluster.pids);
      load.go();
      const result = (await load.next('result')) as unknown as LoadResult;
      const cpuUs = usageOf(cluster.pids).cpuUs - began.cpuUs;
      const metric = await readMetrics(cluster.ports[0] ?? 0);
      return {
        stalled,
        round,
        p50Ms: result.p50Ms,
        p99Ms: result.p99Ms,
        p999Ms: result.p999Ms,
        cpuPerDeliveryUs: cpuUs / Math.max(1, result.deliveries),
        isComplete: result.deliveries === result.expected && result.unsent + result.lost + result.duplicates === 0,
        slowCloses: metric('slow_closes_total'),
        backlogBytes: metric('backlog_bytes'),
        invalid: tooBusy(result.cpuUs / (result.seconds * 1e6)),
      };
    } finally {
      await load.stop();
    }
  } finally {
    await cluster.stop();
  }
}

function report(samples: readonly Sample[], seconds: number): PartResult {
  const none = samples.filter(({ stalled }) => stalled === 0);
  const some = samples.filter(({ stalled }) => stalled > 0);
  const ratios = some.flatMap((sample) => {
    const other = none.find(({ round }) => round === sample.round);
    return other === undefined || other.p99Ms <= 0 ? [] : [sample.p99Ms / other.p99Ms];
  });
  const ratio = median(ratios);
  const row = (label: string, of: readonly Sample[]): string[] => [
    label,
    ...(
      [(one) => one.p50Ms, (one) => one.p99Ms, (one) => one.p999Ms, (one) => one.cpuPerDeliveryUs] as ((
        one: Sample,
      ) => number)[]
    ).map((measure) => figure(median(of.map(measure)))),
    of.every(({ isComplete }) => isComplete) ? 'yes' : 'no',
    String(Math.max(0, ...of.map(({ slowCloses }) => slowCloses))),
  ];
  return {
    part: 'stalled',
    date: today(),
    says: `The \`rooms\` workload for ${seconds} s, without and with 1 % of the clients stalled from the moment they joined`,
    table: [
      ['clients', 'others’ p50 ms', 'p99 ms', 'p99.9 ms', 'CPU µs/delivery', 'complete', 'closed as slow'],
      row('all read', none),
      row('1 % stalled', some),
    ],
    goals: [
      {
        ...GOALS_OF_ALL.stalled,
        measured: ratio === undefined ? '–' : `${ratio.toFixed(2)}×`,
        isReached: ratio !== undefined && ratio <= GOAL && some.every(({ isComplete }) => isComplete),
        isValid: samples.every(({ invalid }) => invalid === undefined),
      },
      {
        says: 'the same, as promised for slow readers in a busy room',
        than: 'none stalled',
        bound: `< ${PROMISE}×`,
        measured: ratio === undefined ? '–' : `${ratio.toFixed(2)}×`,
        isReached: ratio !== undefined && ratio < PROMISE && some.every(({ isComplete }) => isComplete),
        isValid: samples.every(({ invalid }) => invalid === undefined),
      },
    ],
    notes: [
      'A stalled client has a window of 8 KB and segments of 1,460 bytes, as on a network: with loopback’s own the kernel would take megabytes for it, and the router would never learn that it does not read.',
      '“Complete” is about the others: each got every message of its room exactly once.',
    ],
    numbers: { seconds, ratio, ratios, samples },
  };
}
