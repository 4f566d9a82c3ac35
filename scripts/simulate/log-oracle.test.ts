import { describe, expect, it } from 'vitest';
import type { AppendOutcome, Args, LogEntry, Reply, RoomRecord } from '../../shared/directory/directory.ts';
import { LogOracle } from './log-oracle.ts';
import { Oracle } from './oracle.ts';
import { Trace } from './trace.ts';

const ROOM = 'log-0';

/** A log that is written and changed by hand. */
class Bench {
  readonly trace = new Trace(() => 0);
  readonly oracle = new Oracle(this.trace);
  readonly logs: LogOracle;
  stored: LogEntry[] = [];
  head = 0;
  #record: RoomRecord | undefined;

  constructor() {
    this.logs = new LogOracle(this.trace, this.oracle, () => this.#read(), 100);
    this.claim(1);
  }

  get broken(): string | undefined {
    return this.trace.violation?.rule;
  }

  #read(): Reply<'readLog'> {
    const record = this.#record;
    if (record === undefined) return { kind: 'missing' };
    const first = this.stored[0]?.seq ?? this.head + 1;
    return { kind: 'log', record: { ...record, head: this.head }, first, entries: this.stored };
  }

  claim(epoch: number): void {
    const owner = { node: 'n', incarnation: `i${epoch}` };
    this.#record = { owner, epoch, nonce: `${epoch}`, head: this.head, tags: [] };
    const args = { room: ROOM, seen: undefined, ...owner, nonce: `${epoch}`, floor: 0, runId: 'r' };
    const reply = { kind: 'owned', record: this.#record } as const;
    this.oracle.executed('n', 'claim', { ...args, numbering: { kind: 'continue' } }, reply);
    this.logs.claimed(ROOM);
  }

  /** Session `s` says `id` with its frame `cseq`, and it is said to be at `seq`. */
  append(epoch: number, id: number, { seq = this.head + 1, cseq = id, isStored = true } = {}): void {
    const triple = { incarnation: `i${epoch}`, epoch, nonce: `${epoch}` };
    const message = { from: 'u', session: 's', data: '1' };
    const item = { sender: 's', seat: 1, cseq, id, isResumed: false, message };
    const outcomes: AppendOutcome[] = [{ kind: 'logged', seq }];
    const keep = { entries: 100, ms: 1_000 };
    const args: Args<'append'> = {
      room: ROOM,
      triple,
      batch: 1,
      head: this.head,
      items: [item],
      keep,
      forget: [],
      sendersMax: 9,
    };
    this.logs.executed(args, { kind: 'appended', head: seq, at: 0, outcomes, evicted: 0 });
    this.head = seq;
    if (isStored) this.stored.push({ seq, tag: `${epoch}.${epoch}`, from: 'u', session: 's', id, at: 0, data: '1' });
  }
}

it('takes a log that goes on under one owner after the other', () => {
  const bench = new Bench();
  for (const id of [1, 2, 3]) bench.append(1, id);
  bench.claim(2);
  bench.append(2, 4);
  bench.logs.shown('u', ROOM, 4, '2.2', 's:4');
  bench.logs.acked('u', ROOM, 's:2', 2);
  bench.logs.refused(ROOM, 's:5');
  expect(bench.broken).toBeUndefined();
  expect(bench.logs.differs(ROOM, new Map([[4, 's:4']]))).toBeUndefined();
});

describe('of what is appended, it finds', () => {
  it.each([
    ['a gap', '2', (bench: Bench) => bench.append(1, 2, { seq: 3 })],
    ['a repeated id', '2', (bench: Bench) => bench.append(1, 1, { cseq: 7 })],
    ['a repeated frame', '2', (bench: Bench) => bench.append(1, 2, { cseq: 1 })],
    ['an entry of an old tag after a newer claim', '1', (bench: Bench) => [bench.claim(2), bench.append(1, 2)]],
    ['an entry of a tag that was never granted', '1', (bench: Bench) => bench.append(9, 2)],
    ['what was refused', '9', (bench: Bench) => [bench.logs.refused(ROOM, 's:2'), bench.append(1, 2)]],
    ['a lower id after a higher one', '2', (bench: Bench) => [bench.append(1, 5), bench.append(1, 4)]],
  ])('%s', (_what, rule, act) => {
    const bench = new Bench();
    bench.append(1, 1);
    act(bench);
    expect(bench.broken).toBe(rule);
  });
});

describe('of what a claim finds, it finds', () => {
  it.each([
    ['an entry that is missing', '2', (bench: Bench) => bench.stored.splice(0, 2, ...bench.stored.slice(0, 1))],
    ['a log that is gone', '3', (bench: Bench) => bench.stored.splice(0)],
    ['a head that went back', '3', (bench: Bench) => bench.stored.splice(--bench.head)],
    ['an entry that nobody appended', '1', (bench: Bench) => bench.stored.splice(2, 1, { ...entry(bench, 2), id: 99 })],
  ])('%s', (_what, rule, act) => {
    const bench = new Bench();
    for (const id of [1, 2, 3]) bench.append(1, id);
    act(bench);
    bench.claim(2);
    expect(bench.broken).toBe(rule);
  });

  it('and takes the same once Redis has lost something', () => {
    const bench = new Bench();
    for (const id of [1, 2, 3]) bench.append(1, id);
    bench.stored.splice(--bench.head);
    bench.oracle.lost(() => '1.1');
    bench.logs.lost();
    bench.claim(2);
    expect(bench.broken).toBeUndefined();
    expect(bench.logs.differs(ROOM, new Map([[3, 's:3']]))).toMatch(/ends at 2/);
    bench.append(2, 9);
    expect(bench.logs.differs(ROOM, new Map([[3, 's:3']]))).toMatch(/has s:9 there/);
  });
});

describe('of what clients are told, it finds', () => {
  it.each([
    ['a message before it is logged', '3', (bench: Bench) => bench.logs.shown('u', ROOM, 2, '1.1', 's:2')],
    ['another message than was logged', '3', (bench: Bench) => bench.logs.shown('u', ROOM, 1, '1.1', 's:2')],
    ['an ack of what is not in the log', '3', (bench: Bench) => bench.logs.acked('u', ROOM, 's:2', 2)],
    ['an ack at another seq', '3', (bench: Bench) => bench.logs.acked('u', ROOM, 's:1', 2)],
    ['a refusal of what is in the log', '9', (bench: Bench) => bench.logs.refused(ROOM, 's:1')],
  ])('%s', (_what, rule, act) => {
    const bench = new Bench();
    bench.append(1, 1);
    act(bench);
    expect(bench.broken).toBe(rule);
  });
});

function entry(bench: Bench, at: number): LogEntry {
  const found = bench.stored[at];
  if (found === undefined) throw new Error(`there is no entry ${at}`);
  return found;
}
