import { expect, it } from 'vitest';
import type { Cluster } from '../shared/directory/directory.ts';
import { nodeRecord, token } from '../shared/directory/example-records.ts';
import { Placement } from '../shared/placement.ts';
import { firstCandidate } from './candidates.ts';
import { Membership } from './membership.ts';

const placement = new Placement(Buffer.alloc(16, 1));
const programs = [{ pattern: '*', program: 'chat' }];

it('an ownerless room goes where it is pinned, while that node can take it', () => {
  const membership = new Membership();
  const pins = [{ room: 'lobby', node: 'n3', by: 'ann', at: 1 }];
  const cluster = (state: 'active' | 'draining'): Cluster => ({
    runId: 'run',
    gen: 'g1',
    ver: 1,
    beats: {},
    nodes: [
      ...['n1', 'n2'].map((node) => nodeRecord(node, token(node), { programs })),
      nodeRecord('n3', token('n3'), { programs, state }),
    ],
    routers: [],
    pins,
  });
  const first = (isLinked = (_incarnation: string) => true) =>
    firstCandidate('lobby', { membership, placement, isLinked })?.node;
  membership.update(cluster('active'), 0);
  expect(first()).toBe('n3');
  expect(membership.pin('lobby')).toEqual(pins[0]);
  expect(first((incarnation) => incarnation !== token('n3'))).not.toBe('n3');
  membership.update(cluster('draining'), 0);
  expect(first()).not.toBe('n3');
  // A poll that finds no change says nothing of pins.
  membership.update({ runId: 'run', gen: 'g1', ver: 1, beats: {} }, 0);
  expect(membership.pin('lobby')?.node).toBe('n3');
  membership.update({ ...cluster('active'), pins: [] }, 0);
  expect(membership.pin('lobby')).toBeUndefined();
});

it('a burst of new rooms is spread by what was sent since the last heartbeats', () => {
  const membership = new Membership();
  const names = ['n1', 'n2', 'n3'];
  const beatOf = (node: string, counter: number, rooms: number) =>
    [node, { incarnation: token(node), counter, load: { rooms, sessions: 0 } }] as const;
  const read = (counter: number, rooms: readonly number[]): Cluster => ({
    runId: 'run',
    gen: 'g1',
    ver: 1,
    nodes: names.map((node) => nodeRecord(node, token(node), { programs })),
    beats: Object.fromEntries(names.map((node, i) => beatOf(node, counter, rooms[i] ?? 0))),
    routers: [],
    pins: [],
  });
  const send = (room: string): string => {
    const to = firstCandidate(room, { membership, placement, isLinked: () => true });
    if (to !== undefined) membership.placed(room, to);
    return to?.node ?? '';
  };
  membership.update(read(7, [1, 0, 0]), 0);
  for (let i = 0; i < 30; i++) send(`room-${i}`);
  const loads = names.map((node) => membership.roomsAt(node));
  expect(loads.reduce((sum, one) => sum + one, 0)).toBe(31);
  // No node has more than the bound on load allows.
  expect(Math.max(...loads)).toBeLessThanOrEqual(Math.ceil((1.25 * 31) / 3));

  // Who asks again is not another room; the heartbeat that follows may not tell of them yet, the one after it does.
  const again = send('room-0');
  expect(names.reduce((sum, node) => sum + membership.roomsAt(node), 0)).toBe(31);
  expect(names).toContain(again);
  membership.update(read(8, [1, 0, 0]), 0);
  expect(names.reduce((sum, node) => sum + membership.roomsAt(node), 0)).toBe(31);
  membership.update(read(9, loads), 0);
  expect(names.map((node) => membership.roomsAt(node))).toEqual(loads);
});
