/** What a router did in the last second, from its metrics. Owns: the reading of Prometheus' text, rates from counters and quantiles
 *  from histograms. Does not know: who counts. The text is that of the whole router, also where it has several workers. */
import type { ROUTER_METRICS } from '../../shared/metric-table.ts';

/** Series of one moment: counters, gauges and histograms without labels, as `name` and `name{le="1"}`. */
export type Series = ReadonlyMap<string, number>;

/** Of the observations between two samples, interpolated within a bucket; null where there was none. */
export interface Quantiles {
  readonly count: number;
  readonly p50: number | null;
  readonly p99: number | null;
}

export interface Sample {
  /** Unix ms. */
  readonly at: number;
  readonly sockets: number;
  readonly sessions: number;
  readonly rooms: number;
  readonly backlogBytes: number;
  /** Each of these is per second. */
  readonly messagesIn: number;
  readonly deliveries: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly rebinds: number;
  readonly refusals: number;
  readonly slowCloses: number;
  readonly dropped: number;
  /** Milliseconds. */
  readonly message: Quantiles;
  readonly open: Quantiles;
  readonly takeover: Quantiles;
  readonly link: Quantiles;
  readonly redis: Quantiles;
  /** How late the event loop is. */
  readonly loop: Quantiles;
}

/** By the table, so that one that is renamed there is missed here. */
type MetricKey = keyof typeof ROUTER_METRICS;

const PREFIX = 'bellhop_router_';
const LINE = /^([a-z_]+)(?:\{([^}]*)\})? ([^ ]+)$/;

/** Series are summed over their labels, but for a bucket's bound. */
export function readSeries(text: string): Series {
  const series = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (!line.startsWith('bellhop_')) continue;
    const [, name = '', labels, value] = LINE.exec(line) ?? [];
    const number = Number(value);
    if (name === '' || Number.isNaN(number)) continue;
    const bound = labels === undefined ? undefined : /(?:^|,)le="([^"]+)"/.exec(labels)?.[1];
    const key = bound === undefined ? name : `${name} ${bound}`;
    series.set(key, (series.get(key) ?? 0) + number);
  }
  return series;
}

/** @param seconds  between the two */
export function sampleOf(at: number, seconds: number, now: Series, before: Series): Sample {
  const gauge = (name: MetricKey) => now.get(PREFIX + name) ?? 0;
  const rate = (name: MetricKey) => {
    const key = PREFIX + name;
    // A counter that went down began anew.
    return Math.round((Math.max(0, (now.get(key) ?? 0) - (before.get(key) ?? 0)) / seconds) * 10) / 10;
  };
  const quantiles = (name: MetricKey) => quantilesOf(`${PREFIX}${name}_bucket`, now, before);
  return {
    at,
    sockets: gauge('sockets') + gauge('attended_sockets'),
    sessions: gauge('sessions'),
    rooms: gauge('rooms'),
    backlogBytes: gauge('client_backlog_bytes'),
    messagesIn: rate('client_messages_total'),
    deliveries: rate('deliveries_total'),
    bytesIn: rate('client_received_bytes_total'),
    bytesOut: rate('client_sent_bytes_total'),
    rebinds: rate('rebinds_total'),
    refusals: rate('refusals_total'),
    slowCloses: rate('slow_closes_total'),
    dropped: rate('dropped_total'),
    message: quantiles('message_seconds'),
    open: quantiles('open_seconds'),
    takeover: quantiles('takeover_seconds'),
    link: quantiles('link_round_trip_seconds'),
    redis: quantiles('redis_seconds'),
    loop: quantilesOf('bellhop_event_loop_delay_seconds_bucket', now, before),
  };
}

function quantilesOf(name: string, now: Series, before: Series): Quantiles {
  const buckets: { readonly bound: number; readonly count: number }[] = [];
  for (const [key, total] of now) {
    if (!key.startsWith(`${name} `)) continue;
    const bound = key.slice(name.length + 1);
    const count = Math.max(0, total - (before.get(key) ?? 0));
    // From seconds to milliseconds.
    buckets.push({ bound: bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound) * 1_000, count });
  }
  buckets.sort((a, b) => a.bound - b.bound);
  const count = buckets.at(-1)?.count ?? 0;
  return { count, p50: quantile(buckets, count * 0.5), p99: quantile(buckets, count * 0.99) };
}

/** The value below which `rank` of the observations lie. Beyond the last bound, that bound. */
function quantile(buckets: readonly { bound: number; count: number }[], rank: number): number | null {
  if (rank === 0) return null;
  let [below, lower] = [0, 0];
  for (const { bound, count } of buckets) {
    if (count >= rank && count > below) {
      if (!Number.isFinite(bound)) return lower;
      return Math.round((lower + ((bound - lower) * (rank - below)) / (count - below)) * 100) / 100;
    }
    [below, lower] = [count, Number.isFinite(bound) ? bound : lower];
  }
  return null;
}
