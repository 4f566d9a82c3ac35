/** What every directory has to do with what operators order: pins and the audit log. Owns: one example, at least, of every documented
 *  reply. Does not know: Redis or memory. */
import { describe, expect, it } from 'vitest';
import type { ConformanceFixture } from './conformance.ts';
import type { Directory } from './directory.ts';
import { AUDIT_MAX, PINS_MAX, type Pin } from './orders.ts';

export function orderConformance(fixture: () => ConformanceFixture): void {
  const call: Directory['call'] = (operation, args) => fixture().directory.call(operation, args);
  const pin = (room: string, node: string): Pin => ({ room, node, by: 'ann at the desk', at: 1_700_000_000_000 });
  const pins = async () => (await call('readCluster', {})).pins;

  describe('pins', () => {
    it('are read with the cluster, and change its version', async () => {
      await call('createHistory', { gen: 'g1' });
      expect(await call('setPin', { pin: pin('lobby', 'n1') })).toEqual({ kind: 'ok', ver: 1 });
      expect(await call('setPin', { pin: pin('hall', 'n2') })).toEqual({ kind: 'ok', ver: 2 });
      expect(await pins()).toEqual([pin('hall', 'n2'), pin('lobby', 'n1')]);
      expect(await call('setPin', { pin: pin('lobby', 'n2') })).toEqual({ kind: 'ok', ver: 3 });
      expect(await call('removePin', { pinned: 'hall' })).toEqual({ kind: 'ok', ver: 4 });
      expect(await call('removePin', { pinned: 'hall' })).toEqual({ kind: 'absent' });
      expect(await pins()).toEqual([pin('lobby', 'n2')]);
      expect(await call('readCluster', { known: { gen: 'g1', ver: 4 } })).not.toHaveProperty('pins');
    });

    it('are bounded', async () => {
      for (let i = 0; i < PINS_MAX; i++) await call('setPin', { pin: pin(`room-${i}`, 'n1') });
      expect(await call('setPin', { pin: pin('one-more', 'n1') })).toEqual({ kind: 'full' });
      expect(await call('setPin', { pin: pin('room-7', 'n2') })).toMatchObject({ kind: 'ok' });
      expect(await pins()).toHaveLength(PINS_MAX);
    });

    it.each([
      { ...pin('lobby', 'n1'), node: 'n 1' },
      { ...pin('lobby', 'n1'), by: 'a\nb' },
      { ...pin('lobby', 'n1'), by: '' },
      { ...pin('lob{by}', 'n1') },
    ])('of a malformed kind are refused: %j', async (bad) => {
      await expect(call('setPin', { pin: bad })).rejects.toBeInstanceOf(RangeError);
    });
  });

  describe('the audit log', () => {
    it('keeps what was done in order, at the time of the directory', async () => {
      expect(await call('readAudit', { limit: 10 })).toEqual({ entries: [] });
      const before = await fixture().now();
      expect(await call('appendAudit', { entry: { by: 'ann', action: 'drain', node: 'n1' } })).toEqual({ id: 1 });
      const moved = { by: 'api', action: 'move', room: 'lobby', node: 'n2', detail: 'from n1, "pinned" é' };
      expect(await call('appendAudit', { entry: moved })).toEqual({ id: 2 });
      expect(await call('appendAudit', { entry: { by: 'api', action: 'kick', user: 'ü 2' } })).toEqual({ id: 3 });
      const { entries } = await call('readAudit', { limit: 10 });
      expect(entries.map(({ at: _at, ...rest }) => rest)).toEqual([
        { id: 1, by: 'ann', action: 'drain', node: 'n1' },
        { id: 2, ...moved },
        { id: 3, by: 'api', action: 'kick', user: 'ü 2' },
      ]);
      for (const { at } of entries) expect(at).toBeGreaterThanOrEqual(before);
    });

    it('gives the last ones, or those after one', async () => {
      for (let i = 1; i <= 5; i++) await call('appendAudit', { entry: { by: 'api', action: `a${i}` } });
      const ids = async (args: { after?: number; limit: number }) =>
        (await call('readAudit', args)).entries.map(({ id }) => id);
      expect(await ids({ limit: 2 })).toEqual([4, 5]);
      expect(await ids({ after: 0, limit: 2 })).toEqual([1, 2]);
      expect(await ids({ after: 2, limit: 10 })).toEqual([3, 4, 5]);
      expect(await ids({ after: 5, limit: 10 })).toEqual([]);
    });

    it('drops the oldest beyond its bound', async () => {
      for (let i = 0; i < AUDIT_MAX + 3; i++) await call('appendAudit', { entry: { by: 'api', action: 'move' } });
      const { entries } = await call('readAudit', { after: 0, limit: 2 * AUDIT_MAX });
      expect([entries[0]?.id, entries.length]).toEqual([4, AUDIT_MAX]);
    });
  });
}
