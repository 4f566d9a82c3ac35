/** What a log costs: durable rooms beside relay rooms, the same load, in turn first. Owns: that experiment. Redis is looked at by
 *  itself: what it uses in an equally long silence (heartbeats, presence) is taken off, the rest is the price of logged messages. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type BellhopCluster, CLIENT_PATH, readMetrics, startBellhop } from '../bellhop-cluster.ts';
import { figure } from '../charts.ts';
import type { LoadPlan, LoadResult } from '../load-plan.ts';
import { startLoad, tooBusy } from '../load-process.ts';
import { GOALS_OF_ALL, type PartResult, type PartTools, today } from '../part.ts';
import { exactCpuUs, usageOf } from '../processes.ts';
import { median } from '../summary.ts';
import { WORKLOADS } from '../workloads.ts';

const KINDS = ['relay', 'durable'] as const;
type Kind = (typeof KINDS)[number];
/** Broadcast: one room, 50 messages/s, many deliveries each. Rooms: 5,000 messages/s in fifty. Echo: 20,000/s in five hundred. */
const LOADS = ['broadcast', 'rooms', 'echo'] as const;
type Load = (typeof LOADS)[number];
const GOAL = 1.25;
const SILENCE_MS = 3_000;

interface Sample {
  readonly kind: Kind;
  readonly load: Load;
  readonly round: number;
  readonly cpuPerDeliveryUs: number;
  /** Redis alone, for each message that was said. */
  readonly redisPerMessageUs: number;
  /** The owner alone, likewise; what it does in silence is in it. */
  readonly nodePerMessageUs: number;
  /** Writes to clients' sockets for each delivery: a router that falls behind writes several messages at once, and seems cheaper. */
  readonly writesPerDelivery: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly isComplete: boolean;
  readonly invalid: string | undefined;
}

export async function measureDurable(tools: PartTools, rounds: number, seconds: number): Promise<PartResult> {
  const samples: Sample[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const load of LOADS) {
      for (const kind of round % 2 === 1 ? KINDS : KINDS.toReversed()) {
        const sample = await measure(tools, kind, load, round, seconds);
        samples.push(sample);
        tools.say(
          `durable: round ${round}, ${load}, ${kind}: ${sample.cpuPerDeliveryUs.toFixed(1)} µs a delivery, Redis ${sample.redisPerMessageUs.toFixed(1)} µs a message, p99 ${sample.p99Ms} ms${sample.isComplete ? '' : ' INCOMPLETE'}${sample.invalid === undefined ? '' : ' INVALID'}`,
        );
      }
    }
  }
  return report(samples, seconds);
}

async function measure(
  { generator }: PartTools,
  kind: Kind,
  load: Load,
  round: number,
  seconds: number,
): Promise<Sample> {
  const base = WORKLOADS.find(({ id }) => id === load)?.load;
  if (base === undefined) throw new Error(`there is no workload ${load}`);
  const cluster = await startBellhop(1, 1, { BELLHOP_DURABILITY: kind });
  try {
    const plan: LoadPlan = { ...base, seconds, ports: cluster.ports, path: CLIENT_PATH, envelope: 'bellhop' };
    return { kind, load, round, ...(await runLoad(cluster, plan, generator)) };
  } finally {
    await cluster.stop();
  }
}

async function runLoad(
  cluster: BellhopCluster,
  plan: LoadPlan,
  generator: PartTools['generator'],
): Promise<Omit<Sample, 'kind' | 'load' | 'round'>> {
  const load = startLoad(plan, generator);
  try {
    await load.next('connected');
    await load.next('ready');
    const quiet = exactCpuUs(cluster.redis);
    await sleep(SILENCE_MS);
    const silentUsPerMs = (exactCpuUs(cluster.redis) - quiet) / SILENCE_MS;
    const [node = 0] = cluster.nodes;
    const [port = 0] = cluster.ports;
    const writesBefore = (await readMetrics(port))('client_writes_total');
    const began = {
      all: usageOf(cluster.pids).cpuUs,
      redis: exactCpuUs(cluster.redis),
      node: exactCpuUs(node),
      ms: performance.now(),
    };
    load.go();
    const result = (await load.next('result')) as unknown as LoadResult;
    const cpuUs = usageOf(cluster.pids).cpuUs - began.all;
    const nodeUs = exactCpuUs(node) - began.node;
    const redisUs = exactCpuUs(cluster.redis) - began.redis - silentUsPerMs * (performance.now() - began.ms);
    const writes = (await readMetrics(port))('client_writes_total') - writesBefore;
    return {
      cpuPerDeliveryUs: cpuUs / Math.max(1, result.deliveries),
      redisPerMessageUs: redisUs / Math.max(1, result.sent),
      nodePerMessageUs: nodeUs / Math.max(1, result.sent),
      writesPerDelivery: writes / Math.max(1, result.deliveries),
      p50Ms: result.p50Ms,
      p99Ms: result.p99Ms,
      isComplete: result.deliveries === result.expected && result.unsent + result.lost + result.duplicates === 0,
      invalid: tooBusy(result.cpuUs / (result.seconds * 1e6)),
    };
  } finally {
    await load.stop();
  }
}

function report(samples: readonly Sample[], seconds: number): PartResult {
  const of = (load: Load, kind: Kind, measured: (sample: Sample) => number): number | undefined =>
    median(samples.filter((sample) => sample.load === load && sample.kind === kind).map(measured));
  const ratios = (load: Load): number[] =>
    samples.flatMap((sample) => {
      const relay = samples.find((one) => one.kind === 'relay' && one.load === load && one.round === sample.round);
      const isPair = sample.kind === 'durable' && sample.load === load && relay !== undefined;
      return isPair && relay.cpuPerDeliveryUs > 0 ? [sample.cpuPerDeliveryUs / relay.cpuPerDeliveryUs] : [];
    });
  const ratio = median(ratios('broadcast'));
  return {
    part: 'durable',
    date: today(),
    says: `The workloads \`broadcast\`, \`rooms\` and \`echo\` for ${seconds} s each, in relay rooms and in durable ones`,
    table: [
      [
        ...['workload', 'rooms', 'CPU µs/delivery', 'of it Redis, µs/message', 'of it the owner, µs/message'],
        ...['writes/delivery', 'p50 ms', 'p99 ms', 'complete'],
      ],
      ...LOADS.flatMap((load) =>
        KINDS.map((kind) => [
          load,
          kind,
          figure(of(load, kind, ({ cpuPerDeliveryUs }) => cpuPerDeliveryUs)),
          figure(of(load, kind, ({ redisPerMessageUs }) => Math.max(0, redisPerMessageUs))),
          figure(of(load, kind, ({ nodePerMessageUs }) => nodePerMessageUs)),
          figure(of(load, kind, ({ writesPerDelivery }) => writesPerDelivery)),
          figure(of(load, kind, ({ p50Ms }) => p50Ms)),
          figure(of(load, kind, ({ p99Ms }) => p99Ms)),
          samples.every((one) => one.load !== load || one.kind !== kind || one.isComplete) ? 'yes' : 'no',
        ]),
      ),
    ],
    goals: [
      {
        ...GOALS_OF_ALL.durable,
        measured: ratio === undefined ? '–' : `${ratio.toFixed(2)}×`,
        isReached: ratio !== undefined && ratio <= GOAL,
        isValid: samples.every(({ invalid }) => invalid === undefined),
      },
    ],
    notes: [
      'Redis runs with its defaults here, without AOF: what a disk adds is the disk’s.',
      'CPU of two kinds is compared where each delivery is a write of its own; with fewer writes a router has joined messages.',
      `CPU of durable rooms compared with relay rooms, within a round: ${LOADS.map((load) => `${load} ${(median(ratios(load)) ?? Number.NaN).toFixed(2)}×`).join(', ')}.`,
    ],
    numbers: { seconds, ratios: Object.fromEntries(LOADS.map((load) => [load, ratios(load)])), samples },
  };
}
