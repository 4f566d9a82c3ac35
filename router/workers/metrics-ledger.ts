/** The metrics of a router's processes as those of one. Owns: the last snapshot of each life, and what the lives that ended had
 *  counted. Does not know: where snapshots come from.
 *  Invariant: as long as the ledger lives no counter goes down, so that no scraper takes a worker's end for a restart of the router:
 *  what a life showed last stays in the sum. What it counted after that is lost with it.
 *  Bound: one snapshot for each life that was shown since the last sum; their series are bounded (metrics.ts). */
import { AggregatorRegistry, type Registry } from 'prom-client';
import type { MetricsSnapshot } from './messages.ts';

/** What prom-client's own metrics would sum and must not: the router is as old as its oldest process. Ours bear their rule themselves. */
const AGGREGATORS: readonly { readonly names: RegExp; readonly aggregator: 'max' | 'min' }[] = [
  { names: /_process_start_time_seconds$/, aggregator: 'min' },
];

export class MetricsLedger {
  readonly #lives = new Map<string, MetricsSnapshot>();
  /** Never changed in place. One sum, and what ended since that was made. */
  #ended: readonly MetricsSnapshot[] = [];

  /** Takes what a life shows now. */
  take(life: string, snapshot: MetricsSnapshot): void {
    this.#lives.set(life, snapshot);
  }

  /** A life ended: what it had counted stays, what it held is gone. */
  end(life: string): void {
    const last = this.#lives.get(life);
    if (last === undefined) return;
    this.#lives.delete(life);
    this.#ended = [...this.#ended, last.filter(({ type }) => isCounted(String(type)))];
  }

  /** Everything summed up, in Prometheus' text format. */
  async text(): Promise<string> {
    const ended = this.#ended;
    if (ended.length > 1) {
      const sum = await aggregate(ended).getMetricsAsJSON();
      // Another life may have ended meanwhile: then it is left as it is until the next time.
      if (this.#ended === ended) this.#ended = [sum];
    }
    return aggregate([...this.#ended, ...this.#lives.values()]).metrics();
  }
}

function isCounted(type: string): boolean {
  return type === 'counter' || type === 'histogram' || type === 'summary';
}

function aggregate(snapshots: readonly MetricsSnapshot[]): Registry {
  return AggregatorRegistry.aggregate(
    snapshots.map((snapshot) =>
      snapshot.map((metric) => {
        const rule = AGGREGATORS.find(({ names }) => names.test(metric.name));
        return rule === undefined ? metric : { ...metric, aggregator: rule.aggregator };
      }),
    ),
  );
}
