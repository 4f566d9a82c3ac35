/** What a router holds for clients that never read. Owns: that experiment, in two readings of "fed at 10 MB/s": `gentle`, in which the
 *  router would have to write 10 MB/s to all of them together, and `harsh`, in which 10 MB/s are said in the room and the router would
 *  have to write that to each; there every client comes again once it has been closed. */
import { CLIENT_PATH, readMetrics, startBellhop } from '../bellhop-cluster.ts';
import type { LoadPlan, LoadResult, StalledEnds } from '../load-plan.ts';
import { startLoad, tooBusy } from '../load-process.ts';
import { userMemory } from '../memory.ts';
import { mebibytes, type PartResult, type PartTools, today } from '../part.ts';

const UNREAD = 500;
/** Members that read, and speak. */
const FEEDERS = 4;
const FED_BYTES_PER_SECOND = 10_000_000;
const BUDGET = 256 * 2 ** 20;
const SLACK = 64 * 2 ** 20;
const SAMPLE_MS = 1_000;

interface Reading {
  readonly id: 'gentle' | 'harsh';
  readonly says: string;
  readonly bytes: number;
  readonly rate: number;
  readonly wake: number;
  readonly wakeTo: number;
  readonly stay: number;
}

const READINGS: readonly Reading[] = [
  {
    id: 'gentle',
    says: '10 MB/s to be written to all 500 together',
    bytes: 1_000,
    rate: FED_BYTES_PER_SECOND / UNREAD / 1_000,
    // Past the ten seconds that a client may be behind; a closed one has five to answer.
    wake: 15_000,
    wakeTo: 40_000,
    stay: 0,
  },
  {
    id: 'harsh',
    says: '10 MB/s said in the room, to be written to each of the 500, who come again every 5 s',
    bytes: 25_000,
    rate: FED_BYTES_PER_SECOND / 25_000,
    wake: 1_000,
    wakeTo: 3_000,
    stay: 5_000,
  },
];

interface Sample {
  readonly second: number;
  readonly rssBytes: number;
  readonly backlogBytes: number;
  readonly sockets: number;
  readonly slowCloses: number;
}

interface Outcome {
  readonly reading: Reading['id'];
  readonly startBytes: number;
  readonly joinedBytes: number;
  readonly peakBytes: number;
  readonly fedBytesPerSecond: number;
  readonly slowCloses: number;
  readonly ends: StalledEnds;
  readonly feedersLost: number;
  readonly feedersP99Ms: number;
  readonly samples: readonly Sample[];
  readonly invalid: string | undefined;
}

export async function measureUnread(tools: PartTools, seconds: number): Promise<PartResult> {
  const outcomes: Outcome[] = [];
  for (const reading of READINGS) {
    const outcome = await measure(tools, reading, seconds);
    outcomes.push(outcome);
    tools.say(
      `unread: ${reading.id}: ${mebibytes(outcome.startBytes)} → ${mebibytes(outcome.peakBytes)} MiB, ${outcome.slowCloses} closed as slow, ${JSON.stringify(outcome.ends)}`,
    );
  }
  return report(outcomes, seconds);
}

async function measure({ generator }: PartTools, reading: Reading, seconds: number): Promise<Outcome> {
  const cluster = await startBellhop(1, 1);
  const [router = 0] = cluster.routers;
  const [port = 0] = cluster.ports;
  const rss = (): number => userMemory([router]).rssBytes;
  try {
    const startBytes = rss();
    const { bytes, rate, wake, wakeTo, stay } = reading;
    const clients = UNREAD + FEEDERS;
    const plan: LoadPlan = {
      ...{ ports: cluster.ports, path: CLIENT_PATH, envelope: 'bellhop', clients, members: clients },
      ...{ bytes, rate, seconds, warm: 0, settle: 1_000, drain: 10, concurrency: 64, tick: 2_000 },
      ...{ stalled: UNREAD, wake, wakeTo, stay },
    };
    const load = startLoad(plan, generator);
    try {
      await load.next('connected');
      await load.next('ready');
      const joinedBytes = rss();
      const samples: Sample[] = [];
      const began = performance.now();
      const look = async (): Promise<void> => {
        const second = (performance.now() - began) / 1_000;
        const rssBytes = rss();
        const metric = await readMetrics(port);
        samples.push({
          second: Math.round(second * 10) / 10,
          rssBytes,
          backlogBytes: metric('backlog_bytes'),
          sockets: metric('sockets'),
          slowCloses: metric('slow_closes_total'),
        });
      };
      const faults: unknown[] = [];
      const timer = setInterval(() => void look().catch((error: unknown) => faults.push(error)), SAMPLE_MS);
      load.go();
      const result = (await load.next('result').finally(() => clearInterval(timer))) as unknown as LoadResult;
      await look();
      if (faults.length > 5) throw faults[0];
      return {
        reading: reading.id,
        startBytes,
        joinedBytes,
        peakBytes: Math.max(joinedBytes, ...samples.map(({ rssBytes }) => rssBytes)),
        fedBytesPerSecond: (result.sent * bytes) / seconds,
        slowCloses: samples.at(-1)?.slowCloses ?? 0,
        ends: result.stalled ?? { noticed: 0, slow: 0, other: 0, cut: 0, again: 0 },
        feedersLost: result.lost,
        feedersP99Ms: result.p99Ms,
        samples,
        invalid: tooBusy(result.cpuUs / (result.seconds * 1e6)),
      };
    } finally {
      await load.stop();
    }
  } finally {
    await cluster.stop();
  }
}

function report(outcomes: readonly Outcome[], seconds: number): PartResult {
  const says = (id: Reading['id']): string => READINGS.find((reading) => reading.id === id)?.says ?? id;
  return {
    part: 'unread',
    date: today(),
    says: `${UNREAD} clients that never read in one room, fed for ${seconds} s by ${FEEDERS} members that do; the router’s resident size is looked at each second`,
    table: [
      [
        'reading',
        'fed MB/s',
        'RSS at start MiB',
        'with clients',
        'peak',
        'peak backlog MiB',
        'closed with 4100',
        'came again',
        'feeders lost',
        'their p99 ms',
      ],
      ...outcomes.map((one) => [
        says(one.reading),
        (one.fedBytesPerSecond / 1e6).toFixed(2),
        mebibytes(one.startBytes),
        mebibytes(one.joinedBytes),
        mebibytes(one.peakBytes),
        mebibytes(Math.max(0, ...one.samples.map(({ backlogBytes }) => backlogBytes))),
        String(one.slowCloses),
        String(one.ends.again),
        String(one.feedersLost),
        one.feedersP99Ms.toFixed(1),
      ]),
    ],
    goals: outcomes.map((one) => ({
      says: `router’s peak RSS, ${one.reading}`,
      than: 'start + 256 MiB + 64 MiB',
      bound: `≤ ${mebibytes(one.startBytes + BUDGET + SLACK)} MiB`,
      measured: `${mebibytes(one.peakBytes)} MiB`,
      isReached: one.peakBytes <= one.startBytes + BUDGET + SLACK,
      isValid: one.invalid === undefined,
    })),
    notes: [
      'One in ten of them wakes up after a while and reads what lies there, to see how it was ended: ' +
        outcomes
          .map(
            ({ reading, ends }) =>
              `${reading}, ${ends.noticed} found a notice and 4100, ${ends.slow} 4100 alone, ${ends.other} another code, ${ends.cut} were cut off`,
          )
          .join('; ') +
        '.',
      'The start is before the first client.',
      'Such a client has a window of 8 KB and segments of 1,460 bytes, as on a network.',
    ],
    numbers: { seconds, outcomes },
  };
}
