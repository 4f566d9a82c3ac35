import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../shared/random.ts';
import { EventQueue } from './event-queue.ts';
import { Network, Way } from './network.ts';

describe('EventQueue', () => {
  it('runs events in the order of their times, and those of one moment in the order they were asked for', () => {
    const queue = new EventQueue();
    const random = new SeededRandom(5);
    const ran: { atMs: number; order: number }[] = [];
    for (let order = 0; order < 500; order++) {
      const atMs = random.below(20);
      queue.after(atMs, () => ran.push({ atMs, order }));
    }
    queue.run(100, () => false);
    expect(ran).toEqual(ran.toSorted((a, b) => a.atMs - b.atMs || a.order - b.order));
    expect(ran).toHaveLength(500);
    expect(queue.nowMs).toBe(100);
  });

  it('leaves what is due later, and stops when it is told to', () => {
    const queue = new EventQueue();
    const ran: number[] = [];
    for (const ms of [10, 20, 30]) queue.after(ms, () => ran.push(queue.nowMs));
    queue.run(20, () => false);
    expect(ran).toEqual([10, 20]);
    queue.run(40, () => true);
    expect(ran).toEqual([10, 20]);
  });
});

describe('Network', () => {
  it('holds what meets a cut, and lets it go in order once every cut of that way is healed', () => {
    const network = new Network();
    const passed: number[] = [];
    network.cut('a', 'b');
    network.cut('a', 'b');
    network.pass('a', 'b', () => passed.push(1));
    network.pass('b', 'a', () => passed.push(2));
    network.pass('a', 'b', () => passed.push(3));
    network.heal('a', 'b');
    expect(passed).toEqual([2]);
    network.heal('a', 'b');
    expect(passed).toEqual([2, 1, 3]);
  });

  it('keeps the order of one way whatever the delays', () => {
    const way = new Way();
    expect(way.delay(0, 50)).toBe(50);
    expect(way.delay(10, 1)).toBe(40);
    expect(way.delay(100, 1)).toBe(1);
  });
});
