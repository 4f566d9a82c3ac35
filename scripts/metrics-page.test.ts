/** The table of metrics is the truth: for the processes, for the page, for the rules, and for Prometheus' conventions. */
import { readFileSync } from 'node:fs';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { NodeMetrics } from '../node/metrics.ts';
import { webhookMetrics } from '../node/webhooks/metrics.ts';
import { AdmissionRate } from '../router/admission-rate.ts';
import { Clients } from '../router/clients.ts';
import { Inflation } from '../router/compression/inflation.ts';
import { Handshakes } from '../router/handshakes.ts';
import { RouterMetrics } from '../router/metrics.ts';
import { ManualClock } from '../shared/clock.ts';
import { MetricRegistry } from '../shared/metric-registry.ts';
import { ROUTER_METRICS } from '../shared/metric-table.ts';
import { SeededRandom } from '../shared/random.ts';
import { allMetrics, metricsPage } from './metrics-page.ts';
import { metricsIn, readRules } from './prometheus-files.ts';

const zero = () => 0;
const no = () => false;

function routerRegistry(): Registry {
  const events = { clientFrame: () => undefined, clientClosed: () => undefined };
  const clients = new Clients({ clock: new ManualClock(), random: new SeededRandom(1) }, events);
  const numbers = { rooms: zero, sessions: zero, links: zero, attendedSockets: zero, linkBacklogBytes: zero };
  const admissionRate = new AdmissionRate(new ManualClock(), 0);
  const { stats: handshakes } = new Handshakes(new ManualClock(), admissionRate);
  const limits = { connections: 0, address_rate: 0, user_rate: 0, user_sessions: 0, user_messages: 0 };
  return new RouterMetrics({
    clients,
    handshakes,
    admissionRate,
    limits,
    inflated: new Inflation(1_024).stats,
    ...numbers,
    redisUp: no,
    nodes: () => [],
  }).registry;
}

function nodeRegistry(): Registry {
  const numbers = { rooms: zero, sessions: zero, share: zero, handoversUnderWay: zero };
  const bytes = { linkBacklogBytes: zero, logBacklogBytes: zero };
  const states = { gateOpen: no, islanded: no, redisUp: no, draining: no };
  const { registry } = new NodeMetrics({ ...numbers, ...bytes, ...states });
  // Of a node that sends some.
  webhookMetrics(registry, () => []);
  return registry;
}

/** What only the parent of a router's workers registers. */
function parentRegistry(): Registry {
  const registry = new Registry();
  const metrics = new MetricRegistry('bellhop_router_', ROUTER_METRICS, registry);
  metrics.gauge('workers', zero);
  metrics.counter('worker_restarts_total', zero);
  return registry;
}

describe('the table of metrics', () => {
  it('has every metric that a process registers, under its type and labels, and no other', async () => {
    const table = allMetrics();
    const registered = new Map<string, string>();
    for (const registry of [routerRegistry(), nodeRegistry(), parentRegistry()]) {
      for (const { name, type } of await registry.getMetricsAsJSON()) registered.set(name, String(type));
    }
    expect([...registered.keys()].sort()).toEqual([...table.keys()].sort());
    for (const [name, type] of registered) expect(`${name} ${type}`).toBe(`${name} ${table.get(name)?.type}`);
  });

  it('shows no label that a row does not name', async () => {
    for (const registry of [routerRegistry(), nodeRegistry()]) {
      for (const { name, values } of await registry.getMetricsAsJSON()) {
        const labels = new Set(values.flatMap((value) => Object.keys(value.labels)));
        for (const own of ['le', 'quantile']) labels.delete(own);
        expect(allMetrics().get(name)?.labels ?? [], name).toEqual(expect.arrayContaining([...labels]));
      }
    }
  });

  it('names things as Prometheus’ conventions have it', () => {
    for (const [name, { type, unit, doc }] of allMetrics()) {
      expect(name).toMatch(/^bellhop(_[a-z0-9]+)+$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(name).not.toMatch(/_(count|sum|bucket)$|_(ms|millis|milliseconds|kb|mib|percent)(_|$)/);
      const bare = name.replace(/_total$/, '');
      for (const base of ['seconds', 'bytes', 'ratio', 'info']) {
        expect(bare.endsWith(`_${base}`), `${name} in ${unit}`).toBe(unit === base);
      }
      expect(doc, name).toMatch(/^[A-Z0-9].*\.$/s);
    }
  });

  it('says which alarms look at a metric, as the rules do', () => {
    const used = new Map<string, Set<string>>();
    for (const { alert, expr } of readRules().alerts) {
      for (const metric of metricsIn(expr)) used.set(metric, (used.get(metric) ?? new Set()).add(alert));
    }
    for (const [name, { alarms = [] }] of allMetrics()) {
      expect([...(used.get(name) ?? [])].sort(), name).toEqual(alarms.map((alarm) => `Bellhop${alarm}`).sort());
    }
  });

  it('stands in the docs as it is now (npm run metrics-page)', () => {
    expect(readFileSync(new URL('../docs/metrics.md', import.meta.url), 'utf8')).toBe(metricsPage());
  });
});
