/** The page on metrics. Owns: its text around the tables, which are made of shared/metric-table.ts. Does not know: the numbers.
 *  Run as `metrics-page.js <page.md>…`: writes the page anew. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type MetricRow, NODE_METRICS, PROCESS_METRICS, ROUTER_METRICS } from '../shared/metric-table.ts';

const INTRO = `# Metrics

Routers answer \`GET /metrics\` on their port, nodes on \`--http-port\`, in Prometheus' text format. \`deploy/prometheus\` holds a
configuration that scrapes them and rules that wake somebody up, \`deploy/grafana\` a dashboard; what to do about each alarm stands in
[operations.md](operations.md#alarms). This page is made of the table in \`shared/metric-table.ts\` by \`npm run metrics-page\`; a test holds
both to what the processes register.

Beside \`docker compose up\`, in its network:

\`\`\`
docker run -d --name prometheus --network bellhop_inner -v $PWD/deploy/prometheus:/etc/prometheus:ro prom/prometheus
docker run -d --name grafana --network bellhop_inner -v $PWD/deploy/grafana/provisioning:/etc/grafana/provisioning:ro \\
  -v $PWD/deploy/grafana/dashboards:/etc/grafana/dashboards:ro grafana/grafana
docker network connect bellhop_outer grafana && docker inspect -f '{{.NetworkSettings.Networks.bellhop_outer.IPAddress}}' grafana
\`\`\`

The last line prints the address of Grafana, on port 3000; the dashboard is in the folder Bellhop. (Prometheus and the queries were run for real in a test,
Grafana was not: its package is not in Debian.)

- No label holds a room, a user or a session: the number of series follows from the size of the cluster, not from its use.
- Units are seconds, bytes and ratios of 0 to 1. Counters end in \`_total\` and only grow; where a worker of a router ends, what it counted stays.
- A router of several workers answers for all of them: sums, except where a row says otherwise.
- \`bellhop_event_loop_delay_seconds\` takes the place of prom-client's event-loop gauges, which include their own sampling period and start
  anew with each scrape. It is a histogram, so that \`histogram_quantile\` gives it over any time and over all processes.
`;

const PARTS: readonly (readonly [title: string, prefix: string, rows: Readonly<Record<string, MetricRow>>])[] = [
  ['Of a router', 'bellhop_router_', ROUTER_METRICS],
  ['Of a node', 'bellhop_node_', NODE_METRICS],
  ['Of every process', 'bellhop_', PROCESS_METRICS],
];

/** Every metric by its whole name. */
export function allMetrics(): ReadonlyMap<string, MetricRow> {
  return new Map(
    PARTS.flatMap(([, prefix, rows]) => Object.entries(rows).map(([key, row]) => [`${prefix}${key}`, row] as const)),
  );
}

export function metricsPage(): string {
  const parts = PARTS.map(([title, prefix, rows]) => {
    const lines = Object.entries(rows).map(([key, row]) => line(`${prefix}${key}`, row));
    return `\n## ${title}\n\n| metric | type | unit | meaning | alarms |\n|---|---|---|---|---|\n${lines.join('\n')}\n`;
  });
  return INTRO + parts.join('');
}

function line(name: string, { type, unit, labels = [], doc, alarms = [], aggregator }: MetricRow): string {
  const shown = labels.length === 0 ? '' : `{${labels.join(', ')}}`;
  const workers = { sum: '', first: '', min: ' Of workers the least.', max: ' Of workers the most.' }[
    aggregator ?? 'sum'
  ];
  const links = alarms.map((alarm) => `[${alarm}](operations.md#bellhop${alarm.toLowerCase()})`);
  return `| \`${name}${shown}\` | ${type} | ${unit} | ${doc}${workers} | ${links.join(', ')} |`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const pages = process.argv.slice(2);
  if (pages.length === 0) {
    process.stderr.write('bellhop: metrics-page needs the page to write into.\n');
    process.exitCode = 2;
  }
  for (const path of pages) writeFileSync(path, metricsPage());
}
