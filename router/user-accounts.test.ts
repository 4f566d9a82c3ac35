import { describe, expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { UserAccounts } from './user-accounts.ts';

const NONE = { connectRate: 0, sessionsMax: 0, messageRate: 0 };

function verdicts(users: UserAccounts, user: string, count: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const verdict = users.admit(user) ?? 'admitted';
    counts[verdict] = (counts[verdict] ?? 0) + 1;
  }
  return counts;
}

describe('42 how often a user enters', () => {
  it('is bounded by burst and rate over all rooms; other users enter meanwhile', () => {
    const clock = new ManualClock();
    const users = new UserAccounts(clock, { ...NONE, connectRate: 2 });
    expect(verdicts(users, 'ann', 50)).toEqual({ admitted: 20, user_rate: 30 });
    expect(verdicts(users, 'bob', 1)).toEqual({ admitted: 1 });
    clock.advance(5_000);
    expect(verdicts(users, 'ann', 50)).toEqual({ admitted: 10, user_rate: 40 });
  });

  it('is not forgotten by leaving, nor by being refused for long', () => {
    const clock = new ManualClock();
    const users = new UserAccounts(clock, { ...NONE, connectRate: 2 });
    let admitted = 0;
    for (let second = 0; second < 60; second++) {
      for (let i = 0; i < 10; i++) {
        if (users.admit('ann') !== undefined) continue;
        admitted += 1;
        users.left(users.entered('ann'));
      }
      users.left(users.entered(`other-${second}`));
      clock.advance(1_000);
    }
    expect(admitted).toBeLessThanOrEqual(20 + 2 * 60);
  });
});

describe('44 rooms of one user', () => {
  it('are bounded by its sessions, and one that leaves makes room for one', () => {
    const users = new UserAccounts(new ManualClock(), { ...NONE, sessionsMax: 3 });
    const accounts = [1, 2, 3].map(() => {
      expect(users.admit('ann')).toBeUndefined();
      return users.entered('ann');
    });
    expect(users.admit('ann')).toBe('user_sessions');
    expect(users.admit('bob')).toBeUndefined();
    for (const account of accounts.slice(0, 1)) users.left(account);
    expect(users.admit('ann')).toBeUndefined();
  });
});

describe('42 accounts', () => {
  it('are one for each user that is here, and few for those who left', () => {
    const clock = new ManualClock();
    const users = new UserAccounts(clock, { connectRate: 5, sessionsMax: 5, messageRate: 5 }, 100);
    const here = Array.from({ length: 500 }, (_, i) => {
      users.admit(`here-${i}`);
      return users.entered(`here-${i}`);
    });
    for (let i = 0; i < 5_000; i++) users.admit(`knocks-${i}`);
    expect(users.size).toBe(600);
    clock.advance(60_000);
    for (const account of here) users.left(account);
    expect(users.size).toBeLessThanOrEqual(500);
    clock.advance(60_000);
    for (let i = 0; i < 500; i++) users.left(users.entered('last'));
    expect(users.size).toBe(1);
  });
});
