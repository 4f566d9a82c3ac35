import { describe, expect, it } from 'vitest';
import { deadFloorMs, ISLAND_MS } from '../shared/timing.ts';
import { cluster, inc, nodeRecord } from './fixture.ts';
import { Observer } from './observer.ts';

const POLL = 250;
const DEAD = 2_600;
const NODES = ['a', 'b', 'c', 'd', 'e'].map((name) => nodeRecord(name, inc(name)));

/** Polls every period; the counters of the nodes named in `still` stand, all others move. */
class Bench {
  readonly observer = new Observer({ pollMs: POLL, deadMs: DEAD });
  readonly counters: Record<string, number> = {};
  readonly nodes: typeof NODES;
  history = 'run-1 gen-1';
  nowMs = 10_000;

  constructor(count = 5) {
    this.nodes = NODES.slice(0, count);
    for (const { node } of this.nodes) this.counters[node] = 1;
    this.observer.registered(1);
  }

  /** Names in each beat the list of routers as of this version. */
  view = 1;

  poll(still: readonly string[] = []): void {
    for (const { node } of this.nodes) if (!still.includes(node)) this.counters[node] = (this.counters[node] ?? 0) + 1;
    this.observer.polled(
      this.history,
      this.nodes,
      Object.fromEntries(
        Object.entries(cluster(this.nodes, this.counters).beats).map(([node, beat]) => [
          node,
          { ...beat, view: this.view },
        ]),
      ),
      this.nowMs,
      this.nowMs + 1,
    );
  }

  /** Polls until `ms` have passed. */
  polls(ms: number, still: readonly string[]): void {
    for (let past = 0; past < ms; past += POLL) {
      this.nowMs += POLL;
      this.poll(still);
    }
  }

  get suspects(): string[] {
    return this.observer.suspects(this.nowMs).map((one) => one.node);
  }
}

describe('a counter', () => {
  it('that stood still for dead is suspect, not a moment before', () => {
    const bench = new Bench();
    bench.poll();
    bench.polls(2_500, ['a']);
    expect(bench.suspects).toEqual([]);
    expect(bench.observer.suspects(10_001 + DEAD - 1)).toEqual([]);
    expect(bench.observer.suspects(10_001 + DEAD)).toEqual([{ node: 'a', incarnation: inc('a'), counter: 2 }]);
  });

  it('that moves in between starts anew', () => {
    const bench = new Bench();
    bench.polls(2_000, ['a']);
    bench.polls(POLL, []);
    bench.polls(2_250, ['a']);
    expect(bench.suspects).toEqual([]);
  });

  it('is watched anew after a poll that failed', () => {
    const bench = new Bench();
    bench.polls(2_500, ['a']);
    bench.observer.failed();
    bench.polls(2_500, ['a']);
    expect(bench.suspects).toEqual([]);
    bench.polls(500, ['a']);
    expect(bench.suspects).toEqual(['a']);
  });

  it('is watched anew after polls that came too far apart', () => {
    const bench = new Bench();
    bench.polls(2_500, ['a']);
    bench.nowMs += 2 * POLL + 1;
    bench.poll(['a']);
    expect(bench.suspects).toEqual([]);
    bench.polls(2_250, ['a']);
    expect(bench.suspects).toEqual([]);
    bench.polls(500, ['a']);
    expect(bench.suspects).toEqual(['a']);
  });

  it('is not judged by an observer that has not polled lately', () => {
    const bench = new Bench();
    bench.polls(3_000, ['a']);
    bench.nowMs += 2 * POLL + 1;
    expect(bench.suspects).toEqual([]);
  });

  it.each(['run-2 gen-1', 'run-1 gen-2'])('of another history (%s) is another counter', (history) => {
    const bench = new Bench();
    bench.polls(2_500, ['a']);
    bench.history = history;
    bench.polls(2_500, ['a']);
    expect(bench.suspects).toEqual([]);
  });

  it('of another incarnation is another counter', () => {
    const bench = new Bench();
    bench.polls(2_500, ['a']);
    bench.nodes[0] = nodeRecord('a', inc('f'));
    bench.polls(500, ['a']);
    expect(bench.suspects).toEqual([]);
    expect(bench.observer.stillMs(inc('a'), bench.nowMs)).toBeUndefined();
  });
});

describe('self-doubt', () => {
  it('comes when more than half of the nodes look dead, and lasts another dead', () => {
    const bench = new Bench();
    bench.poll();
    const still = ['a', 'b', 'c'];
    bench.polls(3_000, still);
    expect(bench.suspects).toEqual([]);
    for (let past = 0; past < DEAD - POLL; past += POLL) {
      bench.polls(POLL, still);
      expect(bench.suspects).toEqual([]);
    }
    bench.polls(2 * POLL, still);
    expect(bench.suspects).toEqual(still);
  });

  it('does not come for half of them, nor for one alone', () => {
    const four = new Bench(4);
    four.polls(3_000, ['a', 'b']);
    expect(four.suspects).toEqual(['a', 'b']);
    const one = new Bench(1);
    one.polls(3_000, ['a']);
    expect(one.suspects).toEqual(['a']);
  });

  it('starts anew with a failed poll', () => {
    const bench = new Bench();
    const still = ['a', 'b', 'c', 'd', 'e'];
    bench.polls(3_000, still);
    expect(bench.suspects).toEqual([]);
    bench.polls(2_000, still);
    bench.observer.failed();
    bench.polls(3_000, still);
    expect(bench.suspects).toEqual([]);
    bench.polls(DEAD + POLL, still);
    expect(bench.suspects).toHaveLength(5);
  });
});

describe('a node that may be islanded', () => {
  it('was told that Redis does not answer: its period starts anew, that of others does not', () => {
    const bench = new Bench();
    bench.polls(2_500, ['a', 'b']);
    bench.observer.restart(inc('a'));
    bench.polls(500, ['a', 'b']);
    expect(bench.suspects).toEqual(['b']);
    bench.polls(2_500, ['a']);
    expect(bench.suspects).toEqual(['a']);
  });

  it('does not know of this router yet: it is left alone for as long as an island may last', () => {
    const bench = new Bench();
    bench.observer.registered(2);
    bench.poll();
    bench.polls(ISLAND_MS, ['a']);
    expect(bench.suspects).toEqual([]);
    bench.polls(deadFloorMs(ISLAND_MS) - ISLAND_MS + POLL, ['a']);
    expect(bench.suspects).toEqual(['a']);
  });

  it('has read of this router by the beat that stands still', () => {
    const bench = new Bench();
    bench.observer.registered(2);
    bench.polls(1_000, []);
    bench.view = 2;
    bench.polls(250, []);
    bench.polls(DEAD + POLL, ['a']);
    expect(bench.suspects).toEqual(['a']);
  });

  it('is certified by no router that is not registered', () => {
    const observer = new Observer({ pollMs: POLL, deadMs: DEAD });
    const [node] = NODES;
    if (node === undefined) throw new Error('no node');
    for (let ms = 0; ms <= 2 * DEAD; ms += POLL) observer.polled('h', [node], cluster([node]).beats, ms, ms + 1);
    expect(observer.suspects(2 * DEAD)).toEqual([]);
  });
});
