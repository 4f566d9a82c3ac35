/** deploy/grafana as a file: what Grafana would load. Its queries are asked for real in scenarios/prometheus.scenario.test.ts. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { dashboardQueries, deployed, metricsIn, readDashboard } from './prometheus-files.ts';

const { panels, templating, uid } = readDashboard();
const shown = panels.filter(({ type }) => type !== 'row');

it('asks for metrics that there are, by variables that it has', () => {
  const known = new Set([...templating.list.map(({ name }) => name), '__rate_interval']);
  const used = new Set<string>();
  const queries = dashboardQueries((variable) => {
    used.add(variable);
    return 'x';
  });
  expect([...used].filter((name) => !known.has(name))).toEqual([]);
  for (const { title, expr } of queries) expect(metricsIn(expr).size, title).toBeGreaterThan(0);
});

it('has panels with titles of their own, a unit and a query, and none over another', () => {
  expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  for (const { title, targets = [], fieldConfig } of shown) {
    expect(targets.length, title).toBeGreaterThan(0);
    expect(fieldConfig?.defaults?.unit, title).toBeTruthy();
  }
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24);
});

it('is provisioned from the folder that the docs mount, with Prometheus behind it', () => {
  const provider: { providers: { options: { path: string } }[] } = parse(
    readFileSync(deployed('grafana/provisioning/dashboards/bellhop.yml'), 'utf8'),
  );
  const source: { datasources: { type: string; url: string }[] } = parse(
    readFileSync(deployed('grafana/provisioning/datasources/prometheus.yml'), 'utf8'),
  );
  const page = readFileSync(new URL('../docs/metrics.md', import.meta.url), 'utf8');
  for (const { options } of provider.providers) expect(page).toContain(`deploy/grafana/dashboards:${options.path}`);
  expect(source.datasources).toMatchObject([{ type: 'prometheus', url: 'http://prometheus:9090' }]);
  expect(uid).toBe('bellhop');
});
