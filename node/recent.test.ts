import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { payloadOf, textFrame } from '../shared/websocket-frame.ts';
import { Recent, type RecentEntry, recentBudget } from './recent.ts';

const entry = (seq: number, tag: string, more: Partial<RecentEntry> = {}): RecentEntry => ({
  seq,
  tag,
  session: undefined,
  id: undefined,
  frame: Buffer.from(String(seq)),
  ...more,
});
const seqs = (entries: readonly RecentEntry[]) => entries.map((one) => one.seq);

function said(count: number, max = 10): Recent {
  const recent = new Recent(max);
  recent.startAt(0, []);
  recent.beginTag('A');
  for (let seq = 1; seq <= count; seq++) recent.push(entry(seq, 'A'));
  return recent;
}

describe('a cursor', () => {
  it('goes on after what it has, without gap or repeat', () => {
    expect(said(5).standing({ seq: 2, tag: 'A' })).toMatchObject({
      kind: 'resumed',
      missed: [{ seq: 3 }, { seq: 4 }, { seq: 5 }],
    });
    expect(said(5).standing({ seq: 5, tag: 'A' })).toEqual({ kind: 'resumed', missed: [] });
    expect(said(0).standing({ seq: 0, tag: 'A' })).toEqual({ kind: 'resumed', missed: [] });
  });

  it('is trimmed exactly where its next message is forgotten', () => {
    const recent = said(25);
    expect(recent.standing({ seq: 15, tag: 'A' })).toMatchObject({ kind: 'resumed' });
    expect(recent.standing({ seq: 14, tag: 'A' })).toEqual({ kind: 'reset', reason: 'trimmed' });
  });

  it('ahead of what was said is told so', () => {
    expect(said(5).standing({ seq: 6, tag: 'A' })).toEqual({ kind: 'reset', reason: 'ahead' });
  });

  it('of a tag that is not known has lost its owner', () => {
    expect(said(5).standing({ seq: 2, tag: 'B' })).toEqual({ kind: 'reset', reason: 'owner_lost' });
  });

  it('crosses a change of tag, and is forked where it had more under the old one', () => {
    const recent = said(5);
    recent.beginTag('B');
    recent.push(entry(6, 'B'));
    expect(recent.standing({ seq: 4, tag: 'A' })).toMatchObject({ kind: 'resumed', missed: [{ seq: 5 }, { seq: 6 }] });
    expect(recent.standing({ seq: 6, tag: 'A' })).toEqual({ kind: 'reset', reason: 'forked' });
    expect(recent.standing({ seq: 6, tag: 'B' })).toEqual({ kind: 'resumed', missed: [] });
  });

  it('into a head that is numbered on, with nothing in memory, is trimmed or at its end', () => {
    const recent = new Recent(10);
    recent.startAt(40, [{ tag: 'A', firstSeq: 1 }]);
    recent.beginTag('B');
    expect(recent.standing({ seq: 40, tag: 'A' })).toEqual({ kind: 'resumed', missed: [] });
    expect(recent.standing({ seq: 39, tag: 'A' })).toEqual({ kind: 'reset', reason: 'trimmed' });
    expect(recent.standing({ seq: 41, tag: 'A' })).toEqual({ kind: 'reset', reason: 'forked' });
  });

  it('stands the same after a handover has carried the memory', () => {
    const recent = said(25);
    const carried = new Recent(10);
    carried.restore(recent.head, recent.tags, recent.entries);
    for (let seq = 0; seq <= 26; seq++) {
      expect(carried.standing({ seq, tag: 'A' })).toEqual(recent.standing({ seq, tag: 'A' }));
    }
  });
});

it('keeps a contiguous run that ends at head, whatever is said', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.boolean(), { maxLength: 60 }), (max, steps) => {
      const recent = new Recent(max);
      recent.startAt(0, []);
      recent.beginTag('t0');
      let tags = 0;
      for (const isTag of steps) {
        if (isTag) recent.beginTag(`t${++tags}`);
        else recent.push(entry(recent.head + 1, `t${tags}`));
      }
      const kept = seqs(recent.entries);
      expect(kept).toEqual(kept.map((_, index) => recent.head - kept.length + 1 + index));
      expect(kept.length).toBeLessThanOrEqual(max);
      expect(recent.tags.length).toBeLessThanOrEqual(16);
      for (let seq = recent.head - kept.length; seq <= recent.head; seq++) {
        const standing = recent.standing({ seq, tag: `t${tags}` });
        expect(standing.kind === 'resumed' && seqs(standing.missed)).toEqual(kept.filter((one) => one > seq));
      }
    }),
  );
});

it('46 is bounded over all rooms together: whoever says something beyond that forgets its own oldest, and every run stays whole', () => {
  const steps = fc.array(fc.record({ room: fc.nat(2), bytes: fc.integer({ min: 1, max: 3_000 }) }), { maxLength: 80 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), steps, (max, said) => {
      const budget = { bytes: 0, bytesMax: 6_000, ownBytes: 2_000 };
      const rooms = [0, 1, 2].map(() => new Recent(max, false, budget));
      for (const recent of rooms) recent.beginTag('A');
      for (const { room, bytes } of said) {
        const recent = rooms[room];
        recent?.push(entry(recent.head + 1, 'A', { frame: Buffer.alloc(bytes, recent.head + 1) }));
        const lengths = recent?.entries.map(({ frame }) => frame.length) ?? [];
        const sum = lengths.reduce((all, one) => all + one, 0);
        if (budget.bytes > budget.bytesMax) expect(lengths.length === 1 || sum <= budget.ownBytes).toBe(true);
      }
      let bytes = 0;
      for (const recent of rooms) {
        const kept = recent.entries;
        expect(seqs(kept)).toEqual(kept.map((_, index) => recent.head - kept.length + 1 + index));
        for (const { seq, frame } of kept) expect(frame.every((byte) => byte === seq % 256)).toBe(true);
        for (const { frame } of kept) bytes += frame.length;
        if (recent.head > 0) expect(kept.length).toBeGreaterThan(0);
      }
      expect(budget.bytes).toBe(bytes);
      for (const recent of rooms) recent.close();
      expect(budget.bytes).toBe(0);
    }),
  );
});

it('46 leaves every room its own share, whoever fills the rest', () => {
  const budget = recentBudget(4_096_000);
  const [greedy, modest] = [new Recent(100, false, budget), new Recent(100, false, budget)];
  for (const recent of [greedy, modest]) recent.beginTag('A');
  for (let seq = 1; seq <= 100; seq++) greedy.push(entry(seq, 'A', { frame: Buffer.alloc(64_000) }));
  for (let seq = 1; seq <= 50; seq++) modest.push(entry(seq, 'A', { frame: Buffer.alloc(100) }));
  expect(budget.bytes).toBeGreaterThan(budget.bytesMax);
  expect(modest.entries).toHaveLength(40);
});

it('finds a publish by its session and id', () => {
  const recent = said(3);
  recent.push(entry(4, 'A', { session: 's1', id: 1 }));
  recent.push(entry(5, 'A', { session: 's2', id: 1 }));
  expect(recent.find('s1', 1)?.seq).toBe(4);
  expect(recent.find('s1', 2)).toBeUndefined();
});

it('gives the last few', () => {
  expect(seqs(said(5).last(2))).toEqual([4, 5]);
  expect(said(5).last(0)).toEqual([]);
  expect(said(5).last(-1)).toEqual([]);
  expect(seqs(said(25).last(50))).toHaveLength(10);
  expect(seqs(said(25).after(3))).toHaveLength(10);
});

it('takes over only what leads to the head without a gap, and no more than it keeps', () => {
  const said = (seq: number) => entry(seq, '1.a', { frame: textFrame(`${seq}`) });
  const kept = (seqs: number[], max = 3) => {
    const recent = new Recent(max);
    recent.restore(9, [{ tag: '1.a', firstSeq: 1 }], seqs.map(said));
    return [recent.head, ...recent.entries.map(({ seq, frame }) => `${seq}=${payloadOf(frame)}`)];
  };
  expect(kept([5, 6, 7, 8, 9])).toEqual([9, '7=7', '8=8', '9=9']);
  expect(kept([5, 6, 8, 9])).toEqual([9, '8=8', '9=9']);
  expect(kept([5, 6, 7])).toEqual([9]);
});
