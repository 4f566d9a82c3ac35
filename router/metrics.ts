/** What a router tells Prometheus. Owns: its registry, and what is counted only to be told. Does not know: names, types and meanings
 *  (shared/metric-table.ts), or where the other numbers come from. */
import type { Histogram } from 'prom-client';
import { MetricRegistry, type Sample } from '../shared/metric-registry.ts';
import { ROUTER_METRICS } from '../shared/metric-table.ts';
import { collectRuntimeMetrics, type LoopDelay } from '../shared/runtime-metrics.ts';
import type { AdmissionRate } from './admission-rate.ts';
import type { Clients } from './clients.ts';
import type { Inflation } from './compression/inflation.ts';
import type { HandshakeStats } from './handshakes.ts';
import type { Limit } from './limits.ts';
import type { RouterDuration, RouterMetric, RouterPorts } from './ports.ts';

/** Where gauges are read when they are asked for. */
export interface MetricSources {
  readonly clients: Pick<Clients, 'stats' | 'packed' | 'sessions' | 'sockets' | 'dropped' | 'backlogBytes'>;
  readonly handshakes: HandshakeStats;
  readonly admissionRate: Pick<AdmissionRate, 'perSecond'>;
  readonly limits: Readonly<Record<Limit, number>>;
  readonly inflated: Inflation['stats'];
  readonly rooms: () => number;
  readonly sessions: () => number;
  readonly links: () => number;
  readonly linkBacklogBytes: () => number;
  /** Client sockets of attended rooms. */
  readonly attendedSockets: () => number;
  readonly redisUp: () => boolean;
  /** Nodes of the table, each with its state and, where it lives, how long its heartbeat has stood still. */
  readonly nodes: () => readonly {
    readonly node: string;
    readonly state: string;
    readonly stillMs: number | undefined;
  }[];
}

const COUNTERS: readonly RouterMetric[] = [
  'messages_in',
  'messages_out',
  'opens',
  'refusals',
  'rebinds',
  'hops',
  'certificates',
  'nodes_lost',
  'nodes_left',
  'stale_frames_dropped',
  'records_ignored',
];

const STATES = ['active', 'draining', 'dead', 'left'] as const;

export class RouterMetrics implements Pick<RouterPorts, 'count' | 'observe'> {
  readonly loopDelay: LoopDelay;
  readonly #metrics = new MetricRegistry('bellhop_router_', ROUTER_METRICS);
  /** Added up here and told when asked: some are counted for every message. */
  readonly #told: Record<RouterMetric, number>;
  #admitted = 0;
  readonly #refused = new Map<string, number>();
  readonly #durations: Readonly<Record<RouterDuration, Histogram>>;
  readonly #redis: Histogram;
  readonly #roundTrip: Histogram;

  constructor(sources: MetricSources) {
    this.loopDelay = collectRuntimeMetrics(this.registry, 'router');
    const metrics = this.#metrics;
    const told = Object.fromEntries(COUNTERS.map((name) => [name, 0])) as Record<RouterMetric, number>;
    this.#told = told;
    for (const name of COUNTERS) metrics.counter(`${name}_total`, () => told[name]);
    metrics.counter('clients_admitted_total', () => this.#admitted);
    metrics.counter('clients_refused_total', () => [...this.#refused].map(([code, n]): Sample => [[code], n]));

    metrics.counter('handshakes_total', () => handshakeSamples(sources.handshakes));
    metrics.gauge('handshakes_per_second_max', () => sources.admissionRate.perSecond);
    metrics.counter('limited_total', () => Object.entries(sources.limits).map(([limit, n]): Sample => [[limit], n]));
    const { clients } = sources;
    const { stats } = clients;
    metrics.counter('client_messages_total', () => stats.messagesIn);
    metrics.counter('client_received_bytes_total', () => stats.bytesIn);
    metrics.counter('deliveries_total', () => stats.deliveries);
    metrics.counter('client_sent_bytes_total', () => stats.bytesOut);
    metrics.counter('client_writes_total', () => stats.writes);
    metrics.counter('rate_limited_total', () => stats.rateLimited);
    metrics.counter('slow_closes_total', () => stats.slowCloses);
    metrics.counter('silent_closes_total', () => stats.silentCloses);
    metrics.counter('dropped_total', () => clients.dropped);

    const { packed } = clients;
    metrics.counter('deflated_total', () => packed.messages);
    metrics.counter('deflate_skipped_total', () => packed.skipped);
    metrics.counter('deflate_plain_bytes_total', () => packed.bytesIn);
    metrics.counter('deflate_packed_bytes_total', () => packed.bytesOut);
    const { inflated } = sources;
    metrics.counter('inflated_total', () => inflated.messages);
    metrics.counter('inflate_faults_total', () => inflated.faults);
    metrics.counter('inflate_packed_bytes_total', () => inflated.bytesIn);
    metrics.counter('inflate_plain_bytes_total', () => inflated.bytesOut);

    metrics.gauge('sockets', () => clients.sockets);
    metrics.gauge('attended_sockets', sources.attendedSockets);
    metrics.gauge('sessions', sources.sessions);
    metrics.gauge('rooms', sources.rooms);
    metrics.gauge('client_backlog_bytes', () => clients.backlogBytes);
    metrics.gauge('links', sources.links);
    metrics.gauge('link_backlog_bytes', sources.linkBacklogBytes);
    metrics.gauge('redis_up', sources.redisUp);
    metrics.gauge('nodes', () => {
      const all = sources.nodes();
      return STATES.map((state): Sample => [[state], all.filter((one) => one.state === state).length]);
    });
    metrics.gauge('node_heartbeat_age_seconds', () =>
      sources
        .nodes()
        .flatMap(({ node, stillMs }): Sample[] => (stillMs === undefined ? [] : [[[node], stillMs / 1_000]])),
    );

    this.#durations = {
      takeover_ms: metrics.histogram('takeover_seconds'),
      open_ms: metrics.histogram('open_seconds'),
      message_ms: metrics.histogram('message_seconds'),
    };
    this.#roundTrip = metrics.histogram('link_round_trip_seconds');
    this.#redis = metrics.histogram('redis_seconds');
  }

  get registry() {
    return this.#metrics.registry;
  }

  count(metric: RouterMetric, by = 1): void {
    this.#told[metric] += by;
  }

  observe(metric: RouterDuration, ms: number): void {
    this.#durations[metric].observe(ms / 1_000);
  }

  /** @param connection  one of the directory's few; @param outcome  one of a few words */
  redis(connection: string, outcome: string, ms: number): void {
    this.#redis.observe({ connection, outcome }, ms / 1_000);
  }

  linkRoundTrip(ms: number): void {
    this.#roundTrip.observe(ms / 1_000);
  }

  admitted(): void {
    this.#admitted++;
  }

  /** @param code  an error's code: there are as many as the table of errors has */
  refused(code: string): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }
}

function handshakeSamples(stats: HandshakeStats): Sample[] {
  return Object.entries(stats).flatMap(([kind, verdicts]) =>
    Object.entries(verdicts).map(([verdict, count]): Sample => [[kind, verdict], count]),
  );
}
