/** What deploy/prometheus and deploy/grafana ask Prometheus for. Owns: reading those files, and which metrics an expression names. Does not
 *  know: how they are evaluated. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { allMetrics } from './metrics-page.ts';

export const deployed = (path: string): URL => new URL(`../deploy/${path}`, import.meta.url);

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

interface Target {
  readonly expr: string;
}

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly Target[];
  readonly fieldConfig?: { readonly defaults?: { readonly unit?: string } };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
}

export interface Dashboard {
  readonly title: string;
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query?: unknown }[] };
}

export function readRules(): { readonly alerts: readonly AlertRule[]; readonly records: readonly RecordingRule[] } {
  const file: { groups: { rules: (AlertRule | RecordingRule)[] }[] } = parse(
    readFileSync(deployed('prometheus/bellhop.rules.yml'), 'utf8'),
  );
  const rules = file.groups.flatMap((group) => group.rules);
  return {
    alerts: rules.filter((rule): rule is AlertRule => 'alert' in rule),
    records: rules.filter((rule): rule is RecordingRule => 'record' in rule),
  };
}

export function readDashboard(): Dashboard {
  return JSON.parse(readFileSync(deployed('grafana/dashboards/bellhop.json'), 'utf8')) as Dashboard;
}

/** Queries of the dashboard as Prometheus gets them, its variables filled in. */
export function dashboardQueries(fill: (variable: string) => string): { title: string; expr: string }[] {
  return readDashboard().panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ title, expr: expr.replace(/\$\{?(\w+)\}?/g, (_all, name: string) => fill(name)) })),
  );
}

/** Metrics of the table that an expression names, series of a histogram under its own name.
 *  @throws Error for a `bellhop_…` that is none of them */
export function metricsIn(expr: string): Set<string> {
  const known = allMetrics();
  const found = new Set<string>();
  for (const [name] of expr.matchAll(/\bbellhop_[a-z0-9_]+/g)) {
    const base = known.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    if (!known.has(base)) throw new Error(`${name} is no metric`);
    found.add(base);
  }
  return found;
}
