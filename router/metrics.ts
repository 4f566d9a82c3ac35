/** What a router tells Prometheus. Owns: the registry, the names of the series. Does not know: where the numbers come from.
 *  Invariant: no label holds a room, a user or a session, so the number of series is bounded by the cluster, not by its use. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Clients } from './clients.ts';
import type { RouterDuration, RouterMetric, RouterPorts } from './ports.ts';

/** Where gauges are read when they are asked for. */
export interface MetricSources {
  readonly clients: Pick<Clients, 'stats' | 'sessions' | 'sockets' | 'dropped' | 'backlogBytes'>;
  readonly rooms: () => number;
  readonly sessions: () => number;
  readonly links: () => number;
  /** Client sockets of attended rooms. */
  readonly attendedSockets: () => number;
  readonly redisUp: () => boolean;
}

const COUNTERS: Readonly<Record<RouterMetric, string>> = {
  messages_in: 'Messages of clients sent on to nodes',
  messages_out: 'Frames of nodes taken for clients, one a cast',
  opens: 'Sessions opened at nodes',
  refusals: 'Sessions that a node refused',
  rebinds: 'Sessions shown to another owner, their sockets kept',
  hops: 'Redirections to another node',
  certificates: 'Incarnations this router certified as dead',
  stale_frames_dropped: 'Frames dropped because they bore an epoch lower than one seen',
};

const CLIENT_COUNTERS = {
  messagesIn: ['client_messages', 'Messages read from clients'],
  bytesIn: ['client_bytes_in', 'Bytes of messages read from clients'],
  deliveries: ['deliveries', 'Messages handed to client sockets, each client counted'],
  bytesOut: ['client_bytes_out', 'Bytes handed to client sockets'],
  writes: ['client_writes', 'Writes to client sockets'],
  rateLimited: ['rate_limited', 'Messages refused because a client sent too many'],
  slowCloses: ['slow_closes', 'Clients closed because they read too slowly'],
  silentCloses: ['silent_closes', 'Clients closed because they did not answer a ping'],
} as const;

const LOOP_PRECISION_MS = 100;
const MS_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];
const FAST_MS_BUCKETS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

export class RouterMetrics implements Pick<RouterPorts, 'count' | 'observe'> {
  readonly registry = new Registry();
  /** Added up here and told when asked: some are counted for every message. */
  readonly #told: Record<RouterMetric, number>;
  readonly #durations: Readonly<Record<RouterDuration, Histogram>>;
  readonly #redis: Histogram<'outcome'>;
  readonly #roundTrip: Histogram;

  constructor(sources: MetricSources) {
    // Its default precision wakes an idle process a hundred times a second.
    collectDefaultMetrics({
      register: this.registry,
      prefix: 'bellhop_',
      eventLoopMonitoringPrecision: LOOP_PRECISION_MS,
    });
    const registers = [this.registry];
    this.#told = Object.fromEntries(Object.keys(COUNTERS).map((name) => [name, 0])) as Record<RouterMetric, number>;
    for (const name of Object.keys(COUNTERS) as RouterMetric[]) {
      this.#countedElsewhere(name, COUNTERS[name], () => this.#told[name]);
    }
    for (const [key, [name, help]] of Object.entries(CLIENT_COUNTERS)) {
      this.#countedElsewhere(name, help, () => sources.clients.stats[key as keyof typeof CLIENT_COUNTERS]);
    }
    this.#countedElsewhere('dropped', 'Messages dropped for clients under pressure, ephemeral ones only', () => {
      return sources.clients.dropped;
    });
    this.#gauge('sockets', 'Client sockets, those that are closing included', () => sources.clients.sockets);
    this.#gauge('attended_sockets', 'Client sockets that are proxied to attended servers', sources.attendedSockets);
    this.#gauge('sessions', 'Sessions held', sources.sessions);
    this.#gauge('rooms', 'Rooms with a session here; one that several workers have counts at each', sources.rooms);
    this.#gauge('backlog_bytes', 'Bytes waiting in client sockets', () => sources.clients.backlogBytes);
    this.#gauge('links', 'Links to nodes that are up', sources.links);
    this.#gauge('redis_up', '1 while Redis answers this router', () => (sources.redisUp() ? 1 : 0), 'min');

    const histogram = (name: string, help: string, buckets: number[]) =>
      new Histogram({ name: `bellhop_router_${name}`, help, buckets, registers });
    this.#durations = {
      takeover_ms: histogram('takeover_ms', 'From losing a room’s owner to being seated at the next', MS_BUCKETS),
      open_ms: histogram('open_ms', 'From accepting a client to its seat', MS_BUCKETS),
      message_ms: histogram('message_ms', 'From reading a client’s frame to its owner’s ack', FAST_MS_BUCKETS),
    };
    this.#roundTrip = histogram('link_round_trip_ms', 'Ping and pong over links to nodes', FAST_MS_BUCKETS);
    this.#redis = new Histogram({
      name: 'bellhop_router_redis_ms',
      help: 'Directory operations',
      buckets: FAST_MS_BUCKETS,
      labelNames: ['outcome'],
      registers,
    });
  }

  count(metric: RouterMetric, by = 1): void {
    this.#told[metric] += by;
  }

  observe(metric: RouterDuration, ms: number): void {
    this.#durations[metric].observe(ms);
  }

  /** @param outcome  one of a few words */
  redis(outcome: string, ms: number): void {
    this.#redis.observe({ outcome }, ms);
  }

  linkRoundTrip(ms: number): void {
    this.#roundTrip.observe(ms);
  }

  /** @param aggregator  how it is taken together over the workers of one router */
  #gauge(name: string, help: string, read: () => number, aggregator: 'sum' | 'min' = 'sum'): void {
    new Gauge({
      name: `bellhop_router_${name}`,
      help,
      aggregator,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }

  /** A counter that is kept where it is counted, since it is counted for every message, and read when it is asked for. */
  #countedElsewhere(name: string, help: string, read: () => number): void {
    let told = 0;
    new Counter({
      name: `bellhop_router_${name}_total`,
      help,
      registers: [this.registry],
      collect() {
        const now = read();
        this.inc(now - told);
        told = now;
      },
    });
  }
}
