/** What a node tells Prometheus of its webhooks, all receivers together: an endpoint's URL is no label. Owns: those series.
 *  A node without receivers tells none. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { EndpointState } from './courier.ts';

const COUNTERS = {
  delivered: 'Events that arrived at a receiver, each receiver counted',
  failed: 'Requests to receivers that failed and were or will be repeated',
  dropped: 'Events given up for a receiver, by a bound of bytes, age or number',
} as const;

export function webhookMetrics(registry: Registry, endpoints: () => readonly EndpointState[]): void {
  const registers = [registry];
  const sum = (of: (endpoint: EndpointState) => number): number =>
    endpoints().reduce((all, endpoint) => all + of(endpoint), 0);
  for (const key of Object.keys(COUNTERS) as (keyof typeof COUNTERS)[]) {
    new Counter({
      name: `bellhop_node_webhooks_${key}_total`,
      help: COUNTERS[key],
      registers,
      collect() {
        this.reset();
        this.inc(sum((endpoint) => endpoint[key]));
      },
    });
  }
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `bellhop_node_webhooks_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('queued', 'Events that wait for receivers or are under way to them', () => sum(({ queued }) => queued));
  gauge('failing', 'Receivers that do not answer well now, or want no more', () =>
    sum(({ state }) => (state === 'ok' ? 0 : 1)),
  );
}
