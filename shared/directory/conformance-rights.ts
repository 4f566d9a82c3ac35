/** What every directory has to do with tickets and revocations. Owns: one example, at least, of every documented reply. Does not
 *  know: Redis or memory. */
import { describe, expect, it } from 'vitest';
import type { ConformanceFixture } from './conformance.ts';
import type { Directory } from './directory.ts';

const HASH = 'ab'.repeat(32);
const GRANT = { user: 'ü 2', rooms: ['lobby', 'team-*'], publish: [], origin: 'https://a.example' };
const DAY_MS = 86_400_000;
const MARKS_MAX = 10;

export function rightsConformance(fixture: () => ConformanceFixture): void {
  const call: Directory['call'] = (operation, args) => fixture().directory.call(operation, args);
  const revoke = (user: string, keepMs = DAY_MS) => call('revoke', { user, keepMs, marksMax: MARKS_MAX });
  const marked = async (after: number, limit = 10) =>
    (await call('readRevoked', { after, limit })).revoked.map(({ user }) => user);

  describe('a ticket', () => {
    it('22 of 100 concurrent uses exactly one succeeds', async () => {
      const before = await fixture().now();
      const kept = await call('putTicket', { ticket: HASH, grant: GRANT, lifeMs: 30_000 });
      expect(kept).toMatchObject({ kind: 'kept' });
      expect(await call('putTicket', { ticket: HASH, grant: GRANT, lifeMs: 30_000 })).toEqual({ kind: 'exists' });
      const uses = await Promise.all(Array.from({ length: 100 }, () => call('takeTicket', { ticket: HASH })));
      const taken = uses.flatMap((use) => (use.kind === 'taken' ? [use] : []));
      expect(taken).toEqual([{ kind: 'taken', grant: GRANT, at: kept.kind === 'kept' ? kept.at : 0 }]);
      expect(taken[0]?.at).toBeGreaterThanOrEqual(before);
    });

    it('23 is gone when its time is over', async () => {
      await call('putTicket', { ticket: HASH, grant: GRANT, lifeMs: 30_000 });
      await fixture().passTime(30_001);
      expect(await call('takeTicket', { ticket: HASH })).toEqual({ kind: 'absent' });
    });

    it('is known by its hash alone', async () => {
      await expect(call('takeTicket', { ticket: 'a ticket' })).rejects.toBeInstanceOf(RangeError);
      await expect(call('putTicket', { ticket: HASH, grant: GRANT, lifeMs: 0 })).rejects.toBeInstanceOf(RangeError);
    });
  });

  describe('revocations', () => {
    it('are read in order, from where a reader stands', async () => {
      expect(await call('readRevoked', { after: 0, limit: 10 })).toEqual({ last: { at: 0 }, revoked: [] });
      const first = await revoke('ann');
      const at = first.kind === 'revoked' ? first.at : 0;
      await revoke('ü 2');
      await revoke('bob');
      await revoke('ü 2');
      expect(await marked(0)).toEqual(['ann', 'bob', 'ü 2']);
      expect(await marked(at)).toEqual(['bob', 'ü 2']);
      const { last, revoked } = await call('readRevoked', { after: at, limit: 1 });
      expect(revoked.map(({ user }) => user)).toEqual(['bob']);
      expect(last.at).toBeGreaterThan(revoked[0]?.at ?? 0);
      expect(await marked(last.at)).toEqual([]);
    });

    it('are bounded', async () => {
      for (let i = 0; i < MARKS_MAX; i++) await revoke(`u${i}`);
      expect(await revoke('one more')).toEqual({ kind: 'full' });
      expect(await revoke('u2')).toMatchObject({ kind: 'revoked' });
    });

    it('are dropped when nothing that was issued before them can still be shown', async () => {
      const { at } = { at: 0, ...(await revoke('ann')) };
      while ((await fixture().now()) <= at + 2) await fixture().passTime(1);
      expect(await revoke('bob', DAY_MS)).toMatchObject({ kind: 'revoked' });
      expect(await marked(0)).toEqual(['ann', 'bob']);
      expect(await revoke('cy', 1)).toMatchObject({ kind: 'revoked' });
      expect(await marked(0)).not.toContain('ann');
    });
  });
}
