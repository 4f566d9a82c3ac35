/** A router with many clients dies: those that are left admit within their rate, new sessions wait first, and everybody is back. */
import { expect, test } from 'vitest';
import { useCluster } from '../scenarios/suite.ts';
import { loseRouter } from './herd.ts';

const CLIENTS = 500;
const RATE = 100;

// The two that are left take on fewer each second than the windows of so few clients bring.
const cluster = useCluster({
  nodes: 2,
  routers: 3,
  nodeArgs: ['--durability', 'relay'],
  routerArgs: ['--log-level', 'error'],
  argsOf: (id) => (/^r[23]$/.test(id) ? ['--accept-rate', String(RATE)] : id === 'r1' ? ['--accept-rate', '0'] : []),
});

test('every client of a router that died is back, and the API was answered all the while', async () => {
  const result = await loseRouter(cluster(), {
    clients: CLIENTS,
    members: 20,
    joinRate: 1_000,
    signal: 'SIGKILL',
    strangers: 100,
    boundMs: 60_000,
    say: () => undefined,
  });
  const sum = (what: keyof (typeof result.routers)[number]['handshakes']): number =>
    result.routers.reduce((all, { handshakes }) => all + handshakes[what], 0);
  expect(result.clients).toBe(CLIENTS);
  expect(sum('resume_admitted')).toBeGreaterThanOrEqual(CLIENTS);
  expect(result.routers.flatMap(({ failed }) => failed)).toEqual([0, 0]);
  // Within the rate: what was admitted in the time it took, and one burst of each.
  const admittedMax = 2 * RATE * (result.backMs / 1_000 + 1.5);
  expect(sum('resume_admitted') + sum('new_admitted')).toBeLessThanOrEqual(admittedMax);
  // A hundred strangers came at once with the herd: of them most had to wait, with a status.
  expect(sum('new_refused')).toBeGreaterThan(0);
  expect(sum('new_told')).toBe(0);
  expect(cluster().crashes()).toEqual([]);
});
