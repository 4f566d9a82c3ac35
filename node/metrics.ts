/** What a node tells Prometheus. Owns: the registry. No label ever holds a room or a user. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { NodeMetric } from './ports.ts';

const COUNTERS: Readonly<Record<NodeMetric, string>> = {
  publishes: 'Publishes taken from clients',
  casts: 'Frames cast to routers, one a router and message',
  claims: 'Rooms claimed',
  claims_lost: 'Claims that met a changed record',
  releases: 'Empty rooms released',
  handovers: 'Rooms handed over to another node',
  handovers_failed: 'Handovers called off before anything was written',
  suspensions: 'Times the gate shut',
  islandings: 'Times routers’ answers kept the gate open past the lease',
  history_changes: 'Changes of Redis history met',
  dropped_gated: 'Messages dropped at a shut gate',
  dropped_ephemeral: 'Ephemeral messages dropped because much waits for their router',
  program_failures: 'Rooms closed because their program threw',
  appends: 'Batches appended to logs',
  appended: 'Items of those batches',
  duplicates: 'Items that a log had already, and did not take again',
  senders_evicted: 'Senders that a log forgot because it remembers too many',
  publishes_refused: 'Publishes refused because they could not be logged in time',
};

const LOOP_PRECISION_MS = 100;
const MS_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

export class NodeMetrics {
  readonly registry = new Registry();
  /** Added up here and told when asked: two of them are counted for every message. */
  readonly #told: Record<NodeMetric, number>;
  readonly #claim: Histogram;
  readonly #pause: Histogram;
  readonly #append: Histogram;
  readonly #redis: Histogram<'outcome'>;

  constructor(gauges: { rooms: () => number; sessions: () => number; gateOpen: () => boolean }) {
    const registers = [this.registry];
    this.#told = Object.fromEntries(Object.keys(COUNTERS).map((name) => [name, 0])) as Record<NodeMetric, number>;
    // Its default precision wakes an idle process a hundred times a second.
    collectDefaultMetrics({
      register: this.registry,
      prefix: 'bellhop_',
      eventLoopMonitoringPrecision: LOOP_PRECISION_MS,
    });
    const told = this.#told;
    const counter = (name: NodeMetric): Counter =>
      new Counter({
        name: `bellhop_node_${name}_total`,
        help: COUNTERS[name],
        registers,
        collect() {
          this.reset();
          this.inc(told[name]);
        },
      });
    for (const name of Object.keys(COUNTERS) as NodeMetric[]) counter(name);
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    gauge('bellhop_node_rooms', 'Rooms held', gauges.rooms);
    gauge('bellhop_node_sessions', 'Sessions seated', gauges.sessions);
    gauge('bellhop_node_gate_open', '1 while output that Redis does not fence may leave', () =>
      gauges.gateOpen() ? 1 : 0,
    );
    const histogram = (name: string, help: string) => new Histogram({ name, help, buckets: MS_BUCKETS, registers });
    this.#claim = histogram('bellhop_node_claim_ms', 'From sending a claim to its answer, milliseconds');
    this.#append = histogram(
      'bellhop_node_append_ms',
      'From handing a batch to a room’s log to its answer, milliseconds',
    );
    this.#pause = histogram(
      'bellhop_node_handover_pause_ms',
      'How long a room stood still for its handover, milliseconds',
    );
    this.#redis = new Histogram({
      name: 'bellhop_node_redis_ms',
      help: 'Directory operations, milliseconds',
      buckets: MS_BUCKETS,
      labelNames: ['outcome'],
      registers,
    });
  }

  count(metric: NodeMetric, by = 1): void {
    this.#told[metric] += by;
  }

  observe(metric: 'claim_ms' | 'handover_pause_ms' | 'append_ms', ms: number): void {
    const histogram = { claim_ms: this.#claim, handover_pause_ms: this.#pause, append_ms: this.#append }[metric];
    histogram.observe(ms);
  }

  redis(outcome: string, ms: number): void {
    this.#redis.observe({ outcome }, ms);
  }
}
