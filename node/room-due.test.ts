import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Hosted } from './hosted.ts';
import { DueRooms } from './room-due.ts';

// Only its name and its time are looked at.
const hosted = (name: string) => ({ name, dueMs: Number.POSITIVE_INFINITY, dueAt: 0 }) as Hosted;
const names = (rooms: readonly Hosted[]) => rooms.map((one) => one.name);

describe('rooms that are due', () => {
  it('come once each, earliest first, and not before their time', () => {
    const due = new DueRooms();
    const [a, b, c] = [hosted('a'), hosted('b'), hosted('c')];
    due.wake(a, 30);
    due.wake(b, 10);
    due.wake(c, 20);
    due.wake(a, 5);
    due.wake(a, 40);
    expect(names(due.take(4))).toEqual([]);
    expect(names(due.take(20))).toEqual(['a', 'b', 'c']);
    expect(names(due.take(1_000))).toEqual([]);
  });

  it('can be woken for the same time again while they are looked at', () => {
    const due = new DueRooms();
    const room = hosted('a');
    due.wake(room, 0);
    for (let tick = 0; tick < 3; tick++) {
      for (const one of due.take(tick)) due.wake(one, 0);
      expect(room.dueMs).toBe(0);
    }
    expect(names(due.take(9))).toEqual(['a']);
  });

  it('are kept once each, however often they are woken, and not at all once removed', () => {
    const due = new DueRooms();
    const [a, b] = [hosted('a'), hosted('b')];
    for (let ms = 100; ms > 0; ms--) due.wake(a, ms);
    due.wake(b, 7);
    expect(due.size).toBe(2);
    due.remove(a);
    due.remove(a);
    expect(names(due.take(1_000))).toEqual(['b']);
    expect(due.size).toBe(0);
  });

  it('are those of a plain scan over all rooms, whatever the order', () => {
    const step = fc.record({ room: fc.nat(7), atMs: fc.nat(60), advance: fc.nat(9), isRemoved: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const due = new DueRooms();
        const rooms = Array.from({ length: 8 }, (_, at) => hosted(String(at)));
        const wanted = new Map<string, number>();
        let nowMs = 0;
        for (const { room, atMs, advance, isRemoved } of steps) {
          const one = rooms[room];
          if (one === undefined) continue;
          due.wake(one, atMs);
          wanted.set(one.name, Math.min(atMs, wanted.get(one.name) ?? Number.POSITIVE_INFINITY));
          if (isRemoved) {
            const other = rooms[(room + 3) % 8];
            if (other !== undefined) due.remove(other);
            wanted.delete(String((room + 3) % 8));
          }
          nowMs += advance;
          const expected = [...wanted].filter(([, at]) => at <= nowMs).map(([name]) => name);
          for (const name of expected) wanted.delete(name);
          expect(names(due.take(nowMs)).sort()).toEqual(expected.sort());
        }
      }),
    );
  });
});
