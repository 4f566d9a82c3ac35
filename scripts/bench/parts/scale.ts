/** Many clients on one machine: all connect, every room gets one message, everybody must get it, and presence must be right. Owns: that
 *  experiment. A process may have but so many files open, so there are several routers and several load generators, each generator with
 *  an address of its own in 127.0.0.0/8; a room's members are spread over all routers, as behind a load balancer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type BellhopCluster, CLIENT_PATH, startBellhop } from '../bellhop-cluster.ts';
import { figure } from '../charts.ts';
import type { LoadPlan, LoadResult } from '../load-plan.ts';
import { type Load, startLoad, tooBusy } from '../load-process.ts';
import { grownCaches, type KernelMemory, kernelMemory, userMemory } from '../memory.ts';
import { mebibytes, type PartResult, type PartTools, today } from '../part.ts';
import { usageOf } from '../processes.ts';
import { countPresence, type PresenceCount } from './presence-count.ts';

export interface ScaleOptions {
  readonly clients: number;
  readonly nodes: number;
  /** As many as the clients need, unless given. */
  readonly routers: number | undefined;
}

const MEMBERS = 20;
/** Of the 20,000 files that a process often may open, some are its own. */
const CLIENTS_PER_ROUTER = 16_000;
const CLIENTS_PER_LOAD = 12_500;
/** Handshakes under way at a time, of all generators together: well below a listening socket's queue. */
const HANDSHAKES = 128;
const SPREAD_SECONDS = 10;
const PATIENCE_SECONDS = 600;
const SETTLE_MS = 8_000;
const LIMIT_MS = 1_800_000;

/** Where one moment's accounts stand. */
interface Account {
  readonly cpuUs: number;
  readonly routers: ReturnType<typeof userMemory>;
  readonly nodes: ReturnType<typeof userMemory>;
  readonly redis: ReturnType<typeof userMemory>;
  readonly loads: ReturnType<typeof userMemory>;
  readonly kernel: KernelMemory;
}

export async function measureScale(tools: PartTools, options: ScaleOptions): Promise<PartResult> {
  const rooms = Math.floor(options.clients / MEMBERS);
  const clients = rooms * MEMBERS;
  const routers = options.routers ?? Math.max(2, Math.ceil(clients / CLIENTS_PER_ROUTER));
  const cluster = await startBellhop(options.nodes, routers);
  const loads: Load[] = [];
  try {
    const before = account(cluster, []);
    const since = performance.now();
    for (const plan of plansFor(cluster, rooms)) loads.push(startLoad(plan, tools.generator, LIMIT_MS));
    const connected = await Promise.all(loads.map((load) => load.next('connected')));
    const connectSeconds = (performance.now() - since) / 1_000;
    const joined = account(cluster, loads);
    tools.say(`scale: ${clients} clients joined in ${connectSeconds.toFixed(1)} s`);
    await Promise.all(loads.map((load) => load.next('ready')));
    const ready = account(cluster, loads);
    const atFirst = await countPresence(cluster.ports, rooms, MEMBERS);
    tools.say(`scale: presence: ${atFirst.roomsRight} of ${rooms} rooms right`);

    // What so many processes and clients cost in silence is not a message's price.
    const silent = await using(cluster, () => sleep(SPREAD_SECONDS * 1_000));
    const spoken = await using(cluster, async () => {
      for (const load of loads) load.go();
      return (await Promise.all(loads.map((load) => load.next('result')))) as unknown as LoadResult[];
    });
    const results = spoken.result;
    tools.say(`scale: ${total(results, 'deliveries')} of ${clients} deliveries`);
    const busiest = Math.max(
      ...results.map(({ cpuUs, seconds }) => cpuUs / (seconds * 1e6)),
      ...connected.map((line) => Number(line['cpuUs']) / (Number(line['seconds']) * 1e6)),
    );
    return report({
      ...{ clients, rooms, cluster, generators: loads.length, connectSeconds, before, joined, ready, atFirst },
      ...{ results, deliveryCpuUs: spoken.cpuUs, silentCpuUs: (silent.cpuUs / silent.ms) * spoken.ms, busiest },
    });
  } finally {
    await Promise.all(loads.map((load) => load.stop()));
    await cluster.stop();
  }
}

async function using<T>(cluster: BellhopCluster, act: () => Promise<T>) {
  const cpuUs = usageOf(cluster.pids).cpuUs;
  const since = performance.now();
  const result = await act();
  return { result, cpuUs: usageOf(cluster.pids).cpuUs - cpuUs, ms: performance.now() - since };
}

function plansFor(cluster: BellhopCluster, rooms: number): LoadPlan[] {
  const generators = Math.ceil((rooms * MEMBERS) / CLIENTS_PER_LOAD);
  let first = 0;
  return Array.from({ length: generators }, (_, i) => {
    const own = Math.floor(rooms / generators) + (i < rooms % generators ? 1 : 0);
    const plan: LoadPlan = {
      ...{ ports: cluster.ports, path: CLIENT_PATH, envelope: 'bellhop', clients: own * MEMBERS, members: MEMBERS },
      ...{ bytes: 128, rate: Math.ceil(own / SPREAD_SECONDS), seconds: SPREAD_SECONDS, warm: 0, settle: SETTLE_MS },
      ...{ drain: 60, concurrency: Math.max(1, Math.floor(HANDSHAKES / generators)), tick: 5_000 },
      ...{ messages: own, first, source: `127.0.1.${i + 1}`, patience: PATIENCE_SECONDS },
    };
    first += own * MEMBERS;
    return plan;
  });
}

function account(cluster: BellhopCluster, loads: readonly Load[]): Account {
  return {
    cpuUs: usageOf(cluster.pids).cpuUs,
    routers: userMemory(cluster.routers),
    nodes: userMemory(cluster.nodes),
    redis: userMemory([cluster.redis]),
    loads: userMemory(loads.map(({ pid }) => pid)),
    kernel: kernelMemory(),
  };
}

interface Seen {
  readonly clients: number;
  readonly rooms: number;
  readonly cluster: BellhopCluster;
  readonly generators: number;
  readonly connectSeconds: number;
  readonly before: Account;
  readonly joined: Account;
  readonly ready: Account;
  readonly atFirst: PresenceCount;
  readonly results: readonly LoadResult[];
  readonly deliveryCpuUs: number;
  /** What as long a silence costs. */
  readonly silentCpuUs: number;
  /** Share of a core of the busiest generator. */
  readonly busiest: number;
}

function total(
  results: readonly LoadResult[],
  what: 'sent' | 'deliveries' | 'duplicates' | 'foreign' | 'lost',
): number {
  return results.reduce((sum, result) => sum + result[what], 0);
}

function report(seen: Seen): PartResult {
  const { clients, rooms, cluster, before, joined, ready, atFirst, results } = seen;
  const deliveries = total(results, 'deliveries');
  const each = (of: (account: Account) => number): number => (of(ready) - of(before)) / clients;
  const kb = (bytes: number): string => figure(bytes / 1_024);
  const role = (of: 'routers' | 'nodes' | 'redis') =>
    `${kb(each((one) => one[of].pssBytes))} (RSS ${kb(each((one) => one[of].rssBytes))})`;
  const userPss = each((one) => one.routers.pssBytes + one.nodes.pssBytes + one.redis.pssBytes);
  const userRss = each((one) => one.routers.rssBytes + one.nodes.rssBytes + one.redis.rssBytes);
  const slab = each(({ kernel }) => kernel.slabBytes);
  const netUs = Math.max(0, seen.deliveryCpuUs - seen.silentCpuUs) / Math.max(1, deliveries);
  const p99 = Math.max(...results.map(({ p99Ms }) => p99Ms));
  const faults = total(results, 'duplicates') + total(results, 'foreign') + total(results, 'lost');
  const hasAll = deliveries === clients && faults === 0;
  const isCounted =
    atFirst.roomsRight === rooms && [atFirst.listed, atFirst.byNodes, atFirst.byRouters].every((n) => n === clients);
  const invalid = tooBusy(seen.busiest);
  const caches = grownCaches(before.kernel, ready.kernel, 8);
  const count = (value: number): string => value.toLocaleString('en-US');
  const yes = (isSo: boolean) => (isSo ? '' : 'MISSED');
  return {
    part: 'scale',
    date: today(),
    says: `${count(clients)} clients in ${count(rooms)} rooms of ${MEMBERS} through ${cluster.routers.length} routers to ${cluster.nodes.length} nodes, one Redis, ${seen.generators} load generators, all on one machine`,
    table: [
      ['what', 'measured', ''],
      ['joined', `${count(clients)} in ${seen.connectSeconds.toFixed(1)} s`, ''],
      ['joins/s', figure(clients / seen.connectSeconds), ''],
      ['servers’ CPU per join', `${figure((joined.cpuUs - before.cpuUs) / clients)} µs`, ''],
      [
        'rooms whose presence is right',
        `${count(atFirst.roomsRight)} of ${count(rooms)}`,
        yes(atFirst.roomsRight === rooms),
      ],
      [
        'present by the rooms’ list · the nodes · the routers',
        `${count(atFirst.listed)} · ${count(atFirst.byNodes)} · ${count(atFirst.byRouters)}`,
        yes(isCounted),
      ],
      ['presence was right after', `${atFirst.seconds.toFixed(1)} s`, ''],
      ['messages, one a room', count(total(results, 'sent')), yes(total(results, 'sent') === rooms)],
      ['deliveries', `${count(deliveries)} of ${count(clients)}`, yes(hasAll)],
      ['twice, foreign, or cut off', count(faults), yes(faults === 0)],
      [
        'servers’ CPU per delivery',
        `${figure(netUs)} µs (${figure(seen.deliveryCpuUs / Math.max(1, deliveries))} with all else)`,
        '',
      ],
      ['p99 latency (the worst generator’s)', `${figure(p99)} ms`, ''],
      ['user memory per client, PSS of all servers', `${kb(userPss)} KB (RSS ${kb(userRss)} KB)`, ''],
      ['of it routers · nodes · Redis, KB', `${role('routers')} · ${role('nodes')} · ${role('redis')}`, ''],
      ['kernel’s objects per client, both ends', `${kb(slab)} KB`, ''],
      [
        'all memory that went, per client, generators included',
        `${kb(-each(({ kernel }) => kernel.availableBytes))} KB`,
        '',
      ],
      [
        'servers’ PSS in all',
        `${mebibytes(ready.routers.pssBytes + ready.nodes.pssBytes + ready.redis.pssBytes)} MiB`,
        '',
      ],
      [
        'the busiest generator',
        `${Math.round(seen.busiest * 100)} % of a core`,
        invalid === undefined ? '' : 'INVALID',
      ],
    ],
    goals: [
      goal('every client got its room’s message, once', `${count(deliveries)}`, `= ${count(clients)}`, hasAll, invalid),
      goal(
        'presence right, by room and in all',
        `${count(atFirst.roomsRight)} rooms`,
        `= ${count(rooms)} rooms`,
        isCounted,
        undefined,
      ),
    ],
    notes: [
      `Both ends of every connection live on this machine: the kernel's objects are those of ${count(2 * clients)} sockets, and about half of them would be a server's. Most grew: ${caches.map(([name, bytes]) => `${name} ${figure(bytes / clients)} B`).join(', ')} a client.`,
      'A room’s members are spread over all routers, so that a message goes to each of them: dearer than with members together.',
      'What the servers use in as long a silence (pings to every client, heartbeats, presence) is taken off the CPU per delivery.',
    ],
    numbers: {
      clients,
      rooms,
      routers: cluster.routers.length,
      nodes: cluster.nodes.length,
      generators: seen.generators,
      connectSeconds: seen.connectSeconds,
      connectsPerSecond: clients / seen.connectSeconds,
      cpuPerConnectUs: (joined.cpuUs - before.cpuUs) / clients,
      cpuPerDeliveryUs: netUs,
      cpuPerDeliveryGrossUs: seen.deliveryCpuUs / Math.max(1, deliveries),
      deliveries,
      faults,
      p99Ms: p99,
      presence: atFirst,
      userPssPerClient: userPss,
      userRssPerClient: userRss,
      slabPerClientBothEnds: slab,
      availablePerClient: -each(({ kernel }) => kernel.availableBytes),
      tcpBuffersPerClient: each(({ kernel }) => kernel.tcpBytes),
      caches: Object.fromEntries(caches.map(([name, bytes]) => [name, bytes / clients])),
      loadsPssPerClient: each((one) => one.loads.pssBytes),
      busiestGenerator: seen.busiest,
    },
  };
}

function goal(says: string, measured: string, bound: string, isReached: boolean, invalid: string | undefined) {
  return { says, than: '–', bound, measured, isReached, isValid: invalid === undefined };
}
