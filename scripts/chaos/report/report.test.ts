import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { check } from '../checker/check.ts';
import { Recorder } from '../history/recorder.ts';
import { brokenPromises, type PartResult, type Series } from '../part.ts';
import { spread } from '../spread.ts';
import { PartStore } from '../store.ts';
import { evidencePages } from './docs.ts';
import { lossesOf, ruleOfThree } from './losses.ts';
import { textOf } from './text.ts';

const folder = mkdtempSync(join(tmpdir(), 'bellhop-chaos-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const HUNDRED = Array.from({ length: 100 }, (_, i) => i + 1);
const SERIES: Series = {
  nemesis: 'kill',
  says: 'SIGKILL of a node',
  measures: 'fault → first message',
  trials: 100,
  rooms: 100,
  unanswered: 0,
  unavailableMs: spread(HUNDRED),
  slowestMs: spread([]),
  tookMs: spread([5]),
  figures: { growthMb: 3 },
  wrong: [],
};

const { counts } = check(new Recorder('durable'), { logs: new Map(), presence: new Map() });
const SOUND: PartResult = {
  part: 'kills',
  says: 'nodes are killed',
  seed: 7,
  roomClass: 'durable',
  shape: { nodes: 3, routers: 2, rooms: 4, clients: 8, rate: 10, signals: 1, proof: 'supervisor', redis: 'empty' },
  series: [SERIES],
  counts: { ...counts, published: 12, ok: 11, unknown: { owner_lost: 1 }, resets: { forked: 2 } },
  broken: {},
  findings: [],
  starved: 0,
  limits: [
    { nemesis: 'kill', figure: 'p50', of: 'unavailable', atMostMs: 150 },
    { nemesis: 'kill', figure: 'p99', of: 'unavailable', atMostMs: 98 },
  ],
  tookMs: 61_000,
};
const BROKEN: PartResult = {
  ...SOUND,
  part: 'pauses',
  series: [{ ...SERIES, unanswered: 2, wrong: ['SIGSTOP n1: it ended with 1'] }],
  broken: { contiguous: 2, 'no-repeat': 1, 'socket-closed': 4 },
  findings: [{ rule: 'contiguous', room: 'chaos-1', place: 'event 9, client u1', text: 'seq 4 after 2' }],
};

it('takes the nearest rank for a percentile', () => {
  expect(spread(HUNDRED)).toEqual({ count: 100, p50: 50, p95: 95, p99: 99, max: 100 });
  expect(spread([3, 1])).toMatchObject({ p50: 1, p99: 3 });
  expect(spread([])).toEqual({ count: 0, p50: 0, p95: 0, p99: 0, max: 0 });
});

it('keeps a promise only where no rule was broken, all was heard again and every act went as it should', () => {
  expect(brokenPromises(SOUND)).toEqual([]);
  expect(brokenPromises(BROKEN)).toEqual([
    'contiguous: 2',
    'no-repeat: 1',
    'socket-closed: 4',
    'kill: 2 not heard again within the bound',
    'SIGSTOP n1: it ended with 1',
  ]);
  expect(lossesOf(BROKEN)).toEqual({ lost: 2, doubled: 1, disordered: 0, closed: 4, late: 0 });
});

it('tells a terminal what was measured, reached and missed', () => {
  const text = textOf(SOUND);
  expect(text).toContain('100 × kill: 100 rooms, 0 unanswered; 50 / 95 / 99 / 100 ms');
  expect(text).toContain('published 12: ok 11, refused 0, unknown 1 owner_lost');
  expect(text).toContain('p50 ≤ 150 ms: 50.0 ms, reached');
  expect(text).toContain('p99 ≤ 98 ms: 99.0 ms, MISSED');
  expect(text).toContain('every promise was kept');
  expect(textOf(BROKEN)).toContain('! contiguous in chaos-1 at event 9, client u1: seq 4 after 2');
});

it('writes a page that claims no more than its trials show', () => {
  const host = { processor: 'a processor', cores: 2, node: '20', version: '1' };
  const pages = evidencePages([SOUND], host);
  const page = pages.get('evidence.md') ?? '';
  expect(page).toContain('Every promise was kept.');
  expect(page).toContain(
    '| 100 × SIGKILL of a node | durable | 12 | 11 / 0 / 1 | 0 | 0 | 0 | 0 | 0 | 2 forked | < 3 % |',
  );
  expect(page).toContain('| `kills` kill | p99 | ≤ 98 ms | 99.0 ms | **missed** |');
  expect(page).toContain('npm run chaos -- --parts kills --seed 7 --class durable');
  expect(pages.get('evidence/unavailability.svg')).toContain('kills: kill, p50');
  const bad = evidencePages([SOUND, BROKEN], host).get('evidence.md') ?? '';
  expect(bad).toContain('**Broken**: pauses: contiguous: 2;');
  expect(bad).toContain('| 2 forked | – |');
});

it('bounds a rate by three over the number of trials', () => {
  expect([ruleOfThree(100), ruleOfThree(50), ruleOfThree(30), ruleOfThree(2), ruleOfThree(0)]).toEqual([
    '< 3 %',
    '< 6 %',
    '< 10 %',
    '< 100 %',
    'no trial',
  ]);
});

it('gives back saved parts in their order', () => {
  const store = new PartStore(join(folder, 'run'));
  expect(store.load('kills')).toBeUndefined();
  store.save(BROKEN);
  store.save(SOUND);
  expect(store.load('kills')).toEqual(SOUND);
  expect(store.all().map(({ part }) => part)).toEqual(['kills', 'pauses']);
});
