/** What a client and a message cost, as measured. Owns: the figures and where each is from. In a checkout those of
 *  docs/benchmarks/results.json take the place of the ones written here, which were read there on 2026-11-25. Pure. */
import { fieldsOf, listOf, numberOf } from '../fields.ts';

export interface Costs {
  /** CPU of one delivery in a room of 20, and in a room of 1,000: µs. */
  readonly deliverySmallUs: number;
  readonly deliveryLargeUs: number;
  /** CPU of a message besides its deliveries, router and node together: µs. */
  readonly messageUs: number;
  /** What a durable room adds to a message, in the node and in Redis: µs. */
  readonly durableNodeUs: number;
  readonly durableRedisUs: number;
  /** CPU of a join, all processes together: µs. */
  readonly joinUs: number;
  readonly routerClientBytes: number;
  readonly nodeClientBytes: number;
  readonly redisClientBytes: number;
  /** The kernel's objects for one socket of a router. */
  readonly kernelClientBytes: number;
  /** A router or node without clients, resident. */
  readonly processBytes: number;
  /** A logged message in Redis: so much, and so often its data's size. */
  readonly logEntryBytes: number;
  readonly logDataFactor: number;
}

export const WRITTEN_COSTS: Costs = {
  deliverySmallUs: 8.5,
  deliveryLargeUs: 14.2,
  messageUs: 54.9,
  durableNodeUs: 47,
  durableRedisUs: 47.7,
  joinUs: 1_010,
  routerClientBytes: 4_230,
  nodeClientBytes: 1_460,
  redisClientBytes: 630,
  kernelClientBytes: 5_102,
  processBytes: 80 * 1_048_576,
  logEntryBytes: 100,
  logDataFactor: 1.24,
};

/** Where each figure is from, for the operator to judge. */
export const COST_SOURCES: readonly (readonly [what: string, source: string])[] = [
  ['CPU of a delivery and of a message', 'docs/benchmarks.md: echo, rooms and broadcast, relay rooms, 128 B, 2 cores'],
  ['what a log adds', 'docs/benchmarks.md: durable, rooms and echo; Redis without AOF'],
  ['CPU of a join', 'docs/benchmarks.md: scale'],
  ['memory of a client', 'docs/benchmarks.md: scale, 100,000 clients; half of the kernel’s for both ends'],
  ['memory of a process', 'docs/benchmarks.md: unread, before the first client'],
  ['a logged message', 'MEMORY USAGE of streams of 1,000 entries of 128 and 1,024 B, Redis 7.0.15'],
];

/** The written figures, with those that `results` (the parsed results.json) measures anew. */
export function measuredCosts(results: unknown): Costs {
  const { cells, parts } = fieldsOf(results);
  const own = listOf(cells).filter(({ system }) => system === 'bellhop');
  const cpu = (workload: string) =>
    median(own.filter((cell) => cell['workload'] === workload).map((cell) => numberOf(cell['cpuPerDeliveryUs'])));
  const [echo, rooms, broadcast] = [cpu('echo'), cpu('rooms'), cpu('broadcast')];
  const scale = fieldsOf(listOf(parts).find(({ part }) => part === 'scale')?.['numbers']);
  const joinUs = numberOf(scale['cpuPerConnectUs']) ?? WRITTEN_COSTS.joinUs;
  const kernel = numberOf(scale['slabPerClientBothEnds']);
  const kernelClientBytes = kernel === undefined ? WRITTEN_COSTS.kernelClientBytes : kernel / 2;
  const costs = { ...WRITTEN_COSTS, joinUs, kernelClientBytes };
  if (echo === undefined || rooms === undefined || broadcast === undefined) return costs;
  // echo = message + delivery, 20 × rooms = message + 20 × delivery.
  const deliverySmallUs = (20 * rooms - echo) / 19;
  return { ...costs, deliverySmallUs, messageUs: echo - deliverySmallUs, deliveryLargeUs: broadcast };
}

function median(values: readonly (number | undefined)[]): number | undefined {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  const lower = sorted[middle - 1];
  return sorted.length % 2 === 1 || upper === undefined || lower === undefined ? upper : (lower + upper) / 2;
}
