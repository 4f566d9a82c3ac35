/** What every directory has to do with presence and users. Owns: one example, at least, of every documented reply. Part of
 *  directoryConformance. */
import { describe, expect, it } from 'vitest';
import type { ConformanceFixture } from './conformance.ts';
import type { Args, Directory } from './directory.ts';
import { token } from './example-records.ts';

const A = token('a');

/** Adds the suite of the projections to the one around it. */
export function projectionConformance(fixture: () => ConformanceFixture): void {
  const call: Directory['call'] = (operation, args) => fixture().directory.call(operation, args);

  describe('presence', () => {
    const member = (user: string, meta?: unknown) => ({ user, node: 'n1', router: 'r1', since: 5, meta });
    const write = (more: Partial<Args<'writePresence'>> = {}) =>
      call('writePresence', {
        room: 'lobby',
        epoch: 10,
        incarnation: A,
        node: 'n1',
        asOf: 1_000,
        set: {},
        remove: [],
        replace: false,
        expireMs: 300_000,
        ...more,
      });
    const sessions = async () =>
      (await call('readPresence', { room: 'lobby', limit: 100 })).members.map(({ session }) => session);

    it('is empty where nothing was written', async () => {
      const nothing = { head: undefined, count: 0, members: [] };
      expect(await call('readPresence', { room: 'lobby', limit: 10 })).toEqual(nothing);
    });

    it('gives back what was written, sorted and by page', async () => {
      const meta = { list: [], nested: { text: 'é\n{}', big: 1e300 } };
      const set = { s3: member('u3'), s1: member('u1', meta), s2: member('u2') };
      expect(await write({ set })).toEqual({ kind: 'written' });
      expect(await call('readPresence', { room: 'lobby', limit: 2 })).toEqual({
        head: { epoch: 10, incarnation: A, node: 'n1', asOf: 1_000 },
        count: 3,
        members: [
          { session: 's1', member: member('u1', meta) },
          { session: 's2', member: member('u2') },
        ],
      });
      const rest = await call('readPresence', { room: 'lobby', after: 's2', limit: 2 });
      expect(rest).toMatchObject({ count: 3, members: [{ session: 's3' }] });
      expect(rest.members).toHaveLength(1);
    });

    it('adds, removes and replaces', async () => {
      await write({ set: { s1: member('u1'), s2: member('u2') } });
      await write({ set: { s3: member('u3') }, remove: ['s1', 's9'] });
      expect(await sessions()).toEqual(['s2', 's3']);
      await write({ set: { s4: member('u4') }, replace: true });
      expect(await sessions()).toEqual(['s4']);
      await write({ replace: true });
      expect(await call('readPresence', { room: 'lobby', limit: 9 })).toMatchObject({
        count: 0,
        head: { epoch: 10 },
      });
    });

    it('does not let an older owner write', async () => {
      await write({ epoch: 11, set: { s1: member('u1') } });
      expect(await write({ epoch: 10, replace: true })).toEqual({ kind: 'stale', epoch: 11 });
      expect(await sessions()).toEqual(['s1']);
      expect(await write({ epoch: 11, remove: ['s1'] })).toEqual({ kind: 'written' });
      expect(await write({ epoch: 2 ** 52 })).toEqual({ kind: 'written' });
    });

    it('expires unless written again, also while the room is owned', async () => {
      await write({ set: { s1: member('u1') } });
      await fixture().passTime(200_000);
      await write({ set: { s2: member('u2') } });
      await call('claim', {
        room: 'lobby',
        seen: undefined,
        node: 'n1',
        incarnation: A,
        nonce: token('n1', 16),
        floor: 0,
        numbering: { kind: 'continue' },
        runId: fixture().runId,
      });
      await fixture().passTime(200_000);
      expect(await sessions()).toEqual(['s1', 's2']);
      await fixture().passTime(200_000);
      expect(await sessions()).toEqual([]);
    });
  });

  describe('users', () => {
    const at = (epoch: number, room = 'lobby') => ({
      room,
      node: 'n1',
      incarnation: A,
      router: 'r1',
      epoch,
      since: 5,
    });
    const write = (more: Partial<Args<'writeUser'>> = {}) =>
      call('writeUser', { user: 'zoë', set: {}, remove: [], expireMs: 300_000, ...more });

    it('have the sessions that were written, sorted', async () => {
      expect(await call('readUser', { user: 'zoë' })).toEqual({ sessions: [] });
      expect(await write({ set: { s2: at(1), s1: at(2, 'hall') } })).toEqual({ kind: 'written', stale: 0 });
      expect(await call('readUser', { user: 'zoë' })).toEqual({
        sessions: [
          { session: 's1', at: at(2, 'hall') },
          { session: 's2', at: at(1) },
        ],
      });
    });

    it('keep what a higher epoch has written, entry by entry', async () => {
      await write({ set: { s1: at(10), s2: at(5) } });
      const set = { s1: at(9, 'old'), s2: at(6, 'new') };
      expect(await write({ set })).toEqual({ kind: 'written', stale: 1 });
      const remove = [
        { session: 's1', epoch: 9 },
        { session: 's2', epoch: 6 },
        { session: 's9', epoch: 0 },
      ];
      expect(await write({ remove })).toEqual({ kind: 'written', stale: 1 });
      expect(await call('readUser', { user: 'zoë' })).toEqual({ sessions: [{ session: 's1', at: at(10) }] });
    });

    it('expire unless written again', async () => {
      await write({ set: { s1: at(10) } });
      await fixture().passTime(200_000);
      // What takes no effect does not prolong.
      await write({ set: { s1: at(9) } });
      await fixture().passTime(200_000);
      expect(await call('readUser', { user: 'zoë' })).toEqual({ sessions: [] });
    });
  });
}
