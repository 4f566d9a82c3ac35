/** What a node tells Prometheus. Owns: its registry, and what is counted only to be told. Does not know: names, types and meanings
 *  (shared/metric-table.ts). */
import type { Histogram } from 'prom-client';
import { MetricRegistry, type Sample } from '../shared/metric-registry.ts';
import { NODE_METRICS } from '../shared/metric-table.ts';
import { collectRuntimeMetrics, type LoopDelay } from '../shared/runtime-metrics.ts';
import type { NodeMeasure, NodeMetric } from './ports.ts';
import type { ResetReason } from './recent.ts';

/** Where gauges are read when they are asked for. */
export interface NodeMetricSources {
  readonly rooms: () => number;
  readonly sessions: () => number;
  readonly share: () => number;
  readonly gateOpen: () => boolean;
  readonly islanded: () => boolean;
  readonly redisUp: () => boolean;
  readonly draining: () => boolean;
  readonly handoversUnderWay: () => number;
  readonly linkBacklogBytes: () => number;
  readonly logBacklogBytes: () => number;
}

type PlainMetric = Exclude<NodeMetric, `reset_${string}`>;

const COUNTERS: readonly PlainMetric[] = [
  'publishes',
  'casts',
  'claims',
  'claims_lost',
  'releases',
  'handovers',
  'handovers_failed',
  'suspensions',
  'islandings',
  'history_changes',
  'dropped_gated',
  'dropped_ephemeral',
  'program_failures',
  'appends',
  'appended',
  'appends_fenced',
  'appends_rolled_back',
  'duplicates',
  'senders_evicted',
  'publishes_refused',
  'records_ignored',
];

const RESETS: Readonly<Record<ResetReason, true>> = {
  trimmed: true,
  log_lost: true,
  ahead: true,
  forked: true,
  too_far: true,
  owner_lost: true,
};
const REASONS = Object.keys(RESETS) as ResetReason[];

export class NodeMetrics {
  readonly loopDelay: LoopDelay;
  readonly #metrics = new MetricRegistry('bellhop_node_', NODE_METRICS);
  /** Added up here and told when asked: two of them are counted for every message. */
  readonly #told: Record<NodeMetric, number>;
  readonly #measures: Readonly<Record<NodeMeasure, { readonly histogram: Histogram; readonly scale: number }>>;
  readonly #redis: Histogram;

  constructor(sources: NodeMetricSources) {
    this.loopDelay = collectRuntimeMetrics(this.registry, 'node');
    const metrics = this.#metrics;
    const keys: NodeMetric[] = [...COUNTERS, ...REASONS.map((reason) => `reset_${reason}` as const)];
    const told = Object.fromEntries(keys.map((name) => [name, 0])) as Record<NodeMetric, number>;
    this.#told = told;
    for (const name of COUNTERS) metrics.counter(`${name}_total`, () => told[name]);
    metrics.counter('resets_total', () => REASONS.map((reason): Sample => [[reason], told[`reset_${reason}`]]));

    metrics.gauge('rooms', sources.rooms);
    metrics.gauge('sessions', sources.sessions);
    metrics.gauge('share_ratio', sources.share);
    metrics.gauge('gate_open', sources.gateOpen);
    metrics.gauge('islanded', sources.islanded);
    metrics.gauge('redis_up', sources.redisUp);
    metrics.gauge('draining', sources.draining);
    metrics.gauge('handovers_under_way', sources.handoversUnderWay);
    metrics.gauge('link_backlog_bytes', sources.linkBacklogBytes);
    metrics.gauge('log_backlog_bytes', sources.logBacklogBytes);

    this.#measures = {
      claim_ms: { histogram: metrics.histogram('claim_seconds'), scale: 1_000 },
      append_ms: { histogram: metrics.histogram('append_seconds'), scale: 1_000 },
      append_items: { histogram: metrics.histogram('append_batch_items'), scale: 1 },
      handover_pause_ms: { histogram: metrics.histogram('handover_pause_seconds'), scale: 1_000 },
      handover_ms: { histogram: metrics.histogram('handover_seconds'), scale: 1_000 },
    };
    this.#redis = metrics.histogram('redis_seconds');
  }

  get registry() {
    return this.#metrics.registry;
  }

  count(metric: NodeMetric, by = 1): void {
    this.#told[metric] += by;
  }

  observe(measure: NodeMeasure, value: number): void {
    const { histogram, scale } = this.#measures[measure];
    histogram.observe(value / scale);
  }

  /** @param connection  one of the directory's few; @param outcome  one of a few words */
  redis(connection: string, outcome: string, ms: number): void {
    this.#redis.observe({ connection, outcome }, ms / 1_000);
  }
}
