import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../shared/random.ts';
import { EventQueue } from './event-queue.ts';
import { SimProcess } from './sim-process.ts';

function start(seed = 1) {
  const queue = new EventQueue();
  const thrown: unknown[] = [];
  const world = {
    queue,
    random: new SeededRandom(seed),
    onThrown: (_process: SimProcess, error: unknown) => thrown.push(error),
    onTurn: () => undefined,
  };
  return {
    queue,
    thrown,
    process: new SimProcess('p', world),
    run: (ms: number) => queue.run(queue.nowMs + ms, () => false),
  };
}

describe('SimProcess', () => {
  it('executes nothing while paused, and each source in order afterwards, nothing lost', () => {
    const { process, run } = start();
    const ran: string[] = [];
    process.timer(5, () => ran.push('timer'));
    process.pause();
    for (let at = 0; at < 20; at++) {
      process.receive('a', () => ran.push(`a${at}`));
      process.receive('b', () => ran.push(`b${at}`));
    }
    const before = process.now();
    run(1_000);
    expect(ran).toEqual([]);
    process.resume();
    expect(process.now().monoMs - before.monoMs).toBeGreaterThan(900);
    for (const source of ['a', 'b']) {
      expect(ran.filter((one) => one.startsWith(source))).toEqual(
        Array.from({ length: 20 }, (_, at) => `${source}${at}`),
      );
    }
    expect(ran).toContain('timer');
    expect(ran).toHaveLength(41);
  });

  it('mixes the sources differently with each seed', () => {
    const order = (seed: number) => {
      const { process } = start(seed);
      const ran: string[] = [];
      process.pause();
      for (let at = 0; at < 20; at++) for (const source of ['a', 'b']) process.receive(source, () => ran.push(source));
      process.resume();
      return ran.join('');
    };
    expect(new Set([1, 2, 3, 4, 5].map(order)).size).toBeGreaterThan(1);
  });

  it('executes nothing once it is dead, its timers included', () => {
    const { process, run } = start();
    const ran: string[] = [];
    process.timer(5, () => ran.push('timer'));
    process.pause();
    process.receive('a', () => ran.push('a'));
    process.die();
    process.resume();
    process.receive('a', () => ran.push('b'));
    run(10);
    expect(ran).toEqual([]);
  });

  it('reports what its code throws', () => {
    const { process, thrown } = start();
    process.receive('a', () => {
      throw new Error('no');
    });
    expect(thrown).toHaveLength(1);
  });

  it('steps its wall clock without its monotonic one', () => {
    const { process } = start();
    const before = process.now();
    process.stepWall(5_000);
    expect(process.now()).toEqual({ monoMs: before.monoMs, wallMs: before.wallMs + 5_000 });
  });
});
