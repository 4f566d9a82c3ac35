import { beforeEach, expect, test } from 'vitest';
import { ManualClock } from '../../shared/clock.ts';
import { type Directory, DirectoryError } from '../../shared/directory/directory.ts';
import { MemoryDirectory } from '../../shared/directory/memory-directory.ts';
import { Revocations } from './revocations.ts';

const DAY_MS = 86_400_000;
let clock: ManualClock;
let memory: MemoryDirectory;
let directory: Directory;
let revocations: Revocations;
let heard: string[];
let told: number;
let isAway: boolean;

const revoke = (user: string) => memory.execute('revoke', { user, keepMs: DAY_MS, marksMax: 10_000 }, now());
const now = () => clock.now().wallMs;

/** One second, and whatever is read in it. */
async function second(): Promise<void> {
  clock.advance(1_000);
  revocations.tick(clock.now());
  await new Promise<void>((resolve) => setImmediate(resolve));
}

beforeEach(() => {
  clock = new ManualClock();
  memory = new MemoryDirectory({ runId: 'a' });
  directory = memory.connect(clock);
  heard = [];
  told = 0;
  isAway = false;
  revocations = new Revocations({
    read: async (args) => {
      if (isAway) throw new DirectoryError('unavailable', 'away');
      return directory.call('readRevoked', args);
    },
    keepMs: DAY_MS,
    revoked: (marks) => {
      told += 1;
      heard.push(...marks.keys());
    },
  });
});

test('28 a mark is known within a second, is told once, and counts for what was issued before it', async () => {
  await second();
  revoke('ann');
  const at = now();
  await second();
  await second();
  expect(heard).toEqual(['ann']);
  expect(revocations.isRevoked('ann', at - 1)).toBe(true);
  expect(revocations.isRevoked('ann', at)).toBe(true);
  expect(revocations.isRevoked('ann', at + 1)).toBe(false);
  expect(revocations.isRevoked('bob', 0)).toBe(false);
  revoke('ann');
  await second();
  expect(heard).toEqual(['ann', 'ann']);
  expect(revocations.isRevoked('ann', at + 1)).toBe(true);
});

test('a router that has just started reads them all, page by page', async () => {
  for (let i = 0; i < 2_500; i++) revoke(`u${i}`);
  await second();
  expect([heard.length, revocations.size]).toEqual([2_500, 2_500]);
  // All clients are looked at for each time that something is told.
  expect(told).toBe(3);
});

test('what was read counts on while Redis is away, and where Redis has lost it', async () => {
  const before = memory.snapshot();
  revoke('ann');
  await second();
  isAway = true;
  await second();
  expect(revocations.isRevoked('ann', 0)).toBe(true);
  isAway = false;
  memory.restore(before);
  clock.stepWall(-5_000);
  revoke('bob');
  await second();
  await second();
  expect(heard).toEqual(['ann', 'bob']);
  expect(revocations.isRevoked('ann', 0)).toBe(true);
});

test('marks are forgotten when nothing that they stand against can still be shown', async () => {
  revoke('ann');
  await second();
  clock.advance(DAY_MS + 120_000);
  await second();
  expect(revocations.size).toBe(0);
});
