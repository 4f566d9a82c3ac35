/** Routers as operators see them: one entry each, however many processes it has. Owns: the grouping of their records. */
import type { RouterRecord } from '../../shared/directory/directory.ts';

export interface RouterDescription {
  readonly router: string;
  readonly incarnation: string;
  readonly url: string;
  readonly version: string;
  readonly host: string;
  /** Of the parent, where there are several workers. */
  readonly pid: number;
  /** Unix ms; of the oldest process. */
  readonly startedAt: number;
  readonly workers: number;
  readonly sessions: number;
}

/** One entry a router, sorted by name. Of a router that was started anew only the latest life counts: the workers of the one before
 *  may still be listed for some seconds. */
export function describeRouters(records: readonly RouterRecord[]): RouterDescription[] {
  const routers = new Map<string, RouterRecord[]>();
  for (const record of [...records].sort((a, b) => b.startedAt - a.startedAt)) {
    const name = record.workerOf?.router ?? record.router;
    const latest = routers.get(name);
    if (latest === undefined) routers.set(name, [record]);
    else if (latest[0] !== undefined && lifeOf(latest[0]) === lifeOf(record)) latest.push(record);
  }
  return [...routers]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([router, workers]) => {
      const [latest] = workers;
      if (latest === undefined) return [];
      const { url, version, host } = latest;
      return {
        router,
        incarnation: lifeOf(latest),
        url,
        version,
        host,
        pid: latest.workerOf?.pid ?? latest.pid,
        startedAt: Math.min(...workers.map(({ startedAt }) => startedAt)),
        workers: workers.length,
        sessions: workers.reduce((sum, { sessions }) => sum + sessions, 0),
      };
    });
}

function lifeOf({ workerOf, incarnation }: RouterRecord): string {
  return workerOf?.incarnation ?? incarnation;
}
