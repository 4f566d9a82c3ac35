/** A small chaos run: what `npm run chaos` does at length, once of each kind, judged by the same checker. */
import { describe, expect, test } from 'vitest';
import { OPTIONS } from '../../shared/config-options.ts';
import { add, drain, freeze, kill } from './nemeses/nodes.ts';
import { restartRedis } from './nemeses/redis.ts';
import { killRouter } from './nemeses/routers.ts';
import { brokenPromises, type Part } from './part.ts';
import { runPart } from './run-part.ts';

const SHAPE: Part['shape'] = {
  nodes: 3,
  routers: 2,
  rooms: 12,
  clients: 36,
  rate: 200,
  signals: 50,
  roomClass: OPTIONS.durability.default,
  proof: 'supervisor',
  redis: 'append-only',
  proxies: false,
};

describe('a small chaos run', () => {
  test('a kill, a stop, a drain, an added node, a lost router and a Redis restart break no promise', async () => {
    const said: string[] = [];
    const part: Part = {
      id: 'mixed',
      says: 'one of each',
      shape: SHAPE,
      nemeses: [kill, freeze(4_000, 4_000), drain, add, killRouter, restartRedis(500, 500)],
      rounds: 1,
      limits: [],
    };
    const result = await runPart({ part, seed: 1, say: (line) => said.push(line) });
    expect(brokenPromises(result), said.join('\n')).toEqual([]);
    expect(result.series.map(({ trials }) => trials)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(result.counts.published).toBeGreaterThan(1_000);
    expect(result.counts.resumes).toBeGreaterThan(0);
    expect(result.counts.emits).toBeGreaterThan(0);
  });
});
