/** What the tests of a router's parts are set upon. Owns: records and their defaults. */
import type { Cluster, NodeRecord, RouterRecord } from '../shared/directory/directory.ts';
import { DEFAULT_TIMINGS } from '../shared/timing.ts';

export { nodeRecord } from '../shared/testing/records.ts';

const { fenceMs, deadMs } = DEFAULT_TIMINGS;

export const inc = (letter: string) => letter.repeat(32);

export function routerRecord(router: string, incarnation: string, counter = 0): RouterRecord {
  return {
    router,
    incarnation,
    url: '',
    version: '0.1.0',
    timings: { fenceMs, deadMs },
    host: 'host',
    pid: 1,
    startedAt: 0,
    counter,
    sessions: 0,
  };
}

export function cluster(
  nodes: readonly NodeRecord[],
  counters: Readonly<Record<string, number>> = {},
  more: Partial<Cluster> = {},
): Cluster {
  const beats = Object.fromEntries(
    nodes.map(({ node, incarnation }) => [
      node,
      { incarnation, counter: counters[node] ?? 1, load: { rooms: 0, sessions: 0 }, view: 1 },
    ]),
  );
  return { runId: 'run-1', gen: 'gen-1', ver: 1, beats, nodes, routers: [routerRecord('r1', inc('f'))], ...more };
}
