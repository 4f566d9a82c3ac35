import { expect, it } from 'vitest';
import { RoomWatch } from './room-watch.ts';

it('measures from the mark to the next owner, and the silence between the two', () => {
  const watch = new RoomWatch('lobby');
  watch.message('100.a', 990, 1_000);
  watch.mark(1_050);
  watch.message('100.a', 1_049, 1_060);
  expect(watch.nextOwnerMs).toBeUndefined();
  expect(watch.nextMessageMs).toBeUndefined();
  watch.message('200.b', 1_040, 1_200);
  watch.message('300.c', 1_205, 1_210);
  expect(watch).toMatchObject({ nextOwnerMs: 150, silentMs: 140, nextMessageMs: 160 });
});

it('takes what is replayed under an old tag for no next owner', () => {
  const watch = new RoomWatch('lobby');
  watch.message('200.b', 1, 2);
  watch.mark(10);
  watch.message('100.a', 1, 11);
  expect(watch.nextOwnerMs).toBeUndefined();
});

it('keeps the slowest publish since the mark', () => {
  const watch = new RoomWatch('lobby');
  watch.acked(500);
  watch.mark(10);
  watch.acked(7);
  watch.acked(3);
  expect(watch.slowestAckMs).toBe(7);
});

it('keeps the longest silence since the mark', () => {
  const watch = new RoomWatch('lobby');
  watch.message('100.a', 1, 2);
  watch.mark(1_000);
  watch.message('100.a', 1_040, 1_050);
  watch.message('100.a', 1_240, 1_250);
  watch.message('100.a', 1_260, 1_300);
  expect(watch.longestSilenceMs).toBe(200);
  expect([watch.isHeardSince(1_260), watch.isHeardSince(1_261)]).toEqual([true, false]);
});
