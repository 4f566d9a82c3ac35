/** How large a cluster must be. Owns: the arithmetic from a load and measured costs to processes, cores and memory. Pure.
 *  Assumptions, said to the operator with the plan: half of what a message costs besides its deliveries is the node's; the other half is
 *  paid by every router that has members of the room; rooms and clients are spread evenly; logs are full. */
import { table } from '../table.ts';
import { type Line, styled } from '../text.ts';
import { bytes, count, span } from '../units.ts';
import { COST_SOURCES, type Costs } from './costs.ts';

export interface Load {
  readonly clients: number;
  readonly rooms: number;
  /** Messages said a second, in all rooms together. */
  readonly rate: number;
  readonly bytes: number;
  readonly durable: boolean;
  readonly logMessages: number;
}

export interface PlanLimits {
  /** How busy a core may be on purpose: what is left is for bursts, joins and the loss of a process. */
  readonly busyMax: number;
  /** Routers and nodes beyond what the load needs, so that one may be lost or drained. */
  readonly spare: number;
  /** Clients of one router process. */
  readonly clientsPerRouterMax: number;
}

export interface Part {
  readonly processes: number;
  /** Busy cores of all of them together. */
  readonly cores: number;
  /** Of one process. */
  readonly memoryBytes: number;
}

export interface Plan {
  readonly load: Load;
  readonly membersPerRoom: number;
  readonly deliveriesPerSecond: number;
  readonly routers: Part;
  readonly nodes: Part;
  /** Primaries of Redis: more than one is a Redis Cluster. */
  readonly redis: Part;
  /** Until all clients of a lost router are back. */
  readonly returnMs: number;
}

const LARGE_ROOM = 50;
/** Messages that an owner keeps in memory for those who come back, with what surrounds each. */
const RECENT_MESSAGES = 100;
const RECENT_BYTES = 200;
const REDIS_BYTES = 16 * 1_048_576;
const ROUNDS = 20;

export function planCluster(load: Load, costs: Costs, limits: PlanLimits): Plan {
  const members = load.clients / Math.max(1, load.rooms);
  const deliveriesPerSecond = load.rate * members;
  const deliveryUs = members <= LARGE_ROOM ? costs.deliverySmallUs : costs.deliveryLargeUs;
  const { processes: routers, cores: routerCores } = routersFor(
    load,
    costs,
    limits,
    members,
    deliveriesPerSecond,
    deliveryUs,
  );
  const nodeUs = costs.messageUs / 2 + (load.durable ? costs.durableNodeUs : 0);
  const nodeCores = (load.rate * nodeUs) / 1e6;
  const nodes = Math.max(2, Math.ceil(nodeCores / limits.busyMax) + limits.spare);
  const redisCores = load.durable ? (load.rate * costs.durableRedisUs) / 1e6 : 0;
  const primaries = Math.max(1, Math.ceil(redisCores / limits.busyMax));
  const clientsPerRouter = load.clients / Math.max(1, routers - limits.spare);
  const log = load.durable ? load.logMessages * (costs.logEntryBytes + costs.logDataFactor * load.bytes) : 0;
  const recent = RECENT_MESSAGES * (RECENT_BYTES + load.bytes);
  const idleCores = (routers + nodes + primaries) * (1 - limits.busyMax);
  return {
    load,
    membersPerRoom: members,
    deliveriesPerSecond,
    routers: {
      processes: routers,
      cores: routerCores,
      memoryBytes: costs.processBytes + clientsPerRouter * (costs.routerClientBytes + costs.kernelClientBytes),
    },
    nodes: {
      processes: nodes,
      cores: nodeCores,
      memoryBytes:
        costs.processBytes +
        (load.clients * costs.nodeClientBytes + load.rooms * recent) / Math.max(1, nodes - limits.spare),
    },
    redis: {
      processes: primaries,
      cores: redisCores,
      memoryBytes: REDIS_BYTES + (load.clients * costs.redisClientBytes + load.rooms * log) / primaries,
    },
    returnMs: (clientsPerRouter * costs.joinUs) / 1_000 / idleCores,
  };
}

/** More routers reach more of a room's members each by themselves, which costs in every one of them: the number is looked for until
 *  it stands. */
function routersFor(
  { clients, rate }: Load,
  costs: Costs,
  { busyMax, spare, clientsPerRouterMax }: PlanLimits,
  members: number,
  deliveries: number,
  deliveryUs: number,
): { readonly processes: number; readonly cores: number } {
  const coresOf = (routers: number) =>
    (deliveries * deliveryUs + rate * Math.min(routers, Math.max(1, members)) * (costs.messageUs / 2)) / 1e6;
  let routers = Math.max(1, Math.ceil(clients / clientsPerRouterMax));
  for (let round = 0; round < ROUNDS; round++) {
    const wanted = Math.ceil(coresOf(routers) / busyMax);
    if (wanted <= routers) break;
    routers = wanted;
  }
  return { processes: routers + spare, cores: coresOf(routers) };
}

export function renderClusterPlan(plan: Plan, limits: PlanLimits, source: string): Line[] {
  const { load, routers, nodes, redis } = plan;
  const right = (name: string) => ({ name, align: 'right' as const });
  const row = (name: string, { processes, cores, memoryBytes }: Part, note: string): Line[] => [
    styled('bold', name),
    count(processes),
    cores.toFixed(1),
    bytes(memoryBytes),
    note,
  ];
  const kind = load.durable ? 'durable' : 'relay';
  const cluster =
    redis.processes > 1 ? 'a Redis Cluster; and its replicas' : 'and a replica; twice the memory while it forks';
  return [
    `${count(load.clients)} clients in ${count(load.rooms)} ${kind} rooms (${count(plan.membersPerRoom)} each) that say ${count(load.rate)} messages of ${count(load.bytes)} B a second:`,
    `${count(plan.deliveriesPerSecond)} deliveries a second.`,
    '',
    ...table(
      [{ name: '' }, right('PROCESSES'), right('BUSY CORES'), right('MEMORY EACH'), { name: '' }],
      [
        row(
          'routers',
          routers,
          `${count(limits.spare)} of them to spare; up to 256 MiB more each for clients that read slowly`,
        ),
        row('nodes', nodes, `${count(limits.spare)} of them to spare`),
        row('redis', redis, cluster),
      ],
    ),
    '',
    `A lost router’s clients are back after about ${span(plan.returnMs)}. A core is planned to be ${Math.round(limits.busyMax * 100)} % busy at most.`,
    ...(redis.processes > 1
      ? [
          styled(
            'yellow',
            'One Redis cannot write so many messages: use redis+cluster://, or relay rooms for what need not be kept.',
          ),
        ]
      : []),
    '',
    styled('faint', `Costs (${source}):`),
    ...COST_SOURCES.map(([what, from]) => styled('faint', `  ${what}: ${from}`)),
    styled(
      'faint',
      'Half of a message’s fixed cost is taken to be the node’s, the other half that of each router with members of its room.',
    ),
  ];
}
