/** The queue before a room's log, on ports that the test answers. */
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { type Args, DirectoryError, type Reply, type Triple } from '../shared/directory/directory.ts';
import { triple } from './fixture.ts';
import { RoomLog } from './room-log.ts';
import { unitOf } from './room-unit.ts';

class LogBench {
  readonly clock = new ManualClock();
  readonly calls: { args: Args<'append'>; done: (result: Reply<'append'> | DirectoryError) => void }[] = [];
  readonly settled: string[] = [];
  readonly refused: string[] = [];
  readonly told: string[] = [];
  readonly counted: string[] = [];
  owner: Triple | undefined = triple(5);
  state: string | undefined;
  head = 0;
  wokenMs = Number.POSITIVE_INFINITY;
  onSettled: () => void = () => undefined;
  onState: () => void = () => undefined;
  readonly budget = { bytes: 0, bytesMax: 1_000_000 };
  readonly log = new RoomLog({
    room: 'r',
    rules: { keep: { entries: 1_000, ms: 1_000 }, sendersMax: 10 },
    budget: this.budget,
    append: (args, done) => this.calls.push({ args, done }),
    mayAppend: () => this.owner,
    now: () => this.clock.now(),
    wake: (atMs) => {
      this.wokenMs = Math.min(this.wokenMs, atMs);
    },
    settled: ({ item }, outcome) => {
      this.settled.push(`${item.cseq}:${outcome.kind}`);
      this.onSettled();
    },
    refused: ({ cseq }) => this.refused.push(String(cseq)),
    fenced: () => this.told.push('fenced'),
    wentBack: () => this.told.push('went back'),
    state: () => {
      this.onState();
      return this.state;
    },
    head: () => this.head,
    count: (metric) => this.counted.push(metric),
    observe: () => undefined,
  });

  say(cseq: number, data = 'x'): boolean {
    const item = { sender: `s${cseq}`, seat: 1, cseq, id: cseq, isResumed: false, message: { from: 'u', data } };
    return this.log.say(unitOf({ item, by: undefined, isRepeat: false }, this.clock.now().monoMs));
  }

  answer(): void {
    const call = this.calls.at(-1);
    const outcomes = call?.args.items.map(() => ({ kind: 'logged' as const, seq: ++this.head })) ?? [];
    call?.done({ kind: 'appended', head: this.head, at: 1, outcomes, evicted: 0 });
  }

  fail(): void {
    this.calls.at(-1)?.done(new DirectoryError('timeout', 'no answer'));
  }

  pass(ms: number): void {
    this.clock.advance(ms);
    this.log.tick(this.clock.now());
  }

  get batches() {
    return this.calls.map(({ args }) => [args.batch, ...args.items.map(({ cseq }) => cseq)]);
  }
}

describe('a batch', () => {
  it('in flight keeps what its senders say again from being refused', () => {
    const bench = new LogBench();
    bench.say(1);
    bench.log.flush();
    bench.say(1);
    bench.say(2);
    bench.pass(10_000);
    expect(bench.refused).toEqual(['2']);
  });

  it('forgets whoever is gone once nothing of theirs is on its way', () => {
    const bench = new LogBench();
    bench.say(1);
    bench.log.flush();
    bench.say(2);
    bench.log.forget('s1');
    bench.log.forget('s2');
    bench.answer();
    bench.say(3);
    bench.answer();
    expect(bench.calls.map(({ args }) => args.forget)).toEqual([[], ['s1'], ['s2']]);
  });

  it('is what came while the one before was in flight', () => {
    const bench = new LogBench();
    bench.say(1);
    bench.log.flush();
    for (let cseq = 2; cseq <= 4; cseq++) bench.say(cseq);
    bench.log.flush();
    expect(bench.batches).toEqual([[1, 1]]);
    bench.answer();
    expect(bench.batches).toEqual([
      [1, 1],
      [2, 2, 3, 4],
    ]);
    expect(bench.calls.at(-1)?.args.head).toBe(1);
  });

  it('has at most 64 items, and 256 KiB unless one alone is larger', () => {
    const bench = new LogBench();
    for (let cseq = 1; cseq <= 70; cseq++) bench.say(cseq);
    bench.log.flush();
    bench.answer();
    expect(bench.batches.map((batch) => batch.length - 1)).toEqual([64, 6]);
    bench.answer();
    for (const size of [200_000, 200_000, 300_000, 10]) bench.say(100, 'x'.repeat(size));
    bench.log.flush();
    for (let i = 0; i < 4; i++) bench.answer();
    expect(bench.batches.slice(2).map((batch) => batch.length - 1)).toEqual([1, 1, 1, 1]);
    expect(bench.budget.bytes).toBe(0);
  });

  it('without an answer is sent again as it was, until there is one', () => {
    const bench = new LogBench();
    bench.say(1);
    bench.log.flush();
    bench.say(2);
    bench.fail();
    bench.pass(100);
    bench.fail();
    bench.pass(100);
    expect(bench.batches).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
    bench.answer();
    expect(bench.settled).toEqual(['1:logged']);
    expect(bench.batches.at(-1)).toEqual([2, 2]);
  });

  it('of another triple begins with what was in flight, also where the gate is shut at that moment', () => {
    const bench = new LogBench();
    bench.say(1);
    bench.log.flush();
    const [late] = bench.calls;
    bench.owner = undefined;
    bench.log.begin();
    bench.log.flush();
    expect(bench.batches).toHaveLength(1);
    // Nobody says anything more: it is the tick that finds the gate open.
    expect(bench.log.dueMs).toBeLessThanOrEqual(bench.clock.now().monoMs);
    bench.owner = triple(6);
    bench.pass(20);
    expect(bench.calls.at(-1)?.args).toMatchObject({ batch: 1, triple: { epoch: 6 } });
    late?.done({ kind: 'fenced', record: undefined });
    expect(bench.told).toEqual([]);
    bench.answer();
    expect(bench.settled).toEqual(['1:logged']);
  });
});

describe('what cannot be logged', () => {
  it('is refused after ten seconds, unless it may have reached Redis', () => {
    const bench = new LogBench();
    bench.say(1);
    bench.log.flush();
    bench.say(2);
    bench.fail();
    bench.pass(9_999);
    expect(bench.refused).toEqual([]);
    bench.fail();
    bench.pass(1);
    expect(bench.refused).toEqual(['2']);
    expect(bench.log.isIdle).toBe(false);
  });

  it('is told apart: another owner, a history that went back', () => {
    const bench = new LogBench();
    bench.say(1);
    bench.log.flush();
    bench.calls[0]?.done({ kind: 'fenced', record: undefined });
    bench.log.begin();
    bench.log.flush();
    bench.calls[1]?.done({ kind: 'rolled-back', head: 0 });
    expect(bench.told).toEqual(['fenced', 'went back']);
    expect(bench.counted).toEqual(['appends_fenced', 'appends_rolled_back']);
  });

  it('is not taken beyond the budget, and is given back when the room ends', () => {
    const bench = new LogBench();
    expect(bench.say(1, 'x'.repeat(999_000))).toBe(true);
    expect(bench.say(2, 'x'.repeat(2_000))).toBe(false);
    bench.log.close();
    expect([bench.budget.bytes, bench.say(3)]).toEqual([0, false]);
  });
});

describe('the program’s state', () => {
  it('goes with a batch that leaves nothing waiting, where it has changed', () => {
    const bench = new LogBench();
    bench.state = '1';
    bench.say(1);
    bench.log.flush();
    bench.answer();
    bench.say(2);
    bench.log.flush();
    bench.answer();
    bench.state = '2';
    for (let cseq = 3; cseq <= 70; cseq++) bench.say(cseq);
    bench.log.flush();
    bench.answer();
    expect(bench.calls.map(({ args }) => args.snapshot)).toEqual(['1', undefined, undefined, '2']);
  });

  it('that is large is written once a second', () => {
    const bench = new LogBench();
    const large = 'x'.repeat(70_000);
    for (let cseq = 1; cseq <= 3; cseq++) {
      bench.state = `${large}${cseq}`;
      bench.say(cseq);
      bench.log.flush();
      bench.answer();
      bench.pass(600);
    }
    expect(bench.calls.map(({ args }) => args.snapshot?.at(-1))).toEqual(['1', undefined, '3']);
  });
});

it('whoever waits for it to be idle is told once it is, and senders that cannot come back go with the next batch', () => {
  const bench = new LogBench();
  let idle = 0;
  bench.log.whenIdle(() => idle++);
  expect(idle).toBe(1);
  bench.log.forget('gone');
  bench.log.forget('s1');
  bench.say(1);
  bench.log.flush();
  bench.log.whenIdle(() => idle++);
  expect(bench.calls[0]?.args.forget).toEqual(['gone']);
  expect(idle).toBe(1);
  bench.answer();
  expect(idle).toBe(2);
});

it('a batch is told to the end also where what was told ends the room: nothing of it stays counted', () => {
  const bench = new LogBench();
  for (let cseq = 1; cseq <= 3; cseq++) bench.say(cseq);
  bench.log.flush();
  bench.onSettled = () => bench.log.close();
  bench.answer();
  expect(bench.settled).toEqual(['1:logged', '2:logged', '3:logged']);
  expect(bench.budget.bytes).toBe(0);
});

it('a batch whose state ends the room is not lost on the way: nothing of it stays counted, and backends are told', () => {
  const bench = new LogBench();
  const told: string[] = [];
  const item = { sender: 'k:1', seat: 0, cseq: 0, id: 1, isResumed: false, message: { from: null, data: 'x' } };
  bench.log.say(unitOf({ item, by: undefined, isRepeat: false }, 0, ({ kind }) => told.push(kind)));
  bench.onState = () => bench.log.close();
  bench.log.flush();
  expect(bench.calls).toEqual([]);
  expect(told).toEqual(['lost']);
  expect(bench.budget.bytes).toBe(0);
});
