/** What every directory has to do with rooms that died with their owner. Owns: one example, at least, of every documented reply. Part of
 *  directoryConformance. */
import { describe, expect, it } from 'vitest';
import type { ConformanceFixture } from './conformance.ts';
import type { Args, Directory, RoomRecord } from './directory.ts';
import { token, tripleOf } from './example-records.ts';

const [A, B] = [token('a'), token('b')];
const [N1, N2] = [token('n1', 16), token('n2', 16)];
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Adds the suite of abandoned rooms to the one around it. */
export function abandonedConformance(fixture: () => ConformanceFixture): void {
  const call: Directory['call'] = (operation, args) => fixture().directory.call(operation, args);

  async function owned(room: string, more: Partial<Args<'claim'>> = {}): Promise<RoomRecord> {
    const numbering = { kind: 'continue' } as const;
    const { runId } = fixture();
    const by = { node: 'n1', incarnation: A, nonce: N1, floor: 0, numbering, runId };
    const reply = await call('claim', { room, seen: undefined, ...by, ...more });
    if (reply.kind !== 'owned') throw new Error(`not owned: ${reply.kind}`);
    return reply.record;
  }

  /** Adds to its log, its senders and its snapshot. */
  async function say(room: string, record: RoomRecord, batch: number): Promise<void> {
    const message = { from: 'ann', session: 's1', data: `"${batch}"` };
    const items = [{ sender: 's1', seat: 1, cseq: batch, id: batch, isResumed: false, message }];
    const keep = { entries: 100, ms: DAY_MS * 1_000 };
    const rest = { batch, head: batch - 1, items, keep, forget: [], sendersMax: 10, snapshot: `{"said":${batch}}` };
    expect(await call('append', { room, triple: tripleOf(record), ...rest })).toMatchObject({ kind: 'appended' });
  }

  async function spoken(room: string): Promise<RoomRecord> {
    const record = await owned(room);
    await say(room, record, 1);
    return { ...record, head: 1 };
  }

  const expire = (room: string, record: RoomRecord, more: Partial<Args<'expireRoom'>> = {}) =>
    call('expireRoom', { room, triple: tripleOf(record), expireMs: DAY_MS, runId: fixture().runId, ...more });
  const openLog = (room: string) => call('openLog', { room, last: 10, bytesMax: 1_000 });

  async function scanned(limit: number): Promise<string[]> {
    const rooms = new Set<string>();
    let cursor: string | undefined;
    do {
      const page = await call('scanRooms', { cursor, limit });
      for (const room of page.rooms) rooms.add(room);
      cursor = page.cursor;
    } while (cursor !== undefined);
    return [...rooms].sort();
  }

  describe('abandoned rooms', () => {
    it('are found among all that have a record, whoever owns them, whatever the size of a page', async () => {
      expect(await scanned(100)).toEqual([]);
      const names = Array.from({ length: 40 }, (_, i) => `room-${String(i).padStart(2, '0')}`);
      for (const name of names) await owned(name);
      const user = { user: 'ann', remove: [], expireMs: HOUR_MS };
      await call('writeUser', { ...user, set: {} });
      const asOf = { epoch: 1, incarnation: A, node: 'n1', asOf: 1, set: {}, remove: [], replace: true };
      await call('writePresence', { room: 'no-record', ...asOf, expireMs: HOUR_MS });
      const record = await owned('released');
      await call('release', {
        ...{ room: 'released', triple: tripleOf(record), head: 0 },
        ...{ expireMs: DAY_MS, isLogged: false },
      });
      const all = [...names, 'released'].sort();
      expect(await scanned(1)).toEqual(all);
      expect(await scanned(1_000)).toEqual(all);
    });

    it('expire with all that belongs to them, their record unchanged until then, and no later for being asked again', async () => {
      const record = await spoken('lobby');
      const kept = await spoken('hall');
      expect(await expire('lobby', record)).toEqual({ kind: 'expires' });
      expect(await call('readRoom', { room: 'lobby' })).toEqual({ kind: 'record', record });
      await fixture().passTime(DAY_MS - HOUR_MS);
      // Of an owner that did not know of its death: it came late, and makes some of this anew.
      await say('lobby', record, 2);
      expect(await expire('lobby', record)).toEqual({ kind: 'expiring' });
      expect(await openLog('lobby')).toMatchObject({ entries: [{ seq: 1 }, { seq: 2 }], snapshot: { seq: 2 } });
      await fixture().passTime(2 * HOUR_MS);
      expect(await call('readRoom', { room: 'lobby' })).toEqual({ kind: 'missing' });
      expect(await openLog('lobby')).toEqual({ first: 1, entries: [], senders: {}, snapshot: undefined });
      expect(await call('readRoom', { room: 'hall' })).toEqual({ kind: 'record', record: kept });
    });

    it('stay whole once they are claimed again', async () => {
      const record = await spoken('lobby');
      await expire('lobby', record);
      const { epoch, nonce } = record;
      const again = await owned('lobby', {
        ...{ seen: { incarnation: A, epoch, nonce }, node: 'n2', incarnation: B, nonce: N2 },
      });
      expect(await expire('lobby', record)).toEqual({ kind: 'changed' });
      await fixture().passTime(2 * DAY_MS);
      expect(await call('readRoom', { room: 'lobby' })).toEqual({ kind: 'record', record: again });
      expect(await openLog('lobby')).toMatchObject({
        entries: [{ seq: 1, data: '"1"' }],
        senders: { s1: { id: 1, seq: 1 } },
        snapshot: { seq: 1, state: '{"said":1}' },
      });
    });

    it('stay whole where one that did not know of its death yet had still handed them over', async () => {
      const record = await spoken('lobby');
      await expire('lobby', record);
      const to = { node: 'n2', incarnation: B, nonce: N2 };
      const moved = await call('transfer', { room: 'lobby', triple: tripleOf(record), to, head: 1, isLogged: true });
      if (moved.kind !== 'moved') throw new Error(`not moved: ${moved.kind}`);
      await fixture().passTime(2 * DAY_MS);
      expect(await call('readRoom', { room: 'lobby' })).toEqual({ kind: 'record', record: moved.record });
      expect(await openLog('lobby')).toMatchObject({
        entries: [{ seq: 1 }],
        senders: { s1: {} },
        snapshot: { seq: 1 },
      });
    });

    it('do not expire under another triple, nor in another run', async () => {
      const record = await owned('lobby');
      const triple = tripleOf(record);
      for (const wrong of [
        { ...triple, incarnation: B },
        { ...triple, epoch: triple.epoch + 1 },
        { ...triple, nonce: N2 },
      ]) {
        expect(await expire('lobby', record, { triple: wrong })).toEqual({ kind: 'changed' });
      }
      expect(await expire('nowhere', record)).toEqual({ kind: 'changed' });
      const { runId } = fixture();
      expect(await expire('lobby', record, { runId: token('old', 40) })).toEqual({ kind: 'other-run', runId });
      await fixture().passTime(2 * DAY_MS);
      expect(await call('readRoom', { room: 'lobby' })).toEqual({ kind: 'record', record });
    });
  });
}
