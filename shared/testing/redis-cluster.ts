/** A Redis Cluster of its own for tests. Owns: its primaries, their slots in equal ranges, and waiting until they know each other.
 *  Does not know: what is stored. */
import type { Redis } from 'ioredis';
import { plainRedis } from './redis-client.ts';
import { type RedisServer, startRedis } from './redis-server.ts';
import { until } from './until.ts';

const SLOTS = 16_384;
const ARGS = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000', '--cluster-require-full-coverage', 'no'];

export interface ClusterPrimary {
  readonly server: RedisServer;
  readonly plain: Redis;
  holds(slot: number): boolean;
}

export interface RedisCluster {
  /** Names the first primary alone: the others are to be found. */
  readonly url: string;
  readonly primaries: readonly ClusterPrimary[];
  stop(): Promise<void>;
}

export async function startRedisCluster(count: number): Promise<RedisCluster> {
  const primaries = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const server = await startRedis({ args: ARGS });
      const plain = await plainRedis(server.port);
      const [from, below] = [i, i + 1].map((each) => Math.floor((SLOTS * each) / count)) as [number, number];
      await plain.call('CLUSTER', 'ADDSLOTSRANGE', String(from), String(below - 1));
      await plain.call('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1));
      return { server, plain, holds: (slot: number) => slot >= from && slot < below };
    }),
  );
  const [first] = primaries;
  if (first === undefined) throw new RangeError('a cluster has one primary at least');
  for (const { server } of primaries.slice(1)) {
    await first.plain.call('CLUSTER', 'MEET', '127.0.0.1', String(server.port));
  }
  for (const { plain } of primaries) {
    await until(async () => {
      const slots = await plain.call('CLUSTER', 'SLOTS');
      const info = String(await plain.call('CLUSTER', 'INFO'));
      return Array.isArray(slots) && slots.length === count && info.includes('cluster_state:ok');
    });
  }
  return {
    url: `redis+cluster://127.0.0.1:${first.server.port}`,
    primaries,
    async stop() {
      for (const { plain } of primaries) plain.disconnect();
      await Promise.all(primaries.map(({ server }) => server.stop()));
    },
  };
}
