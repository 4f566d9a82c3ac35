/** What every process tells of itself: event loop, garbage collection, memory, open files, version. Owns: those series. Does not know:
 *  what the process is for.
 *
 *  Of prom-client's own set, three kinds are left out. Its event-loop gauges include the sampling period (an idle process shows 102 ms
 *  at a period of 100) and start anew with each scrape, so that two scrapers spoil each other's: `LoopDelay` is a histogram in their
 *  place. Its lists of handles, requests and resources name every socket at each scrape, and bear `_total` though they are gauges. Its
 *  count of open files reads the whole directory, in one go of the event loop. */
import { readdirSync, statSync } from 'node:fs';
import { collectDefaultMetrics, type Registry } from 'prom-client';
import { MetricRegistry } from './metric-registry.ts';
import { PROCESS_METRICS } from './metric-table.ts';
import { VERSION } from './version.ts';

const PREFIX = 'bellhop_';
const LEFT_OUT = /_eventloop_lag_|_active_(handles|requests|resources)|_open_fds$/;
/** Never: its histogram is not wanted, and would wake an idle process. */
const LOOP_PRECISION_MS = 1_000_000;
const FDS = '/proc/self/fd';

/** Registers what a process tells of itself.
 *  @returns what is to be told of each moment that the event loop should have had */
export function collectRuntimeMetrics(registry: Registry, role: string): LoopDelay {
  collectDefaultMetrics({ register: registry, prefix: PREFIX, eventLoopMonitoringPrecision: LOOP_PRECISION_MS });
  for (const { name } of registry.getMetricsAsArray()) if (LEFT_OUT.test(name)) registry.removeSingleMetric(name);
  const metrics = new MetricRegistry(PREFIX, PROCESS_METRICS, registry);
  if (openFiles() !== undefined) metrics.gauge('process_open_fds', () => openFiles() ?? 0);
  metrics.gauge('build_info', () => [[[VERSION, role], 1]]);
  return new LoopDelay(metrics.histogram('event_loop_delay_seconds'));
}

interface Observer {
  observe(value: number): void;
}

/** Counts how late the loop comes to what is due every few milliseconds. */
export class LoopDelay {
  readonly #histogram: Observer;
  #lastMs: number | undefined;

  constructor(histogram: Observer) {
    this.#histogram = histogram;
  }

  /** To be called from a timer of `everyMs`. A long halt is one late call: those that it swallowed count too, or a second in which
   *  nothing moved would weigh as much as one moment of many. @returns how late it came, ms */
  tick(nowMs: number, everyMs: number): number {
    const last = this.#lastMs;
    this.#lastMs = nowMs;
    if (last === undefined) return 0;
    const lateMs = Math.max(0, Math.min(nowMs - last - everyMs, MISSED_MAX * everyMs));
    for (let ms = lateMs; ; ms -= everyMs) {
      this.#histogram.observe(ms / 1_000);
      if (ms < everyMs) return lateMs;
    }
  }
}

/** A halt counts up to this many periods: it costs no more than so many observations. */
const MISSED_MAX = 500;

/** Open files of this process; undefined where the system does not tell. */
export function openFiles(): number | undefined {
  try {
    // From Linux 6.2 on the directory's size is their number; before, it is 0.
    return statSync(FDS).size || readdirSync(FDS).length;
  } catch {
    return undefined;
  }
}
