import { expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { SeededRandom } from '../shared/random.ts';
import { AdmissionRate } from './admission-rate.ts';
import { Clients } from './clients.ts';
import { Inflation } from './compression/inflation.ts';
import { Handshakes } from './handshakes.ts';
import { RouterMetrics } from './metrics.ts';

function makeMetrics() {
  const events = { clientFrame: () => undefined, clientClosed: () => undefined };
  const clients = new Clients({ clock: new ManualClock(), random: new SeededRandom(1) }, events);
  const clock = new ManualClock();
  const admissionRate = new AdmissionRate(clock, 500);
  const sources = {
    clients,
    handshakes: new Handshakes(clock, admissionRate).stats,
    admissionRate,
    rooms: () => 3,
    sessions: () => 5,
    links: () => 2,
    attendedSockets: () => 1,
    inflated: new Inflation(1_024).stats,
    limits: { connections: 0, address_rate: 4, user_rate: 0, user_sessions: 0, user_messages: 0 },
    redisUp: () => true,
    linkBacklogBytes: () => 7,
    nodes: () => [
      { node: 'n1', state: 'active', stillMs: 250 },
      { node: 'n2', state: 'dead', stillMs: undefined },
    ],
  };
  return { clients, metrics: new RouterMetrics(sources) };
}

const sampleOf = (text: string, series: string): number | undefined => {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.split(' ')[1]);
};

it('counts, observes and reads gauges when asked', async () => {
  const { metrics } = makeMetrics();
  metrics.count('hops');
  metrics.count('hops', 2);
  metrics.observe('takeover_ms', 40);
  metrics.redis('control', 'ok', 0.3);
  metrics.linkRoundTrip(0.2);
  const text = await metrics.registry.metrics();
  expect(sampleOf(text, 'bellhop_router_hops_total')).toBe(3);
  expect(sampleOf(text, 'bellhop_router_takeover_seconds_sum')).toBe(0.04);
  expect(sampleOf(text, 'bellhop_router_redis_seconds_count{connection="control",outcome="ok"}')).toBe(1);
  expect(sampleOf(text, 'bellhop_router_link_round_trip_seconds_count')).toBe(1);
  expect(sampleOf(text, 'bellhop_router_rooms')).toBe(3);
  expect(sampleOf(text, 'bellhop_router_redis_up')).toBe(1);
  expect(sampleOf(text, 'bellhop_router_limited_total{limit="address_rate"}')).toBe(4);
  expect(sampleOf(text, 'bellhop_router_nodes{state="active"}')).toBe(1);
  expect(sampleOf(text, 'bellhop_router_nodes{state="left"}')).toBe(0);
  expect(sampleOf(text, 'bellhop_router_node_heartbeat_age_seconds{node="n1"}')).toBe(0.25);
});

it('tells what was counted elsewhere as a whole, however often it is asked', async () => {
  const { clients, metrics } = makeMetrics();
  for (const deliveries of [10, 10, 25]) {
    clients.stats.deliveries = deliveries;
    expect(sampleOf(await metrics.registry.metrics(), 'bellhop_router_deliveries_total')).toBe(deliveries);
  }
});

it('has no label that grows with use', async () => {
  const { metrics } = makeMetrics();
  metrics.redis('log', 'ok', 1);
  metrics.refused('draining');
  const own = (await metrics.registry.metrics()).split('\n').filter((line) => line.startsWith('bellhop_router_'));
  const labels = new Set(own.flatMap((line) => [...line.matchAll(/(\w+)="/g)].map((match) => match[1])));
  expect([...labels].sort()).toEqual([
    'code',
    'connection',
    'kind',
    'le',
    'limit',
    'node',
    'outcome',
    'state',
    'verdict',
  ]);
});
