import { expect, it } from 'vitest';
import type { LoadCounts } from '../scenarios/load.ts';
import type { FaultResult } from './faults.ts';
import { type ChaosOptions, readOptions } from './options.ts';
import { reportOf, seriesOf, tableOf } from './report.ts';

const options = readOptions(['--kills', '2']) as ChaosOptions;
const quiet: LoadCounts = {
  published: 10,
  acked: 9,
  refused: { owner_lost: 1 },
  pending: 0,
  resets: 4,
  socketsClosed: 0,
  resumes: 0,
  violations: [],
  lost: 0,
  doubled: 0,
};

function fault(firstMs: readonly number[], unanswered = 0): FaultResult {
  return {
    what: 'kill -9 n1',
    rooms: firstMs.length + unanswered,
    unanswered,
    firstMs,
    silentMs: [],
    slowestMs: [],
    tookMs: 5,
  };
}

it('sums a series up over the rooms of all its faults', () => {
  const firstMs = Array.from({ length: 100 }, (_, i) => i + 1);
  const series = seriesOf('kill -9', [fault(firstMs.slice(0, 40)), fault(firstMs.slice(40))]);
  expect(series).toMatchObject({ faults: 2, rooms: 100, unanswered: 0, firstMs: { p50: 50, p99: 99, max: 100 } });
});

it('keeps a promise only where nothing closed, nothing was lost and every room answered', () => {
  const kept = reportOf(options, [seriesOf('kill -9', [fault([1])])], quiet, [], undefined);
  expect(kept.broken).toEqual([]);
  expect(tableOf(kept)).toContain('every promise was kept');
  const bad = { ...quiet, socketsClosed: 1, lost: 2, doubled: 3, pending: 4 };
  const { broken } = reportOf(options, [seriesOf('kill -9', [fault([1], 2)])], bad, ['n2'], undefined);
  expect(broken).toEqual([
    'kill -9: 2 rooms unanswered',
    '1 client sockets closed',
    '2 messages lost',
    '3 messages doubled',
    '4 publishes without an outcome',
    'n2 crashed',
  ]);
});

it('forgives closed sockets in a storm, where clients and routers break them, and nothing else', () => {
  const stormy = { faults: 3, healMs: [1, 2, 3], broken: ['seed 1, fault 3 (kill n1): a room is silent'] };
  const report = reportOf(options, [], { ...quiet, socketsClosed: 9, resumes: 9 }, [], stormy);
  expect(report.broken).toEqual(stormy.broken);
  expect(tableOf(report)).toContain('healed after 2 / 3 / 3; clients came back 9 times');
});
