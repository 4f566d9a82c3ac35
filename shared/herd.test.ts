import { describe, expect, it } from 'vitest';
import { ACCEPT_RATE_DEFAULT, windowAtLoss, windowAtStop, windowFor } from './herd.ts';

const router = (name: string, sessions: number, acceptRate?: number) => ({
  router: name,
  sessions,
  ...(acceptRate === undefined ? {} : { acceptRate }),
});
const worker = (name: string, of: string, sessions: number, acceptRate: number) => ({
  ...router(name, sessions, acceptRate),
  workerOf: { router: of, incarnation: 'a'.repeat(32), pid: 1 },
});

describe('windowFor', () => {
  it('gives the routers the time they need', () => {
    expect(windowFor(10_000, 1_000, 500)).toBeGreaterThanOrEqual(10_000);
    expect(windowFor(10_000, 2_000, 500)).toBe(windowFor(10_000, 1_000, 500) / 2);
  });

  it('is never below what was asked for, nor beyond the time a session can be resumed', () => {
    expect(windowFor(3, 1_000, 500)).toBe(500);
    expect(windowFor(10_000_000, 1_000, 500)).toBe(100_000);
    expect(windowFor(10_000_000, 1_000, 300_000)).toBe(300_000);
  });
});

describe('windowAtStop', () => {
  const self = { router: 'r1', process: 'r1', acceptRate: 500, sessions: 4_000 };

  it('is sized by the clients told and by what the other routers take', () => {
    const others = [router('r1', 9, 500), router('r2', 0, 1_000), router('r3', 0, 1_000)];
    expect(windowAtStop(others, self, 0)).toBe(windowFor(4_000, 2_000, 0));
  });

  it('is sized by the router itself where there is no other: it is to be back', () => {
    expect(windowAtStop([router('r1', 9, 500)], self, 0)).toBe(windowFor(4_000, 500, 0));
  });

  it('counts the workers that stop with it, and none of them among those that are left', () => {
    const records = [worker('r1.w1', 'r1', 1, 500), worker('r1.w2', 'r1', 3_000, 500), router('r2', 5, 1_000)];
    expect(windowAtStop(records, { ...self, process: 'r1.w1' }, 0)).toBe(windowFor(7_000, 1_000, 0));
  });

  it('takes a router that names no rate, or no limit, for an ordinary one', () => {
    expect(windowAtStop([router('r2', 0)], self, 0)).toBe(windowFor(4_000, ACCEPT_RATE_DEFAULT, 0));
    expect(windowAtStop([router('r2', 0, 0)], self, 0)).toBe(windowFor(4_000, ACCEPT_RATE_DEFAULT, 0));
  });
});

describe('windowAtLoss', () => {
  it('grows with the sessions of the router that may be lost, and shrinks with those that are left', () => {
    const small = windowAtLoss([router('r1', 10_000, 1_000), router('r2', 0, 1_000), router('r3', 0, 1_000)], 'r1');
    const large = windowAtLoss([router('r1', 10_000, 1_000), router('r2', 0, 1_000)], 'r1');
    expect(large).toBeGreaterThanOrEqual(10_000);
    expect(small).toBe(large / 2);
  });

  it('is a few seconds for a few clients, for a router alone, and for one that is not known yet', () => {
    expect(windowAtLoss([router('r1', 10, 1_000)], 'r1')).toBe(3_000);
    expect(windowAtLoss([], 'r9')).toBe(3_000);
  });
});
