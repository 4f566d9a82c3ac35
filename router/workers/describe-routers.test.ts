import { expect, it } from 'vitest';
import type { RouterRecord } from '../../shared/directory/directory.ts';
import { describeRouters } from './describe-routers.ts';

const [A, B] = ['a'.repeat(32), 'b'.repeat(32)];

function record(router: string, more: Partial<RouterRecord> = {}): RouterRecord {
  const process = { version: '1', timings: { fenceMs: 1, deadMs: 2 }, host: 'h', pid: 10, startedAt: 1_000 };
  return { router, incarnation: `${router}-life`, url: 'http://h:1', counter: 1, sessions: 5, ...process, ...more };
}

const worker = (position: number, incarnation: string, more: Partial<RouterRecord> = {}): RouterRecord =>
  record(`edge.w${position}`, { pid: 10 + position, workerOf: { router: 'edge', incarnation, pid: 10 }, ...more });

it('shows a router of one process as it is', () => {
  expect(describeRouters([record('r2'), record('r1')])).toMatchObject([
    { router: 'r1', incarnation: 'r1-life', pid: 10, workers: 1, sessions: 5 },
    { router: 'r2', incarnation: 'r2-life', pid: 10, workers: 1, sessions: 5 },
  ]);
});

it('shows the workers of a router as one', () => {
  const records = [worker(2, A, { sessions: 7, startedAt: 3_000 }), record('other'), worker(1, A)];
  expect(describeRouters(records)).toMatchObject([
    { router: 'edge', incarnation: A, url: 'http://h:1', pid: 10, workers: 2, sessions: 12, startedAt: 1_000 },
    { router: 'other', workers: 1 },
  ]);
});

it('counts the latest life of a router only', () => {
  // It was started anew with one worker; the record of the second has not been taken away yet.
  const records = [worker(2, A, { sessions: 100 }), worker(1, B, { startedAt: 2_000 })];
  expect(describeRouters(records)).toMatchObject([{ router: 'edge', incarnation: B, workers: 1, sessions: 5 }]);
});
