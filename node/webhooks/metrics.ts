/** What a node tells Prometheus of its webhooks, all receivers together: an endpoint's URL is no label. Owns: the sums. Does not know:
 *  names and meanings (shared/metric-table.ts). */
import type { Registry } from 'prom-client';
import { MetricRegistry } from '../../shared/metric-registry.ts';
import { NODE_METRICS } from '../../shared/metric-table.ts';
import type { EndpointState } from './courier.ts';

export function webhookMetrics(registry: Registry, endpoints: () => readonly EndpointState[]): void {
  const metrics = new MetricRegistry('bellhop_node_', NODE_METRICS, registry);
  const sum = (of: (endpoint: EndpointState) => number): number =>
    endpoints().reduce((all, endpoint) => all + of(endpoint), 0);
  metrics.counter('webhooks_delivered_total', () => sum(({ delivered }) => delivered));
  metrics.counter('webhooks_failed_total', () => sum(({ failed }) => failed));
  metrics.counter('webhooks_dropped_total', () => sum(({ dropped }) => dropped));
  metrics.gauge('webhooks_queued', () => sum(({ queued }) => queued));
  metrics.gauge('webhooks_failing', () => sum(({ state }) => (state === 'ok' ? 0 : 1)));
}
