import { beforeEach, expect, it } from 'vitest';
import { ManualClock } from '../../shared/clock.ts';
import { DirectoryError, type Reply } from '../../shared/directory/directory.ts';
import { SeededRandom } from '../../shared/random.ts';
import type { CallDirectory } from '../ports.ts';
import { Orphans } from './orphans.ts';

let clock: ManualClock;
let living: Set<string> | undefined;
let asked: number;
let opened: string[];
let isAway: boolean;
let canOpen: boolean;
let tellers: Reply<'readTellers'>['tellers'];

beforeEach(() => {
  clock = new ManualClock();
  living = undefined;
  asked = 0;
  opened = [];
  isAway = false;
  canOpen = true;
  tellers = [
    { room: 'a', incarnation: 'dead' },
    { room: 'b', incarnation: 'me' },
    { room: 'other', incarnation: 'dead' },
  ];
});

function makeOrphans(): (ms: number) => void {
  const call = ((_operation: string, _args: unknown, done: (reply: unknown) => void) => {
    asked += 1;
    done(isAway ? new DirectoryError('unavailable', 'away') : { tellers });
  }) as CallDirectory;
  const orphans = new Orphans({
    call,
    now: () => clock.now(),
    random: new SeededRandom(1),
    living: () => living,
    isMine: (room) => room !== 'other',
    open: (room, done) => {
      opened.push(room);
      done(canOpen);
    },
  });
  return (ms) => {
    for (let at = 0; at < ms; at += 100) {
      clock.advance(100);
      orphans.tick(clock.now());
    }
  };
}

it('looks once after the start, when it knows who lives, and opens what is its own', () => {
  const pass = makeOrphans();
  pass(20_000);
  expect(asked).toBe(0);
  living = new Set(['me']);
  pass(60_000);
  expect([asked, opened]).toEqual([1, ['a']]);
});

it('looks again once an incarnation has gone, after clients had their time', () => {
  const pass = makeOrphans();
  living = new Set(['me', 'peer']);
  pass(60_000);
  living = new Set(['me', 'peer', 'newcomer']);
  pass(60_000);
  expect(asked).toBe(1);
  living = new Set(['me', 'newcomer']);
  pass(3_000);
  expect(asked).toBe(1);
  pass(10_000);
  expect(asked).toBe(2);
});

it('asks again where Redis did not answer, and where a room could not be opened', () => {
  const pass = makeOrphans();
  living = new Set(['me']);
  isAway = true;
  pass(12_000);
  expect(asked).toBeGreaterThan(1);
  isAway = false;
  canOpen = false;
  pass(12_000);
  expect(opened.length).toBeGreaterThan(1);
  canOpen = true;
  pass(10_000);
  const before = asked;
  pass(60_000);
  expect(asked).toBe(before);
});

it('opens a few at a time', () => {
  const pass = makeOrphans();
  tellers = Array.from({ length: 1_000 }, (_, i) => ({ room: `r${i}`, incarnation: 'dead' }));
  living = new Set(['me']);
  pass(8_000);
  expect(opened.length).toBeGreaterThan(0);
  expect(opened.length).toBeLessThan(1_000);
  pass(10_000);
  expect(new Set(opened).size).toBe(1_000);
});
