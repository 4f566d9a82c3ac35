/** deploy/prometheus and deploy/grafana under a real Prometheus that scrapes a live cluster while a node dies. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { findPrometheus, findPromtool } from '../bootstrap/operators.mjs';
import { dashboardQueries, deployed, readRules } from '../prometheus-files.ts';
import { Beside, freePort } from './beside.ts';
import { ScenarioClient } from './client.ts';
import { Load } from './load.ts';
import { useCluster } from './suite.ts';
import { until } from './wait.ts';

const NODES = ['n1', 'n2', 'n3'];
/** Nothing is handed over here: a quantile of nothing is no number. */
const UNSEEN = new Set(['Handover pause']);
/** Everything of this test lies within it. */
const RANGE = '60s';
/** For what Prometheus is to have seen: a scrape and an evaluation every half second, on whatever machine this is. */
const SEEN_MS = 40_000;

const promtool = findPromtool();
const httpPorts = new Map<string, number>();
for (const id of NODES) httpPorts.set(id, await freePort());

const argsOf = (id: string) => (httpPorts.has(id) ? ['--http-port', String(httpPorts.get(id))] : []);
// By proof alone: on a busy machine a node that is late would be lost too.
const cluster = useCluster({ nodes: NODES.length, routers: 2, argsOf, routerArgs: ['--certify-by', 'pid'] });
const beside = new Beside();
let load: Load | undefined;
let prometheus = '';

beforeAll(async () => {
  const port = await freePort();
  prometheus = `http://127.0.0.1:${port}`;
  const routers = [...cluster().routers.values()].map(({ url }) => new URL(url).host);
  const nodes = NODES.map((id) => `127.0.0.1:${httpPorts.get(id)}`);
  const config = readFileSync(deployed('prometheus/prometheus.yml'), 'utf8')
    .replaceAll(/interval: 5s/g, 'interval: 500ms')
    .replace('bellhop.rules.yml', fileURLToPath(deployed('prometheus/bellhop.rules.yml')))
    .replace(/\[router-1.*\]/, `[${routers.join(', ')}]`)
    .replace(/\[node-1.*\]/, `[${nodes.join(', ')}]`);
  const file = beside.file('prometheus.yml', config);
  const flags = [`--storage.tsdb.path=${beside.folder}/data`, `--web.listen-address=127.0.0.1:${port}`];
  await beside.start('prometheus', [findPrometheus(), `--config.file=${file}`, ...flags, '--log.level=warn'], port);
});
afterAll(async () => {
  load?.close();
  await beside.stop();
});

interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

async function ask(query: string): Promise<readonly Series[]> {
  const response = await fetch(`${prometheus}/api/v1/query?query=${encodeURIComponent(query)}`);
  const body = (await response.json()) as { status: string; error?: string; data: { result: readonly Series[] } };
  if (body.status !== 'success') throw new Error(`${query}: ${body.error}`);
  return body.data.result;
}

/** With every comparison made to answer 0 or 1, so that an alarm that does not ring still shows that it has something to look at. */
const answering = (expr: string): string => (expr.split(/\bunless\b/)[0] ?? '').replace(/(>|==)(?=\s)/g, '$1 bool');

test('promtool accepts the configuration and the rules, and each rule passes its unit test', () => {
  const folder = fileURLToPath(deployed('prometheus'));
  const run = (...argv: string[]) => execFileSync(promtool, argv, { cwd: folder, encoding: 'utf8' });
  expect(run('check', 'config', 'prometheus.yml')).toContain('SUCCESS');
  expect(run('test', 'rules', 'bellhop.rules.test.yml')).toContain('SUCCESS');
  // Debian builds Prometheus without discovery in Kubernetes: all of that file but the word for it is checked.
  const kubernetes = readFileSync(deployed('prometheus/prometheus-kubernetes.yml'), 'utf8')
    .replaceAll('kubernetes_sd_configs: [{ role: pod }]', 'static_configs: []')
    .replace('rule_files: [bellhop.rules.yml]', '');
  expect(run('check', 'config', beside.file('kubernetes.yml', kubernetes))).toContain('SUCCESS');
});

test('every alarm has a unit test and a runbook entry', () => {
  const tests = readFileSync(deployed('prometheus/bellhop.rules.test.yml'), 'utf8');
  const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  for (const { alert, annotations, labels } of readRules().alerts) {
    expect(tests).toContain(`alertname: ${alert}\n        eval_time`);
    expect(page).toContain(`\n### ${alert}\n`);
    expect(annotations['runbook']).toBe(`docs/operations.md#${alert.toLowerCase()}`);
    expect(['page', 'ticket']).toContain(labels['severity']);
  }
});

test('a takeover under load is seen: every query of the dashboard and every alarm has data', async () => {
  const { url } = cluster().router('r1');
  const urls = [...cluster().routers.values()].map((router) => router.url);
  load = new Load({ rooms: 24, clients: 48, rate: 200, urls, signals: true });
  await load.connect();
  load.start();
  await until('every target is scraped', async () => (await ask('sum(up)'))[0]?.value[1] === '5', SEEN_MS);
  // A client that is refused.
  new WebSocket(`${url.replace('http', 'ws')}/rooms/-`).on('error', () => undefined);

  const counted = async (query: string) => Number((await ask(query))[0]?.value[1] ?? 0);
  await until('the load is seen', async () => (await counted('sum(bellhop_router_sessions)')) === 48, SEEN_MS);
  cluster().node('n1').signal('SIGKILL');
  await until(
    'the loss is told',
    async () => {
      const ringing = await ask('ALERTS{alertname="BellhopNodeLost",alertstate="firing"}');
      return ringing.length === 1;
    },
    SEEN_MS,
  );
  await until(
    'takeovers are seen',
    async () => (await counted('sum(bellhop_router_takeover_seconds_count)')) > 0,
    SEEN_MS,
  );

  const fill = (variable: string) => (variable === 'cluster' ? '.*' : RANGE);
  const queries = dashboardQueries(fill);
  expect(queries.length).toBeGreaterThan(40);
  const alarms = readRules().alerts.map(({ alert, expr }) => ({ title: alert, expr: answering(expr) }));
  await until(
    'all have data',
    async () => {
      // One that comes between two scrapes: those of the load may all have come before the first.
      const late = await ScenarioClient.join({ url, room: 'late', user: 'late' });
      late.close();
      const silent: string[] = [];
      for (const { title, expr } of [...queries, ...alarms]) {
        const series = await ask(expr);
        const isSeen = series.some(({ value }) => Number.isFinite(Number(value[1])));
        if (!isSeen && !(UNSEEN.has(title) && series.length > 0)) silent.push(`${title}: ${expr}`);
      }
      if (silent.length > 0) throw new Error(silent.join('\n'));
      return true;
    },
    SEEN_MS,
  );
  for (const { expr } of readRules().alerts) await ask(expr);
  const failing = await fetch(`${prometheus}/api/v1/rules`).then((response) => response.text());
  expect(failing).not.toMatch(/"health":"err"/);
  const ringing = await ask('count by (alertname) (ALERTS{alertstate="firing"})');
  expect(ringing.map(({ metric }) => metric['alertname'])).not.toContain('BellhopFencedAppend');
});

test('what a router and a node answer is as Prometheus would have it', async () => {
  for (const base of [cluster().router('r1').url, `http://127.0.0.1:${httpPorts.get('n3')}`]) {
    const text = await fetch(`${base}/metrics`).then((response) => response.text());
    const linted = spawnSync(promtool, ['check', 'metrics'], { input: text, encoding: 'utf8' });
    expect([linted.stderr, linted.stdout]).toEqual(['', '']);
  }
});
