import { expect, test } from 'vitest';
import { Backlog } from './backlog.ts';
import type { Client } from './client-record.ts';

test('is overfull from three quarters of the total until half of it', () => {
  const waiting = new Map<Client, number>();
  const client = (bytes: number): Client => {
    const one = { backlogBytes: 0, live: true } as Client;
    waiting.set(one, bytes);
    return one;
  };
  const backlog = new Backlog({
    bytesMax: 1_000,
    totalBytesMax: 1_000,
    lagMsMax: 10_000,
    backlogBytesOf: (one) => waiting.get(one) ?? 0,
  });
  const clients = [client(400), client(350), client(10)];
  const note = (at: number) => {
    const one = clients[at];
    if (one !== undefined) backlog.note(one, 0, 0);
  };
  note(0);
  note(1);
  expect(backlog.isOverfull).toBe(false);
  note(2);
  expect(backlog.isOverfull).toBe(true);
  for (const [at, bytes] of [
    [2, 0],
    [1, 101],
  ] as const) {
    const one = clients[at];
    if (one !== undefined) waiting.set(one, bytes);
    note(at);
    expect(backlog.isOverfull).toBe(true);
  }
  const last = clients[1];
  if (last !== undefined) waiting.set(last, 100);
  note(1);
  expect(backlog.isOverfull).toBe(false);
});

test('whatever clients that never read are written, the total passes its bound by what two turns bring', () => {
  const [totalBytesMax, written] = [100_000, 64];
  const waiting = new Map<Client, number>();
  const backlog = new Backlog({
    ...{ bytesMax: 10_000, totalBytesMax, lagMsMax: 10_000 },
    backlogBytesOf: (one) => waiting.get(one) ?? 0,
  });
  for (let i = 0; i < 100; i++) waiting.set({ backlogBytes: 0, live: true } as Client, 0);
  const aTurn = waiting.size * written;
  let peak = 0;
  for (let turn = 0; turn < 400; turn++) {
    for (const [one, bytes] of waiting) {
      if (!one.live) continue;
      waiting.set(one, bytes + written);
      backlog.note(one, written, turn);
    }
    peak = Math.max(peak, backlog.totalBytes);
    // As a turn of the router ends: who is told first keeps what waits for it, who is named again is cut off.
    for (const one of backlog.excess()) {
      if (one.live) one.live = false;
      else {
        backlog.forget(one);
        waiting.delete(one);
      }
    }
  }
  expect(peak).toBeGreaterThan(totalBytesMax);
  expect(peak).toBeLessThanOrEqual(totalBytesMax + 2 * aTurn);
});
