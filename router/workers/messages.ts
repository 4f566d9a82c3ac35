/** What a router's workers and their parent say to each other over their channel, beside `ready` and `stop`, which every supervised
 *  process knows. Owns: the shapes, and reading them: what comes over the channel is checked like anything from another process. */
import type { MetricObjectWithValues, MetricValue } from 'prom-client';
import type { ClusterEvent, EventReport } from '../events.ts';

/** A registry's metrics with their values, as `Registry.getMetricsAsJSON` gives them. */
export type MetricsSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

export type ToParent =
  /** Wants the metrics of the whole router; answered by `metrics-text` with the same id. */
  | { readonly type: 'ask-metrics'; readonly id: number }
  /** Answers `collect`. */
  | { readonly type: 'metrics'; readonly metrics: MetricsSnapshot }
  /** What it has seen happen, and how many more rooms moved. */
  | { readonly type: 'reports'; readonly reports: readonly EventReport[]; readonly missed: number }
  /** In development alone: a node is to be killed; whoever runs the whole cluster on this machine does it. */
  | { readonly type: 'kill-node'; readonly node: string };

export type ToWorker =
  /** Whether the router as a whole is ready: once all workers have served, and while one does. */
  | { readonly type: 'group'; readonly ready: boolean }
  | { readonly type: 'collect' }
  | { readonly type: 'metrics-text'; readonly id: number; readonly text: string }
  /** What the workers of this router have seen, each thing once, numbered. */
  | { readonly type: 'events'; readonly events: readonly ClusterEvent[]; readonly missed: number };

/** @returns undefined for anything else that travels on the channel */
export function readToParent(message: unknown): ToParent | undefined {
  if (!isRecord(message)) return undefined;
  const { type, id, metrics, reports, missed, node } = message;
  if (type === 'reports' && Array.isArray(reports) && typeof missed === 'number') {
    return { type, reports: reports.filter(isReport), missed };
  }
  if (type === 'kill-node' && typeof node === 'string') return { type, node };
  if (type === 'ask-metrics' && typeof id === 'number') return { type, id };
  if (type === 'metrics' && Array.isArray(metrics)) return { type, metrics: metrics.filter(isMetric).map(withNumbers) };
  return undefined;
}

/** @returns undefined for anything else that travels on the channel */
export function readToWorker(message: unknown): ToWorker | undefined {
  if (!isRecord(message)) return undefined;
  const { type, ready, id, text, events, missed } = message;
  if (type === 'events' && Array.isArray(events) && typeof missed === 'number') {
    return { type, events: events.filter(isEvent), missed };
  }
  if (type === 'group' && typeof ready === 'boolean') return { type, ready };
  if (type === 'collect') return { type };
  if (type === 'metrics-text' && typeof id === 'number' && typeof text === 'string') return { type, id, text };
  return undefined;
}

type Metric = MetricsSnapshot[number];

function isReport(value: unknown): value is EventReport {
  return isRecord(value) && typeof value['kind'] === 'string' && typeof value['at'] === 'number';
}

function isEvent(value: unknown): value is ClusterEvent {
  return isReport(value) && 'id' in value && typeof value.id === 'number';
}

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
