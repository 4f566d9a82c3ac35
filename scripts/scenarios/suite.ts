/** What a scenario file shares with vitest: a cluster for the file, ended whatever happens, and what its processes said where a test
 *  failed. Owns: those two. */
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { ScenarioClient } from './client.ts';
import { Cluster, type ClusterOptions } from './cluster.ts';
import { until } from './wait.ts';

/** Starts a cluster before the file's tests (or the enclosing `describe`'s) and ends it after them. */
export function useCluster(options: ClusterOptions = {}): () => Cluster {
  let cluster: Cluster | undefined;
  beforeAll(async () => {
    cluster = await Cluster.start(options);
  });
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(`${cluster?.said() ?? 'no cluster'}\n`);
  });
  afterAll(async () => {
    await cluster?.stop();
  });
  return () => {
    if (cluster === undefined) throw new Error('the cluster did not start');
    return cluster;
  };
}

/** No client was told anything that contradicts what it was told before, and no process crashed. */
export function expectSound(cluster: Cluster, clients: readonly ScenarioClient[]): void {
  expect(clients.flatMap(({ violations }) => violations)).toEqual([]);
  expect(cluster.crashes()).toEqual([]);
}

/** Every publish of these clients has an outcome, within the bound. */
export async function untilSettled(clients: readonly ScenarioClient[]): Promise<void> {
  await until('every publish has an outcome', () => {
    const left = clients.reduce((sum, { pending }) => sum + pending.size, 0);
    if (left > 0) throw new Error(`${left} publishes are pending`);
    return true;
  });
}
