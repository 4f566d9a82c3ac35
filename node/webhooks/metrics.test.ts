import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import type { EndpointState } from './courier.ts';
import { webhookMetrics } from './metrics.ts';

it('sums receivers up, under names without their URLs', async () => {
  const registry = new Registry();
  const counts = { queued: 1, delivered: 2, failed: 3, dropped: 4 };
  const endpoints: EndpointState[] = [
    { url: 'https://a.example/', state: 'ok', ...counts },
    { url: 'https://b.example/', state: 'failing', ...counts },
  ];
  webhookMetrics(registry, () => endpoints);
  await registry.metrics();
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(lines.sort()).toEqual([
    'bellhop_node_webhooks_delivered_total 4',
    'bellhop_node_webhooks_dropped_total 8',
    'bellhop_node_webhooks_failed_total 6',
    'bellhop_node_webhooks_failing 1',
    'bellhop_node_webhooks_queued 2',
  ]);
});
