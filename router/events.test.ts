import { describe, expect, it } from 'vitest';
import { type EventReport, EventRing } from './events.ts';

const moved = (room: string, epoch: number, to = 'n2'): EventReport => ({ at: 1, kind: 'room.moved', room, to, epoch });
const node = (kind: EventReport['kind'], incarnation = 'a'): EventReport => ({ at: 1, kind, node: 'n1', incarnation });

describe('EventRing', () => {
  it('numbers what it is told, and pages', () => {
    const ring = new EventRing();
    for (let i = 1; i <= 5; i++) ring.add(moved(`r${i}`, 1));
    const page = ring.after(1, 2);
    expect(page.events.map(({ id, room }) => [id, room])).toEqual([
      [2, 'r2'],
      [3, 'r3'],
    ]);
    expect(ring.after(page.next, 10).events).toHaveLength(2);
    expect(ring.after(5, 10)).toEqual({ events: [], next: 5 });
    expect(ring.latest(2).map(({ id }) => id)).toEqual([4, 5]);
  });

  it('takes what several workers see for one thing', () => {
    const ring = new EventRing();
    const told = [
      node('node.joined'),
      node('node.joined'),
      moved('r', 7),
      moved('r', 7),
      moved('r', 6),
      node('node.draining'),
      node('node.joined'),
      node('node.lost'),
      // From a worker that is behind.
      node('node.draining'),
      node('node.joined', 'b'),
      { at: 1, kind: 'redis.away' } as const,
      { at: 2, kind: 'redis.away' } as const,
      { at: 3, kind: 'redis.back' } as const,
      { at: 4, kind: 'redis.away' } as const,
    ].flatMap((report) => ring.add(report)?.kind ?? []);
    expect(told.filter((kind) => kind.startsWith('node'))).toEqual([
      'node.joined',
      'node.draining',
      'node.joined',
      'node.lost',
      'node.joined',
    ]);
    expect(told.filter((kind) => kind.startsWith('room'))).toEqual(['room.moved']);
    expect(told.filter((kind) => kind.startsWith('redis'))).toEqual(['redis.away', 'redis.back', 'redis.away']);
  });

  it('keeps what nodes did, however many rooms move, and no more than its bound', () => {
    const ring = new EventRing();
    ring.add(node('node.lost'));
    for (let i = 0; i < 30_000; i++) ring.add(moved(`r${i}`, 1));
    const { events } = ring.after(0, 100_000);
    expect(events[0]?.kind).toBe('node.lost');
    expect(events).toHaveLength(2_001);
  });

  it('keeps the numbers that another has given', () => {
    const ring = new EventRing();
    ring.take({ id: 7, ...moved('a', 1) });
    ring.take({ id: 7, ...moved('a', 1) });
    expect(ring.after(0, 10)).toMatchObject({ events: [{ id: 7 }], next: 7 });
  });
});
