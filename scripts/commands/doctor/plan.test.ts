import { describe, expect, it } from 'vitest';
import { plainOf } from '../text.ts';
import { measuredCosts, WRITTEN_COSTS } from './costs.ts';
import { type Load, planCluster, renderClusterPlan } from './plan.ts';

const LIMITS = { busyMax: 0.5, spare: 1, clientsPerRouterMax: 50_000 };
const LOAD: Load = { clients: 10_000, rooms: 500, rate: 1_000, bytes: 128, durable: true, logMessages: 1_000 };
const plan = (change: Partial<Load>) => planCluster({ ...LOAD, ...change }, WRITTEN_COSTS, LIMITS);

describe('a plan', () => {
  it('is what the measured costs add up to', () => {
    const { routers, nodes, redis, deliveriesPerSecond } = plan({});
    expect(deliveriesPerSecond).toBe(20_000);
    // 20,000 × 8.5 µs and 1,000 × 27.45 µs in one router; one more to spare.
    expect(routers.cores).toBeCloseTo(0.197, 3);
    expect(routers.processes).toBe(2);
    expect(nodes.cores).toBeCloseTo(0.0745, 3);
    expect(redis.cores).toBeCloseTo(0.0477, 4);
    // Logs of 1,000 messages: 100 B and 1.24 × 128 B each.
    expect(redis.memoryBytes).toBeGreaterThan(500 * 1_000 * 258);
  });

  it('grows with the load, and never shrinks', () => {
    let before = plan({});
    for (const factor of [2, 10, 50, 200]) {
      const now = plan({ rate: 1_000 * factor });
      expect(now.routers.processes).toBeGreaterThanOrEqual(before.routers.processes);
      expect(now.nodes.processes).toBeGreaterThanOrEqual(before.nodes.processes);
      expect(now.redis.processes).toBeGreaterThanOrEqual(before.redis.processes);
      expect(now.routers.cores / (now.routers.processes - 1)).toBeLessThanOrEqual(LIMITS.busyMax);
      before = now;
    }
    expect(before.redis.processes).toBeGreaterThan(1);
    expect(plan({ clients: 1_000_000, rooms: 50_000 }).routers.processes).toBeGreaterThanOrEqual(21);
  });

  it('asks nothing of Redis for a relay room’s messages, and two nodes at least', () => {
    const { redis, nodes } = plan({ durable: false });
    expect(redis.cores).toBe(0);
    expect(redis.memoryBytes).toBeLessThan(30_000_000);
    expect(nodes.processes).toBe(2);
  });

  it('says where its figures are from, and what one Redis cannot do', () => {
    const large = plan({ rate: 50_000 });
    const text = renderClusterPlan(large, LIMITS, 'measured').map(plainOf).join('\n');
    expect(text).toContain('docs/benchmarks.md: scale');
    expect(text).toContain('redis+cluster://');
    expect(renderClusterPlan(plan({}), LIMITS, 'x').map(plainOf).join('\n')).not.toContain('redis+cluster://');
  });
});

describe('costs', () => {
  it('are those of the last bench where it can be read, else those that are written down', () => {
    const cell = (workload: string, cpuPerDeliveryUs: number) => ({ system: 'bellhop', workload, cpuPerDeliveryUs });
    const cells = [
      cell('echo', 60),
      cell('echo', 64),
      cell('rooms', 12),
      cell('broadcast', 15),
      { ...cell('rooms', 99), system: 'ws' },
    ];
    const costs = measuredCosts({
      cells,
      parts: [{ part: 'scale', numbers: { cpuPerConnectUs: 900, slabPerClientBothEnds: 8_000 } }],
    });
    // Of a message with one delivery and one with twenty.
    expect(costs.messageUs + costs.deliverySmallUs).toBeCloseTo(62);
    expect(costs.messageUs + 20 * costs.deliverySmallUs).toBeCloseTo(240);
    expect(costs).toMatchObject({ deliveryLargeUs: 15, joinUs: 900, kernelClientBytes: 4_000 });
    for (const odd of [undefined, null, [], { cells: 'x' }]) expect(measuredCosts(odd)).toEqual(WRITTEN_COSTS);
  });
});
