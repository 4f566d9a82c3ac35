/** Which parts there are: the cluster of each, its load, its nemeses, how often, and the numbers to reach. Owns: this table.
 *  Trials are short, and loads small enough that two cores serve cluster and load. */

import { add, drain, freeze, kill } from './nemeses/nodes.ts';
import { nodeFromRedis, routerFromNode, routerFromRedis } from './nemeses/partitions.ts';
import { failOver, failOverBySentinel, flushRedis, freezeRedis, loseRedis, restartRedis } from './nemeses/redis.ts';
import { freezeRouter, killRouter } from './nemeses/routers.ts';
import type { ChaosOptions } from './options.ts';
import type { Limit, Part, PartId } from './part.ts';

const AWAY_MS = 60_000;

/** Rounds of each part in the evidence run. */
export const EVIDENCE: Readonly<Record<PartId, number>> = {
  kills: 100,
  'kills-patience': 20,
  pauses: 50,
  drains: 50,
  routers: 30,
  'redis-restarts': 20,
  'redis-empties': 10,
  'redis-pauses': 10,
  failovers: 10,
  'redis-failovers': 10,
  away: 1,
  'away-relay': 1,
  partitions: 10,
  mixed: 1,
};

/** The part as asked for, `rounds` times. */
export function partOf(id: PartId, rounds: number, options: ChaosOptions): Part {
  const { roomClass, nodes, routers, mixedMs } = options;
  const shape: Part['shape'] = {
    nodes,
    routers,
    rooms: options.rooms ?? 40,
    clients: options.clients ?? 160,
    // A room speaks every 67 ms: less than that and the time until somebody speaks would be measured.
    rate: options.rate ?? 600,
    signals: 50,
    roomClass,
    proof: 'supervisor',
    redis: 'empty',
    proxies: false,
  };
  const limit = (nemesis: string, figure: Limit['figure'], atMostMs: number): Limit => {
    return { nemesis, figure, of: 'unavailable', atMostMs };
  };
  const base = { id, rounds, shape, limits: [] };
  switch (id) {
    case 'kills':
      return {
        ...base,
        says: 'SIGKILL of a node; its supervisor certifies it',
        nemeses: [kill],
        limits: [limit(kill.name, 'p50', 150), limit(kill.name, 'p99', 500)],
      };
    case 'kills-patience':
      return {
        ...base,
        says: 'SIGKILL of a node; nobody can prove its death, routers certify by patience',
        shape: { ...shape, proof: 'patience' },
        nemeses: [kill],
        limits: [limit(kill.name, 'p99', 3_200)],
      };
    case 'pauses': {
      const stop = freeze(4_000, 10_000);
      return {
        ...base,
        says: 'SIGSTOP of a node for 4 to 10 s; one link to it is listened on',
        nemeses: [stop],
        limits: [limit(stop.name, 'p99', 4_000)],
      };
    }
    case 'drains':
      return {
        ...base,
        says: 'a node is drained, then a node is added',
        // Few rooms that talk much: a pause shows as the silence between two messages, which are 20 ms apart.
        shape: { ...shape, rooms: options.rooms ?? 20, clients: options.clients ?? 60, rate: options.rate ?? 1_000 },
        nemeses: [drain, add],
        limits: [drain, add].map(({ name }) => ({ nemesis: name, figure: 'p99', of: 'pause', atMostMs: 50 })),
      };
    case 'routers':
      return {
        ...base,
        says: 'SIGKILL of a router; its clients resume at others',
        shape: {
          ...shape,
          routers: Math.max(3, routers),
          rooms: options.rooms ?? 200,
          clients: options.clients ?? 2_000,
          rate: options.rate ?? 200,
        },
        nemeses: [killRouter],
        limits: [limit(killRouter.name, 'p99', 5_000)],
      };
    case 'redis-restarts':
      return {
        ...base,
        says: 'SIGKILL of Redis, back with its data',
        shape: { ...shape, redis: 'append-only' },
        nemeses: [restartRedis(300, 3_000)],
      };
    case 'redis-empties':
      return { ...base, says: 'SIGKILL of Redis, back empty', nemeses: [restartRedis(300, 3_000)] };
    case 'redis-pauses':
      return { ...base, says: 'SIGSTOP of Redis', nemeses: [freezeRedis(300, 4_000)] };
    case 'failovers':
      return {
        ...base,
        says: 'the primary is killed and its replica promoted behind the same address',
        shape: { ...shape, redis: 'pair' },
        nemeses: [failOver],
      };
    case 'redis-failovers':
      return {
        ...base,
        says: 'the primary is killed and sentinels promote its replica; what died comes back as a replica before the next',
        shape: { ...shape, redis: 'sentinels' },
        nemeses: [failOverBySentinel],
      };
    case 'away':
    case 'away-relay': {
      const lose = loseRedis(options.awayMs ?? AWAY_MS);
      const isRelay = id === 'away-relay';
      return {
        ...base,
        says: `Redis is away for ${(options.awayMs ?? AWAY_MS) / 1_000} s${isRelay ? '; rooms are relay' : ''}`,
        shape: { ...shape, roomClass: isRelay ? 'relay' : roomClass, redis: 'append-only' },
        nemeses: [lose],
        limits: [limit(lose.name, 'p99', 5_000)],
      };
    }
    case 'partitions':
      return {
        ...base,
        says: 'nodes and routers are cut from Redis and from each other, both ways, one way, reset or slowed',
        shape: { ...shape, proxies: true },
        nemeses: [nodeFromRedis(500, 5_000), routerFromNode(500, 4_000), routerFromRedis(500, 5_000)],
      };
    case 'mixed':
      return {
        ...base,
        says: `every kind of fault at random for ${mixedMs / 1_000} s, two at once now and then, while clients break their sockets`,
        shape: { ...shape, redis: 'pair', routers: Math.max(3, routers) },
        nemeses: [],
        mixedMs,
      };
    default:
      return id satisfies never;
  }
}

/** What a mixed run draws from. */
export const MIXED = [
  kill,
  kill,
  freeze(300, 5_000),
  killRouter,
  freezeRouter(300, 6_000),
  flushRedis,
  freezeRedis(200, 4_000),
  failOver,
  nodeFromRedis(300, 5_000),
  routerFromNode(300, 4_000),
  routerFromRedis(300, 5_000),
] as const;
