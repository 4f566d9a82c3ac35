/** A registry whose metrics are rows of a table. Owns: how a row becomes a metric of prom-client, and that each is made once. Does not
 *  know: which rows there are. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { MetricRow } from './metric-table.ts';

/** What a labelled gauge shows: its labels' values in the order of the row, and its value. */
export type Sample = readonly [labels: readonly string[], value: number];

/** The metrics of one table, each named `<prefix><key>`. A key that is no row, or of another type, is refused by the compiler. */
export class MetricRegistry<T extends Readonly<Record<string, MetricRow>>> {
  readonly registry: Registry;
  readonly #prefix: string;
  readonly #rows: T;

  constructor(prefix: string, rows: T, registry = new Registry()) {
    this.registry = registry;
    this.#prefix = prefix;
    this.#rows = rows;
  }

  /** A counter that is kept where it is counted and read when it is asked for: some are counted for every message.
   *  Where `read` gives samples, the counter has labels. */
  counter(key: KeysOf<T, 'counter'>, read: () => number | readonly Sample[]): void {
    const { labels, config } = this.#config(key);
    new Counter({
      ...config,
      collect() {
        const now = read();
        this.reset();
        if (typeof now === 'number') this.inc(now);
        else for (const [values, value] of now) this.inc(labelled(labels, values), value);
      },
    });
  }

  gauge(key: KeysOf<T, 'gauge'>, read: () => number | boolean | readonly Sample[]): void {
    const { labels, config } = this.#config(key);
    new Gauge({
      ...config,
      collect() {
        const now = read();
        if (typeof now === 'number' || typeof now === 'boolean') return this.set(Number(now));
        // Whoever is gone is not shown any more.
        this.reset();
        for (const [values, value] of now) this.set(labelled(labels, values), value);
      },
    });
  }

  histogram(key: KeysOf<T, 'histogram'>): Histogram {
    const { config, buckets } = this.#config(key);
    return new Histogram({ ...config, buckets: [...buckets] });
  }

  #config(key: string) {
    const { doc, labels = [], buckets = [], aggregator = 'sum' } = this.#rows[key] ?? { doc: '' };
    const help = doc.replaceAll('`', '');
    const name = `${this.#prefix}${key}`;
    return { labels, buckets, config: { name, help, labelNames: [...labels], aggregator, registers: [this.registry] } };
  }
}

export type KeysOf<T extends Readonly<Record<string, MetricRow>>, Type extends MetricRow['type']> = {
  [K in keyof T & string]: T[K]['type'] extends Type ? K : never;
}[keyof T & string];

function labelled(names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? '']));
}
