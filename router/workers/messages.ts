/** What a router's workers and their parent say to each other over their channel, beside `ready` and `stop`, which every supervised
 *  process knows. Owns: the shapes, and reading them: what comes over the channel is checked like anything from another process. */
import type { MetricObjectWithValues, MetricValue } from 'prom-client';

/** A registry's metrics with their values, as `Registry.getMetricsAsJSON` gives them. */
export type MetricsSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

export type ToParent =
  /** Wants the metrics of the whole router; answered by `metrics-text` with the same id. */
  | { readonly type: 'ask-metrics'; readonly id: number }
  /** Answers `collect`. */
  | { readonly type: 'metrics'; readonly metrics: MetricsSnapshot };

export type ToWorker =
  /** Whether the router as a whole is ready: once all workers have served, and while one does. */
  | { readonly type: 'group'; readonly ready: boolean }
  | { readonly type: 'collect' }
  | { readonly type: 'metrics-text'; readonly id: number; readonly text: string };

/** @returns undefined for anything else that travels on the channel */
export function readToParent(message: unknown): ToParent | undefined {
  if (!isRecord(message)) return undefined;
  const { type, id, metrics } = message;
  if (type === 'ask-metrics' && typeof id === 'number') return { type, id };
  if (type === 'metrics' && Array.isArray(metrics)) return { type, metrics: metrics.filter(isMetric).map(withNumbers) };
  return undefined;
}

/** @returns undefined for anything else that travels on the channel */
export function readToWorker(message: unknown): ToWorker | undefined {
  if (!isRecord(message)) return undefined;
  const { type, ready, id, text } = message;
  if (type === 'group' && typeof ready === 'boolean') return { type, ready };
  if (type === 'collect') return { type };
  if (type === 'metrics-text' && typeof id === 'number' && typeof text === 'string') return { type, id, text };
  return undefined;
}

type Metric = MetricsSnapshot[number];

function isMetric(value: unknown): value is Metric {
  return isRecord(value) && typeof value['name'] === 'string' && Array.isArray(value['values']);
}

/** JSON knows no NaN: what a gauge could not tell arrives as null, and is left out. */
function withNumbers(metric: Metric): Metric {
  return { ...metric, values: metric.values.filter(({ value }) => typeof value === 'number') };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
