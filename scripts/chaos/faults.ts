/** The faults of a chaos run. Owns: what is done to the cluster, and how long its rooms took to answer. Does not know: how results are
 *  shown. */
import type { Cluster } from '../scenarios/cluster.ts';
import type { Load } from '../scenarios/load.ts';
import { pause, until } from '../scenarios/wait.ts';
import type { ChaosOptions } from './options.ts';

/** One fault, and what its rooms showed. */
export interface FaultResult {
  readonly what: string;
  /** How many rooms it struck. */
  readonly rooms: number;
  /** Rooms that were not heard again within the bound. */
  readonly unanswered: number;
  /** Per room, from the fault (from its end, where Redis was away) to the first message of the next owner, ms. */
  readonly firstMs: readonly number[];
  /** Per room, between the last message of the one owner and the first of the next, ms. */
  readonly silentMs: readonly number[];
  /** Per room, the slowest publish around it, from being said to being heard by its sender, ms. */
  readonly slowestMs: readonly number[];
  /** How the process ended, where that is a promise: what was wrong with it. */
  readonly wrong?: string | undefined;
  /** How long the whole took, ms. */
  readonly tookMs: number;
}

export type Say = (line: string) => void;

const ANSWER_BOUND_MS = 30_000;
const SETTLE_MS = 1_000;

/** Rooms of the load that the node owns. */
async function struckBy(cluster: Cluster, load: Load, node: string): Promise<string[]> {
  const owners = await cluster.ownersOf(load.rooms);
  return load.rooms.filter((room) => owners.get(room) === node);
}

async function answered(
  load: Load,
  rooms: readonly string[],
  what: string,
  began: number,
  wrong?: string,
): Promise<FaultResult> {
  await until('every room is heard', () => load.silent(rooms).length === 0, ANSWER_BOUND_MS).catch(() => undefined);
  const tookMs = performance.now() - began;
  // What was said meanwhile is answered too before the slowest is read.
  await pause(SETTLE_MS);
  const changes = load.changes().filter(({ room }) => rooms.includes(room));
  return {
    what,
    rooms: rooms.length,
    unanswered: load.silent(rooms).length,
    firstMs: changes.map(({ firstMs }) => firstMs),
    silentMs: changes.map(({ silentMs }) => silentMs),
    slowestMs: load.slowestAcks(rooms),
    wrong,
    tookMs,
  };
}

export async function kill(cluster: Cluster, load: Load, id: string): Promise<FaultResult> {
  const rooms = await struckBy(cluster, load, id);
  const began = load.mark();
  cluster.node(id).signal('SIGKILL');
  const result = await answered(load, rooms, `kill -9 ${id}`, began);
  await cluster.startNode(id);
  await pause(SETTLE_MS);
  return result;
}

export async function drain(cluster: Cluster, load: Load, id: string): Promise<FaultResult> {
  const rooms = await struckBy(cluster, load, id);
  const node = cluster.node(id);
  const began = load.mark();
  node.signal('SIGTERM');
  const { code, signal } = await node.exited;
  const wrong = code === 0 ? undefined : `${id} ended with ${code ?? signal} instead of 0`;
  const result = await answered(load, rooms, `SIGTERM ${id}`, began, wrong);
  await cluster.startNode(id);
  await pause(SETTLE_MS);
  return result;
}

export async function freeze(cluster: Cluster, load: Load, id: string, pauseMs: number): Promise<FaultResult> {
  const rooms = await struckBy(cluster, load, id);
  const node = cluster.node(id);
  const began = load.mark();
  node.signal('SIGSTOP');
  await pause(pauseMs);
  node.signal('SIGCONT');
  const exit = await Promise.race([node.exited, pause(ANSWER_BOUND_MS)]);
  const code = exit?.code ?? 'none';
  const result = await answered(
    load,
    rooms,
    `SIGSTOP ${id} for ${pauseMs} ms`,
    began,
    code === 3 ? undefined : `${id} ended with ${code} instead of 3`,
  );
  await node.kill();
  await cluster.startNode(id);
  await pause(SETTLE_MS);
  return result;
}

/** Redis is away and comes back with its data; is emptied; comes back empty. */
export async function loseRedis(cluster: Cluster, load: Load, options: ChaosOptions, say: Say): Promise<FaultResult[]> {
  const results: FaultResult[] = [];
  const next = async (what: string, act: () => Promise<number>) => {
    say(what);
    const began = await act();
    results.push(await answered(load, load.rooms, what, began));
    await pause(SETTLE_MS);
  };
  await next(`Redis away for ${options.redisAwayMs} ms, back with its data`, async () => {
    await cluster.redis.kill9();
    await pause(options.redisAwayMs);
    await cluster.redis.restart();
    return load.mark();
  });
  await next('FLUSHALL', async () => {
    const began = load.mark();
    await cluster.flushRedis();
    return began;
  });
  await next(`Redis away for ${options.redisAwayMs} ms, back empty`, async () => {
    await cluster.redis.kill9();
    await pause(options.redisAwayMs);
    await cluster.redis.restart({ args: ['--appendonly', 'no'] });
    return load.mark();
  });
  return results;
}
