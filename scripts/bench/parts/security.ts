/** What authentication, limits and checks cost a message: the same load with everything that may be on, and with everything off, in turn
 *  first. Owns: that experiment, and what "everything" is. What cannot be turned off (the decoder, bounds on queues, the proof of links)
 *  runs on both sides. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { type BellhopCluster, CLIENT_PATH, readMetrics, startBellhop } from '../bellhop-cluster.ts';
import { figure } from '../charts.ts';
import type { LoadPlan, LoadResult } from '../load-plan.ts';
import { startLoad, tooBusy } from '../load-process.ts';
import { type PartGoal, type PartResult, type PartTools, today } from '../part.ts';
import { usageOf } from '../processes.ts';
import { median } from '../summary.ts';
import { WORKLOADS } from '../workloads.ts';

const SIDES = ['off', 'on'] as const;
type Side = (typeof SIDES)[number];
/** Echo: 20,000 messages/s come from clients, and each is checked. Broadcast: 50 come in, and 50,000 go out. */
const LOADS = ['broadcast', 'echo'] as const;
type Load = (typeof LOADS)[number];
const GOAL = 1.05;
/** Users who were revoked before the load began, none of whom is in it. */
const REVOKED = 200;

const JWT_SECRET = 'a secret for one run of the bench';
const API_TOKEN = 'api-token-of-one-run';
const ORIGIN = 'https://app.example';
const ISSUER = 'https://issuer.example';
const AUDIENCE = 'rooms';

/** Limits as they are by default, but for those on how fast the clients of a load come all at once. */
const ON: Readonly<Record<string, string>> = {
  BELLHOP_ACCEPT_RATE: '10000',
  BELLHOP_ADDRESS_CONNECT_RATE: '250',
  BELLHOP_ALLOW_ORIGINS: `https://www.example,${ORIGIN},https://other.example`,
  BELLHOP_API_TOKEN: API_TOKEN,
  BELLHOP_HIDDEN_MEMBERS: 'support:*',
  BELLHOP_JWT_AUDIENCE: AUDIENCE,
  BELLHOP_JWT_ISSUER: ISSUER,
  BELLHOP_JWT_SECRET: JWT_SECRET,
  BELLHOP_MESSAGE_RATE: '1000',
  BELLHOP_TICKETS: 'true',
  // Each client's address is then one of its own, which is counted; that of its socket is loopback and is not.
  BELLHOP_TRUSTED_PROXIES: '127.0.0.1',
  BELLHOP_USER_CONNECT_RATE: '50',
  BELLHOP_USER_MESSAGE_RATE: '10000',
  BELLHOP_USER_SESSIONS_MAX: '1000',
};
const OFF: Readonly<Record<string, string>> = {
  BELLHOP_ACCEPT_RATE: '0',
  BELLHOP_ADDRESS_CONNECT_RATE: '0',
  BELLHOP_MESSAGE_RATE: '0',
  BELLHOP_USER_CONNECT_RATE: '0',
  BELLHOP_USER_MESSAGE_RATE: '0',
  BELLHOP_USER_SESSIONS_MAX: '0',
};

interface Sample {
  readonly side: Side;
  readonly load: Load;
  readonly round: number;
  readonly cpuPerDeliveryUs: number;
  /** Of it the router's. */
  readonly routerPerDeliveryUs: number;
  /** The busier the machine is, the more of them go in one write, and the less each costs: rounds that differ here cannot be compared. */
  readonly deliveriesPerWrite: number;
  /** Of all server processes, for each client that joined. */
  readonly cpuPerConnectUs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly isComplete: boolean;
  readonly invalid: string | undefined;
}

export async function measureSecurity(tools: PartTools, rounds: number, seconds: number): Promise<PartResult> {
  const folder = mkdtempSync(join(tmpdir(), 'bellhop-bench-'));
  try {
    const headers = join(folder, 'headers');
    await writeHeaders(headers);
    const samples: Sample[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const load of LOADS) {
        for (const side of round % 2 === 1 ? SIDES : SIDES.toReversed()) {
          const sample = { side, load, round, ...(await measure(tools, side, load, seconds, headers)) };
          samples.push(sample);
          tools.say(
            `security: round ${round}, ${load}, checks ${side}: ${sample.cpuPerDeliveryUs.toFixed(2)} µs a delivery, of it ${sample.routerPerDeliveryUs.toFixed(2)} the router, ${sample.deliveriesPerWrite.toFixed(2)} in a write, ${sample.cpuPerConnectUs.toFixed(0)} µs a connect, p99 ${sample.p99Ms} ms${sample.isComplete ? '' : ' INCOMPLETE'}${sample.invalid === undefined ? '' : ' INVALID'}`,
          );
        }
      }
    }
    return report(samples, rounds, seconds);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A token, an origin and an address for each client. */
async function writeHeaders(file: string): Promise<void> {
  const clients = Math.max(...LOADS.map((load) => baseOf(load).clients));
  const key = new TextEncoder().encode(JWT_SECRET);
  const blocks: string[] = [];
  for (let i = 0; i < clients; i++) {
    const token = await new SignJWT({ rooms: ['lobby', 'b*'], publish: ['b*'] })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(`u${i}`)
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setIssuedAt()
      .setExpirationTime('2h')
      .sign(key);
    const address = `10.0.${i >> 8}.${i & 0xff}`;
    blocks.push(`Authorization: Bearer ${token}\r\nOrigin: ${ORIGIN}\r\nX-Forwarded-For: ${address}\r\n\r\n`);
  }
  writeFileSync(file, blocks.join(''));
}

function baseOf(load: Load): Omit<LoadPlan, 'ports' | 'path' | 'envelope'> {
  const base = WORKLOADS.find(({ id }) => id === load)?.load;
  if (base === undefined) throw new Error(`there is no workload ${load}`);
  return base;
}

async function measure(
  { generator }: PartTools,
  side: Side,
  load: Load,
  seconds: number,
  headers: string,
): Promise<Omit<Sample, 'side' | 'load' | 'round'>> {
  const cluster = await startBellhop(1, 1, side === 'on' ? ON : OFF);
  try {
    if (side === 'on') await revokeSome(cluster);
    const plan: LoadPlan = {
      ...baseOf(load),
      ...{ seconds, ports: cluster.ports, path: CLIENT_PATH, envelope: 'bellhop' },
      ...(side === 'on' ? { headers } : {}),
    };
    return await runLoad(cluster, plan, generator);
  } finally {
    await cluster.stop();
  }
}

async function revokeSome(cluster: BellhopCluster): Promise<void> {
  for (let i = 0; i < REVOKED; i++) {
    const answer = await fetch(`http://127.0.0.1:${cluster.ports[0]}/api/v1/users/gone${i}/revoke`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${API_TOKEN}` },
      signal: AbortSignal.timeout(10_000),
    });
    if (!answer.ok) throw new Error(`a user could not be revoked: ${answer.status}`);
  }
}

async function runLoad(
  cluster: BellhopCluster,
  plan: LoadPlan,
  generator: PartTools['generator'],
): Promise<Omit<Sample, 'side' | 'load' | 'round'>> {
  const before = usageOf(cluster.pids).cpuUs;
  const load = startLoad(plan, generator);
  try {
    await load.next('connected');
    const joined = usageOf(cluster.pids).cpuUs;
    await load.next('ready');
    const writes = async (): Promise<number> => (await readMetrics(cluster.ports[0] ?? 0))('client_writes_total');
    const written = await writes();
    const began = { all: usageOf(cluster.pids).cpuUs, router: usageOf(cluster.routers).cpuUs };
    load.go();
    const result = (await load.next('result')) as unknown as LoadResult;
    const ended = { all: usageOf(cluster.pids).cpuUs, router: usageOf(cluster.routers).cpuUs };
    const deliveries = Math.max(1, result.deliveries);
    return {
      cpuPerDeliveryUs: (ended.all - began.all) / deliveries,
      routerPerDeliveryUs: (ended.router - began.router) / deliveries,
      deliveriesPerWrite: deliveries / Math.max(1, (await writes()) - written),
      cpuPerConnectUs: (joined - before) / plan.clients,
      p50Ms: result.p50Ms,
      p99Ms: result.p99Ms,
      isComplete: result.deliveries === result.expected && result.unsent + result.lost + result.duplicates === 0,
      invalid: tooBusy(result.cpuUs / (result.seconds * 1e6)),
    };
  } finally {
    await load.stop();
  }
}

function report(samples: readonly Sample[], rounds: number, seconds: number): PartResult {
  const of = (load: Load, side: Side): Sample[] => samples.filter((one) => one.load === load && one.side === side);
  const ratios = (load: Load, measured: (sample: Sample) => number): number[] =>
    of(load, 'on').flatMap((sample) => {
      const other = of(load, 'off').find(({ round }) => round === sample.round);
      return other === undefined || measured(other) <= 0 ? [] : [measured(sample) / measured(other)];
    });
  const cpu = (sample: Sample): number => sample.cpuPerDeliveryUs;
  const connect = (sample: Sample): number => sample.cpuPerConnectUs;
  const times = (values: readonly number[]): string => {
    const middle = median(values);
    return middle === undefined ? '–' : `${middle.toFixed(2)}×`;
  };
  const spread = (values: readonly number[]): string =>
    `${Math.min(...values).toFixed(2)}–${Math.max(...values).toFixed(2)}×`;
  return {
    part: 'security',
    date: today(),
    says: `The workloads \`broadcast\` and \`echo\` for ${seconds} s each, ${rounds} times, with every check on and with every check off`,
    table: [
      [
        'workload',
        'checks',
        'CPU µs/delivery',
        'of it routers',
        'deliveries/write',
        'p50 ms',
        'p99 ms',
        'CPU µs/connect',
        'complete',
      ],
      ...LOADS.flatMap((load) =>
        SIDES.map((side) => [
          load,
          side,
          figure(median(of(load, side).map(cpu))),
          figure(median(of(load, side).map(({ routerPerDeliveryUs }) => routerPerDeliveryUs))),
          figure(median(of(load, side).map(({ deliveriesPerWrite }) => deliveriesPerWrite))),
          figure(median(of(load, side).map(({ p50Ms }) => p50Ms))),
          figure(median(of(load, side).map(({ p99Ms }) => p99Ms))),
          figure(median(of(load, side).map(connect))),
          of(load, side).every(({ isComplete }) => isComplete) ? 'yes' : 'no',
        ]),
      ),
    ],
    goals: LOADS.map((load): PartGoal => {
      const ratio = median(ratios(load, cpu));
      return {
        says: `${load}, CPU per delivery with every check on`,
        than: 'every check off',
        bound: `≤ ${GOAL}×`,
        measured: times(ratios(load, cpu)),
        isReached: ratio !== undefined && ratio <= GOAL && of(load, 'on').every(({ isComplete }) => isComplete),
        isValid: samples.every((one) => one.load !== load || one.invalid === undefined),
      };
    }),
    notes: [
      `On: a token for each client (HS256, issuer, audience, patterns of rooms, the right to publish, an end), tickets, ${REVOKED} revoked users, a list of origins, addresses behind a trusted proxy, an API token, hidden members, and each limit by address, user, session and in all. Off: none of these.`,
      `CPU per write, compared in the same way: ${LOADS.map((load) => `${load} ${times(ratios(load, (sample) => sample.cpuPerDeliveryUs * sample.deliveriesPerWrite))}`).join(', ')}. The busier the machine, the more messages go to a client in one write, and the less each costs: rounds that differ in this say little of each delivery.`,
      `The ratios of single rounds: ${LOADS.map((load) => `${load} ${spread(ratios(load, cpu))}`).join(', ')}; p99: ${LOADS.map((load) => `${load} ${times(ratios(load, ({ p99Ms }) => p99Ms))}`).join(', ')}; CPU per connect: ${LOADS.map((load) => `${load} ${times(ratios(load, connect))}`).join(', ')}.`,
    ],
    numbers: { seconds, rounds, samples },
  };
}
