/** What every directory has to do with a durable room's log. Owns: one example, at least, of every documented reply, of every rule
 *  of telling repetitions apart, and of what a claim puts back. Does not know: Redis or memory. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { ConformanceFixture } from './conformance.ts';
import type { AppendItem, Args, LogEntry, Reply, RoomRecord, SenderMark } from './directory.ts';
import { FORGOTTEN, FORGOTTEN_MARK, tagOf } from './directory.ts';
import { token, tripleOf } from './example-records.ts';
import { A, B, CLAIM, DAY_MS, duplicate, entries, entry, logged, MANY, N1, N2, said, UNKNOWN } from './log-examples.ts';

/** Part of the suite of conformance.ts; the caller's fixture is made anew for each test. */
export function logConformance(fixture: () => ConformanceFixture): void {
  describe('log', () => {
    let record: RoomRecord;
    let batch = 0;
    const call: ConformanceFixture['directory']['call'] = (operation, args) =>
      fixture().directory.call(operation, args);

    const claim = async (more: Partial<Args<'claim'>> = {}): Promise<RoomRecord> => {
      const reply = await call('claim', {
        ...CLAIM,
        runId: fixture().runId,
        ...more,
      });
      if (reply.kind !== 'owned') throw new Error(`expected to own the room: ${JSON.stringify(reply)}`);
      record = reply.record;
      batch = 0;
      return record;
    };
    const claimAgain = (more: Partial<Args<'claim'>> = {}) =>
      claim({
        seen: { incarnation: record.owner?.incarnation, epoch: record.epoch, nonce: record.nonce },
        incarnation: B,
        nonce: N2,
        ...more,
      });
    const append = (items: readonly AppendItem[], more: Partial<Args<'append'>> = {}) =>
      call('append', {
        room: 'lobby',
        triple: tripleOf(record),
        batch: ++batch,
        head: record.head,
        items,
        keep: { entries: MANY, ms: DAY_MS },
        forget: [],
        sendersMax: MANY,
        ...more,
      });
    /** Appends as an owner does, who remembers the head. */
    const appended = async (items: readonly AppendItem[], more: Partial<Args<'append'>> = {}) => {
      const reply = await append(items, more);
      if (reply.kind !== 'appended') throw new Error(`expected to append: ${JSON.stringify(reply)}`);
      record = { ...record, head: reply.head };
      return reply;
    };
    const outcomes = async (items: readonly AppendItem[], more: Partial<Args<'append'>> = {}) =>
      (await appended(items, more)).outcomes;
    const readLog = async (after = 0, limit = 100, bytesMax = MANY) => {
      const reply = await call('readLog', { room: 'lobby', after, limit, bytesMax });
      if (reply.kind !== 'log') throw new Error('expected a log');
      return reply;
    };
    const seqs = async () => (await readLog()).entries.map(({ seq }) => seq);
    const openLog = (last = 100, bytesMax = MANY) => call('openLog', { room: 'lobby', last, bytesMax });
    const marks = async () => (await openLog()).senders;

    const tenSaid = () => appended(Array.from({ length: 10 }, (_, i) => said('s1', i + 1)));
    beforeEach(async () => {
      await claim();
    });

    describe('append', () => {
      it('numbers what is said without a gap, and keeps it as it was', async () => {
        const before = await fixture().now();
        const first = await appended([said('s1', 1), said('s2', 1)]);
        expect(first).toMatchObject({ kind: 'appended', head: 2, evicted: 0, outcomes: [logged(1), logged(2)] });
        expect(first.at).toBeGreaterThanOrEqual(before);
        const data = '{"text":"zwölf Boxkämpfer\\n","emoji":"🥊"}';
        const program = { sender: '*', seat: record.epoch, cseq: 1, id: 0, isResumed: false };
        const second = await appended([{ ...program, message: { from: null, data } }]);
        expect(second.outcomes).toEqual([logged(3)]);
        const tag = tagOf(record);
        expect((await readLog()).entries).toEqual([
          { seq: 1, tag, from: 'ann', session: 's1', id: 1, at: first.at, data: '"s11"' },
          { seq: 2, tag, from: 'ann', session: 's2', id: 1, at: first.at, data: '"s21"' },
          { seq: 3, tag, from: null, session: undefined, id: undefined, at: second.at, data },
        ]);
        expect(await call('readRoom', { room: 'lobby' })).toEqual({ kind: 'record', record: { ...record, head: 3 } });
      });

      it('takes nothing, too', async () => {
        expect(await appended([])).toMatchObject({ head: 0, outcomes: [] });
        expect(await openLog()).toEqual({ first: 1, entries: [], senders: {}, snapshot: undefined });
      });

      it('answers a repeated batch as it was, and changes nothing', async () => {
        const reply = await appended([said('s1', 1), said('s1', 1), said('s2', 9, { isResumed: true })]);
        expect(reply.outcomes).toEqual([logged(1), duplicate(1), UNKNOWN]);
        const args = { batch, head: 0 };
        expect(await append([said('s1', 1)], args)).toEqual(reply);
        expect(await append([said('s7', 7)], args)).toEqual(reply);
        expect((await readLog()).entries).toHaveLength(1);
        expect(Object.keys(await marks())).toEqual(['s1', 's2']);
      });

      it('refuses a batch that a later one has overtaken', async () => {
        await appended([said('s1', 1)]);
        await appended([said('s1', 2)]);
        expect(await append([said('s1', 1)], { batch: 1, head: 0 })).toEqual({ kind: 'late' });
        expect(await seqs()).toEqual([1, 2]);
      });

      it('counts batches anew under each triple', async () => {
        await appended([said('s1', 1)]);
        const before = record;
        await claimAgain();
        expect(await append([said('s1', 2)], { batch: 1 })).toMatchObject({ kind: 'appended', head: 2 });
        const to = { node: 'n1', incarnation: A, nonce: N1 };
        const moved = await call('transfer', { room: 'lobby', triple: tripleOf(record), to, head: 2, isLogged: false });
        if (moved.kind !== 'moved') throw new Error('expected to move');
        record = moved.record;
        expect(await append([said('s1', 3)], { batch: 1 })).toMatchObject({ kind: 'appended', head: 3 });
        expect(await append([said('s1', 3)], { batch: 1, triple: tripleOf(before) })).toMatchObject({ kind: 'fenced' });
      });

      it('is refused to anybody but the holder of the triple', async () => {
        const triple = tripleOf(record);
        const fenced = { kind: 'fenced', record };
        for (const wrong of [
          { ...triple, incarnation: B },
          { ...triple, epoch: triple.epoch + 1 },
          { ...triple, nonce: N2 },
        ])
          expect(await append([said('s1', 1)], { triple: wrong })).toEqual(fenced);
        expect(await append([said('s1', 1)], { room: 'hall' })).toEqual({ kind: 'fenced', record: undefined });
        await call('release', { room: 'lobby', triple, head: 0, expireMs: DAY_MS, isLogged: false });
        const released = { ...record, owner: undefined };
        expect(await append([said('s1', 1)])).toEqual({ kind: 'fenced', record: released });
        expect(await openLog()).toMatchObject({ entries: [], senders: {} });
      });

      it('tells an owner that its head is not the stored one', async () => {
        await appended([said('s1', 1), said('s1', 2)]);
        expect(await append([said('s1', 3)], { head: 5 })).toEqual({ kind: 'rolled-back', head: 2 });
        expect(await append([said('s1', 3)], { head: 1 })).toEqual({ kind: 'rolled-back', head: 2 });
        expect(await seqs()).toEqual([1, 2]);
        expect(await append([said('s1', 3)])).toMatchObject({ kind: 'appended', head: 3 });
      });

      it('goes on where an owner has numbered without a log', async () => {
        await claimAgain({ numbering: { kind: 'continue', head: 40 } });
        expect(await outcomes([said('s1', 1)])).toEqual([logged(41)]);
        expect(await readLog()).toMatchObject({ first: 41, entries: [{ seq: 41 }] });
      });

      it('keeps the program’s state with the seq as of which it holds', async () => {
        await appended([said('s1', 1)], { snapshot: '{"a":\n"é"}' });
        await appended([said('s1', 2)]);
        const { epoch } = record;
        expect((await openLog()).snapshot).toEqual({ epoch, seq: 1, state: '{"a":\n"é"}' });
        await appended([said('s1', 3)], { snapshot: '' });
        expect((await openLog()).snapshot).toEqual({ epoch, seq: 3, state: '' });
      });
    });

    describe('repetitions', () => {
      it('are told by the id, and answered with the seq', async () => {
        await appended([said('s1', 1), said('s2', 1), said('s1', 2), said('s1', 5)]);
        const again = [said('s1', 5), said('s1', 1), said('s1', 3), said('s1', 2, { seat: 2, cseq: 1 }), said('s1', 6)];
        expect(await outcomes(again)).toEqual([duplicate(4), duplicate(1), duplicate(0), duplicate(3), logged(5)]);
        // Within one batch as well.
        const twice = [said('s3', 1), said('s3', 2), said('s3', 1), said('s3', 2)];
        expect(await outcomes(twice)).toEqual([logged(6), logged(7), duplicate(6), duplicate(7)]);
      });

      it('are found wherever in the log they are', async () => {
        const many = Array.from({ length: 250 }, (_, i) => said('s1', i + 1));
        await appended(many);
        expect(await outcomes([said('s1', 1), said('s1', 100), said('s1', 101), said('s1', 249)])).toEqual(
          [1, 100, 101, 249].map(duplicate),
        );
      });

      it('are told by the frame where there is no id', async () => {
        const frame = (seat: number, cseq: number) => said('s1', 0, { seat, cseq });
        expect(await outcomes([frame(2, 4), frame(2, 4), frame(2, 3), frame(1, 9)])).toEqual([
          logged(1),
          duplicate(0),
          duplicate(0),
          duplicate(0),
        ]);
        expect(await outcomes([frame(2, 5), frame(3, 1), frame(2, 6)])).toEqual([logged(2), logged(3), duplicate(0)]);
        // A new id is new whatever frame brings it, and moves no frame backwards.
        expect(await outcomes([said('s1', 1, { seat: 1, cseq: 1 })])).toEqual([logged(4)]);
        expect(await marks()).toEqual({ s1: { seat: 3, cseq: 1, id: 1, seq: 4 } });
        expect(await outcomes([frame(3, 2)])).toEqual([logged(5)]);
        expect(await marks()).toEqual({ s1: { seat: 3, cseq: 2, id: 1, seq: 4 } });
      });

      it('are told of what was taken without being logged', async () => {
        const taken = said('s1', 2);
        const { message: _, ...consumed } = taken;
        expect(await outcomes([said('s2', 1), consumed, said('s2', 2)])).toEqual([logged(1), logged(1), logged(2)]);
        expect(await marks()).toMatchObject({ s1: { seat: 1, cseq: 2, id: 2, seq: 0 } });
        expect(await outcomes([consumed, taken])).toEqual([duplicate(0), duplicate(0)]);
      });

      it('cannot be told of a sender that should be known and is not', async () => {
        const resumed = { isResumed: true };
        expect(await outcomes([said('s1', 1, resumed), said('s2', 0, { ...resumed, cseq: 5 })])).toEqual([
          logged(1),
          logged(2),
        ]);
        expect(await outcomes([said('s3', 7, resumed)])).toEqual([UNKNOWN]);
        expect(await marks()).toMatchObject({ s3: { seat: 1, cseq: 7, id: 7, seq: 0 } });
        expect(await outcomes([said('s3', 7, resumed), said('s3', 8, resumed), said('s1', 2, resumed)])).toEqual([
          duplicate(0),
          logged(3),
          logged(4),
        ]);
      });

      it('are told by the next owner', async () => {
        await appended([said('s1', 1), said('s1', 2)]);
        await claimAgain();
        expect(await outcomes([said('s1', 1), said('s1', 2), said('s1', 3)])).toEqual([
          duplicate(1),
          duplicate(2),
          logged(3),
        ]);
      });
    });

    describe('senders', () => {
      it('are forgotten when they cannot come back, after what they said last', async () => {
        await appended([said('s1', 1), said('s2', 1)]);
        expect(await appended([said('s1', 2)], { forget: ['s1', 's9'] })).toMatchObject({ evicted: 0, head: 3 });
        expect(await marks()).toEqual({ s2: { seat: 1, cseq: 1, id: 1, seq: 2 }, [FORGOTTEN]: FORGOTTEN_MARK });
        expect(await outcomes([said('s1', 1)])).toEqual([logged(4)]);
      });

      it('45 are bounded: those that spoke longest ago go first, and are counted', async () => {
        await appended([said('s1', 1), said('s2', 1), said('s3', 1), said('s4', 1)]);
        // A repetition is heard as well.
        await appended([said('s1', 1)]);
        expect((await appended([said('s5', 1)], { sendersMax: 3 })).evicted).toBe(2);
        expect(Object.keys(await marks()).sort()).toEqual([FORGOTTEN, 's1', 's4', 's5']);
        expect((await appended([], { sendersMax: 3 })).evicted).toBe(0);
        expect((await appended([], { sendersMax: 0 })).evicted).toBe(3);
        expect(await marks()).toEqual({ [FORGOTTEN]: FORGOTTEN_MARK });
      });

      it('that are keys of backends go before any others, the oldest first: a session may be silent for long', async () => {
        const keyed = (key: string) => ({ ...said(`k:${key}`, 1), message: { from: null, data: '1' } });
        await appended([keyed('a'), said('s1', 1), said('s2', 1)]);
        await appended([keyed('b')]);
        expect((await appended([keyed('c')], { sendersMax: 4 })).evicted).toBe(1);
        expect(Object.keys(await marks()).sort()).toEqual([FORGOTTEN, 'k:b', 'k:c', 's1', 's2']);
        expect((await appended([], { sendersMax: 1 })).evicted).toBe(3);
        expect(Object.keys(await marks()).sort()).toEqual([FORGOTTEN, 's2']);
      });

      it('may be called as a key of a backend is', async () => {
        const odd = 'k:__proto__ ü"\'';
        await appended([{ ...said(odd, 1), message: { from: 'shop', data: '1' } }]);
        expect(await outcomes([{ ...said(odd, 1), message: { from: 'shop', data: '1' } }])).toEqual([duplicate(1)]);
        expect(await marks()).toEqual({ [odd]: { seat: 1, cseq: 1, id: 1, seq: 1 } });
      });
    });

    describe('what is kept', () => {
      it('is about as many entries as asked for', async () => {
        for (let i = 0; i < 10; i++)
          await appended(
            Array.from({ length: 50 }, (_, j) => said('s1', i * 50 + j + 1)),
            { keep: { entries: 100, ms: DAY_MS } },
          );
        const { first, entries: kept } = await readLog(0, 1_000);
        expect(kept.at(-1)?.seq).toBe(500);
        expect(first).toBe(kept[0]?.seq);
        expect(kept.length).toBeGreaterThanOrEqual(100);
        expect(kept.length).toBeLessThanOrEqual(300);
        // What was trimmed is still known to have been said, but no longer where.
        expect(await outcomes([said('s1', 3)])).toEqual([duplicate(0)]);
      });

      it('is of the last time asked for, now and then', async () => {
        const tag = `1.${N1}`;
        const head = 300;
        await claimAgain({
          numbering: { kind: 'continue', head },
          restore: { afresh: true, entries: entries(1, head, tag), senders: {} },
        });
        await appended([said('s1', 1)]);
        await appended([said('s1', 2)], { batch: 63 });
        expect((await readLog()).first).toBe(1);
        await appended([said('s1', 3)], { batch: 64 });
        expect((await readLog(0, 400)).entries.map(({ seq }) => seq)).toEqual([301, 302, 303]);
        expect((await readLog()).first).toBe(301);
      });

      it('may be nothing, and numbering goes on', async () => {
        const tag = `1.${N1}`;
        await claimAgain({
          numbering: { kind: 'continue', head: 3 },
          restore: { afresh: true, entries: entries(1, 3, tag), senders: {} },
        });
        await appended([], { batch: 64 });
        expect(await readLog()).toMatchObject({ first: 4, entries: [] });
        expect(await outcomes([said('s1', 1)], { batch: 65 })).toEqual([logged(4)]);
        expect(await readLog()).toMatchObject({ first: 4, entries: [{ seq: 4 }] });
      });
    });

    describe('readLog and openLog', () => {
      it('know a room that is not there', async () => {
        expect(await call('readLog', { room: 'hall', after: 0, limit: 1, bytesMax: 1 })).toEqual({ kind: 'missing' });
        expect(await call('openLog', { room: 'hall', last: 1, bytesMax: 1 })).toEqual({
          first: 1,
          entries: [],
          senders: {},
          snapshot: undefined,
        });
      });

      it('a claim gives the same in its own step, as it leaves it', async () => {
        await tenSaid();
        const seen = { incarnation: A, epoch: record.epoch, nonce: record.nonce };
        const opened = async (more: Partial<Args<'claim'>>) => {
          const reply = await call('claim', {
            ...{ room: 'lobby', seen, node: 'n1', incarnation: B, nonce: N2, floor: 0 },
            ...{ numbering: { kind: 'continue' }, open: { last: 3, bytesMax: MANY }, runId: fixture().runId },
            ...more,
          });
          return reply.kind === 'owned' ? reply.opening : undefined;
        };
        const before = await openLog(3);
        expect(before.entries.map(({ seq }) => seq)).toEqual([8, 9, 10]);
        expect(await opened({})).toEqual(before);
        expect(await opened({})).toBeUndefined();
        const { record: now } = await readLog();
        const next = { incarnation: B, epoch: now.epoch, nonce: now.nonce };
        const afresh = { seen: next, nonce: N1, numbering: { kind: 'restart' } } as const;
        expect(await opened(afresh)).toEqual({ first: 1, entries: [], senders: {}, snapshot: undefined });
      });

      it('give what follows a seq, in order, bounded in number and bytes', async () => {
        await tenSaid();
        const read = async (...of: Parameters<typeof readLog>) => (await readLog(...of)).entries.map(({ seq }) => seq);
        expect(await read(0)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        expect(await read(7)).toEqual([8, 9, 10]);
        expect(await read(10)).toEqual([]);
        expect(await read(99)).toEqual([]);
        expect(await read(3, 2)).toEqual([4, 5]);
        expect(await read(3, 0)).toEqual([]);
        // Each has 5 bytes of data.
        expect(await read(3, 9, 15)).toEqual([4, 5, 6]);
        expect(await read(3, 9, 14)).toEqual([4, 5]);
        expect(await read(3, 9, 0)).toEqual([4]);
        expect(await readLog(7)).toMatchObject({ kind: 'log', record, first: 1 });
      });

      it('give the last entries to a new owner, bounded in number and bytes', async () => {
        await tenSaid();
        const open = async (...of: Parameters<typeof openLog>) => (await openLog(...of)).entries.map(({ seq }) => seq);
        expect(await open()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        expect(await open(3)).toEqual([8, 9, 10]);
        expect(await open(0)).toEqual([]);
        expect(await open(5, 14)).toEqual([9, 10]);
        expect(await open(5, 0)).toEqual([10]);
        expect(await openLog(3)).toMatchObject({ first: 1, senders: { s1: { seat: 1, cseq: 10, id: 10, seq: 10 } } });
      });

      it('read more than a page', async () => {
        await appended(Array.from({ length: 150 }, (_, i) => said('s1', i + 1)));
        const all = Array.from({ length: 150 }, (_, i) => i + 1);
        expect((await readLog(0, 1_000)).entries.map(({ seq }) => seq)).toEqual(all);
        expect((await readLog(0, 64)).entries).toHaveLength(64);
        expect((await openLog(1_000)).entries.map(({ seq }) => seq)).toEqual(all);
        expect((await openLog(64)).entries.map(({ seq }) => seq)).toEqual(all.slice(-64));
      });
    });

    describe('a room’s log', () => {
      const release = (expireMs: number) =>
        call('release', { room: 'lobby', triple: tripleOf(record), head: record.head, expireMs, isLogged: false });

      it('outlives its owner, and goes with the rest of a room that is forgotten', async () => {
        await appended([said('s1', 1)], { snapshot: '{}' });
        await release(DAY_MS);
        record = { ...record, owner: undefined };
        expect(await readLog()).toMatchObject({ record, first: 1, entries: [{ seq: 1 }] });
        await claimAgain();
        await fixture().passTime(2 * DAY_MS);
        expect(await openLog()).toMatchObject({ entries: [{ seq: 1 }], senders: { s1: {} }, snapshot: { seq: 1 } });
        await release(DAY_MS);
        await fixture().passTime(DAY_MS + 60_000);
        expect(await openLog()).toEqual({ first: 1, entries: [], senders: {}, snapshot: undefined });
        await claim();
        expect(await outcomes([said('s1', 1)])).toEqual([logged(1)]);
      });

      it('goes where numbering starts anew', async () => {
        await appended([said('s1', 1)], { snapshot: '{}' });
        await claimAgain({ numbering: { kind: 'restart' } });
        expect(await openLog()).toEqual({ first: 1, entries: [], senders: {}, snapshot: undefined });
        expect(await outcomes([said('s1', 1)])).toEqual([logged(1)]);
      });

      it('goes where it would not reach up to the head, and is usable after', async () => {
        await tenSaid();
        await claimAgain({ numbering: { kind: 'continue', head: 20 } });
        expect(await openLog()).toMatchObject({ first: 21, entries: [], senders: { s1: { id: 10 } } });
        expect(await outcomes([said('s1', 11)])).toEqual([logged(21)]);
        const to = { node: 'n1', incarnation: A, nonce: N1 };
        await call('transfer', { room: 'lobby', triple: tripleOf(record), to, head: 30, isLogged: false });
        expect(await readLog()).toMatchObject({ first: 31, record: { head: 30 }, entries: [] });
        record = (await readLog()).record;
        batch = 0;
        expect(await outcomes([said('s1', 12)])).toEqual([logged(31)]);
        await call('release', { room: 'lobby', triple: tripleOf(record), head: 50, expireMs: DAY_MS, isLogged: false });
        expect(await readLog()).toMatchObject({ first: 51, record: { head: 50 }, entries: [] });
      });

      it('is moved only from where its owner left it', async () => {
        await tenSaid();
        const to = { node: 'n2', incarnation: B, nonce: N2 };
        const transfer = (head: number) =>
          call('transfer', { room: 'lobby', triple: tripleOf(record), to, head, isLogged: true });
        expect(await transfer(30)).toEqual({ kind: 'rolled-back', head: 10 });
        expect(await transfer(9)).toEqual({ kind: 'rolled-back', head: 10 });
        expect(await readLog()).toMatchObject({ first: 1, record });
        expect(await transfer(10)).toMatchObject({ kind: 'moved', record: { head: 10, owner: { incarnation: B } } });
        expect((await readLog()).entries).toHaveLength(10);
      });
    });

    describe('claim with something to put back', () => {
      const T0 = `7.${N1}`;
      const restore = (
        head: number,
        given: readonly LogEntry[],
        more: { afresh?: boolean; senders?: Readonly<Record<string, SenderMark>> } = {},
      ) =>
        claimAgain({
          numbering: { kind: 'continue', head },
          restore: { afresh: false, senders: {}, ...more, entries: given },
        });
      const whole = (reply: Reply<'openLog'>) => reply.entries.map(({ seq, tag }) => `${seq} ${tag}`);

      it('adds what the stored log lacks, under its own tag', async () => {
        await tenSaid();
        const own = tagOf(record);
        const stored = (await openLog()).entries;
        const lost = entries(11, 14, own);
        const reclaimed = await restore(14, [...stored.slice(7), ...lost]);
        expect(reclaimed).toMatchObject({ head: 14, tags: [{ tag: own, firstSeq: 1 }, { firstSeq: 15 }] });
        expect((await openLog()).entries).toEqual([...stored, ...lost]);
        expect(await outcomes([said('s1', 11)])).toEqual([logged(15)]);
      });

      it('puts everything back where nothing is left', async () => {
        const given = [
          entry(5, T0),
          entry(6, T0, { from: 'ann', session: 's1', id: 3, data: '"é"' }),
          entry(7, `8.${N2}`, { from: 'a b' }),
        ];
        const senders = { s1: { seat: 2, cseq: 9, id: 3, seq: 6 } };
        const reply = await call('claim', {
          room: 'hall',
          seen: undefined,
          node: 'n1',
          incarnation: A,
          nonce: N1,
          floor: 0,
          numbering: { kind: 'continue', head: 7 },
          restore: { afresh: false, entries: given, senders },
          runId: fixture().runId,
        });
        if (reply.kind !== 'owned') throw new Error('expected to own the room');
        expect(reply.record.tags).toEqual([
          { tag: T0, firstSeq: 5 },
          { tag: `8.${N2}`, firstSeq: 7 },
          { tag: tagOf(reply.record), firstSeq: 8 },
        ]);
        const opened = await call('openLog', { room: 'hall', last: 9, bytesMax: MANY });
        expect(opened).toEqual({ first: 5, entries: given, senders, snapshot: undefined });
      });

      it('drops a stored log that does not reach up to it', async () => {
        await tenSaid();
        const own = tagOf(record);
        await restore(14, entries(12, 14, own));
        expect(whole(await openLog())).toEqual([`12 ${own}`, `13 ${own}`, `14 ${own}`]);
        expect(await outcomes([said('s1', 10), said('s1', 11)])).toEqual([duplicate(10), logged(15)]);
        await restore(19, []);
        expect(await openLog()).toMatchObject({ first: 20, entries: [] });
      });

      it('leaves a stored log alone that has all of it', async () => {
        await tenSaid();
        const stored = (await openLog()).entries;
        await restore(10, stored.slice(4));
        expect((await openLog()).entries).toEqual(stored);
        await restore(8, stored.slice(4, 8));
        expect(record.head).toBe(10);
        expect((await openLog()).entries).toEqual(stored);
      });

      it('puts itself in the place of a stored log that is not the one it continues', async () => {
        await tenSaid();
        const fork = tagOf(record);
        const senders = { s9: { seat: 1, cseq: 1, id: 1, seq: 4 } };
        const reclaimed = await restore(5, entries(4, 5, T0), { afresh: true, senders });
        expect(reclaimed).toMatchObject({ head: 5, tags: [{ tag: T0, firstSeq: 4 }, { firstSeq: 6 }] });
        expect(reclaimed.tags.map(({ tag }) => tag)).not.toContain(fork);
        expect(await openLog()).toMatchObject({ first: 4, senders });
        expect(whole(await openLog())).toEqual([`4 ${T0}`, `5 ${T0}`]);
        expect(Object.keys(await marks())).toEqual(['s9']);
        expect(await outcomes([said('s1', 1)])).toEqual([logged(6)]);
      });

      it('merges marks: the later frame and the higher id', async () => {
        await appended([said('s1', 4, { seat: 3, cseq: 2 }), said('s2', 4, { seat: 3, cseq: 2 }), said('s3', 1)]);
        const senders = {
          s1: { seat: 3, cseq: 1, id: 6, seq: 5 },
          s2: { seat: 4, cseq: 1, id: 3, seq: 1 },
          s4: { seat: 1, cseq: 1, id: 1, seq: 0 },
          [FORGOTTEN]: FORGOTTEN_MARK,
        };
        await restore(5, entries(4, 5, tagOf(record)), { senders });
        expect(await marks()).toEqual({
          s1: { seat: 3, cseq: 2, id: 6, seq: 5 },
          s2: { seat: 4, cseq: 1, id: 4, seq: 2 },
          s3: { seat: 1, cseq: 1, id: 1, seq: 3 },
          s4: { seat: 1, cseq: 1, id: 1, seq: 0 },
          [FORGOTTEN]: FORGOTTEN_MARK,
        });
        // What its owner knows of counts as heard just now. That some were forgotten does not count.
        expect((await appended([], { sendersMax: 3 })).evicted).toBe(1);
        expect(Object.keys(await marks()).sort()).toEqual([FORGOTTEN, 's1', 's2', 's4']);
      });

      it('changes nothing where it is refused', async () => {
        await tenSaid();
        const args = {
          room: 'lobby',
          seen: { incarnation: B, epoch: 1, nonce: N1 },
          node: 'n1',
          incarnation: B,
          nonce: N2,
          floor: 0,
          numbering: { kind: 'continue', head: 12 },
          restore: { afresh: true, entries: entries(11, 12, T0), senders: {} },
          runId: fixture().runId,
        } as const;
        const before = await openLog();
        expect(await call('claim', args)).toMatchObject({ kind: 'changed' });
        expect(await call('claim', { ...args, runId: token('old', 40) })).toMatchObject({ kind: 'other-run' });
        expect(await openLog()).toEqual(before);
      });

      it.each<[string, Partial<Args<'claim'>>]>([
        ['no head', { numbering: { kind: 'continue' } }],
        ['another end', { numbering: { kind: 'continue', head: 6 } }],
        ['a new beginning', { numbering: { kind: 'restart' } }],
        ['a gap', { restore: { afresh: false, entries: [entry(3, T0), entry(5, T0)], senders: {} } }],
        ['no tag', { restore: { afresh: false, entries: [entry(5, 'x y')], senders: {} } }],
        [
          'a mark that is none',
          { restore: { afresh: false, entries: [], senders: { s: { seat: 1, cseq: 1, id: 1, seq: -1 } } } },
        ],
      ])('refuses %s', async (_what, more) => {
        const attempt = claimAgain({
          numbering: { kind: 'continue', head: 5 },
          restore: { afresh: false, entries: [entry(5, T0)], senders: {} },
          ...more,
        });
        await expect(attempt).rejects.toThrow(RangeError);
      });
    });

    it.each<[string, () => Promise<unknown>]>([
      ['an id that is not whole', () => append([said('s1', 1.5)])],
      ['a sender with a control character', () => append([said('a\u0000', 1)])],
      ['a user with a brace', () => append([said('s1', 1, { message: { from: '{', data: '1' } })])],
      [
        'a session called as a program',
        () => append([said('s1', 1, { message: { from: 'a', session: '*', data: '' } })]),
      ],
      ['more items than a script should take', () => append(Array.from({ length: 1_001 }, () => said('s1', 1)))],
      ['a negative number kept', () => append([], { keep: { entries: -1, ms: 1 } })],
      ['a seq that is a text', () => call('readLog', { room: 'lobby', after: '1' as never, limit: 1, bytesMax: 1 })],
    ])('refuses %s', async (_what, attempt) => {
      await expect(attempt()).rejects.toThrow(RangeError);
    });
  });
}
