/** What every directory has to do with what webhooks tell. Owns: one example, at least, of every documented reply. Part of
 *  directoryConformance. */
import { describe, expect, it } from 'vitest';
import type { ConformanceFixture } from './conformance.ts';
import type { Args, Directory } from './directory.ts';
import { token } from './example-records.ts';

type Event = Args<'writeOutbox'>['events'][number];

/** Adds the suite of the outbox to the one around it. */
export function outboxConformance(fixture: () => ConformanceFixture): void {
  const call: Directory['call'] = (operation, args) => fixture().directory.call(operation, args);
  const open = (epoch: number) => call('openOutbox', { room: 'lobby', epoch, expireMs: 300_000 });
  const write = (epoch: number, events: readonly Event[], eventsMax = 100) =>
    call('writeOutbox', { room: 'lobby', epoch, expireMs: 300_000, eventsMax, events });
  const trim = (epoch: number, number: number) =>
    call('trimOutbox', { room: 'lobby', upTo: { epoch, number }, expireMs: 1_000 });
  const joined = (epoch: number, number: number, session: string): Event => ({
    id: { epoch, number },
    change: { session, user: `user of ${session}`, present: true },
    json: `{"joined":"${session}"}`,
  });
  const left = (epoch: number, number: number, session: string): Event => ({
    id: { epoch, number },
    change: { session, user: `user of ${session}`, present: false },
    json: `{"left":"${session}"}`,
  });

  describe('tellers', () => {
    const [a, b] = [token('a'), token('b')];
    const note = (incarnation: string, add: readonly string[], drop: readonly string[] = []) =>
      call('writeTellers', { incarnation, add, drop });

    it('are who was noted last, until they let go', async () => {
      expect(await call('readTellers', {})).toEqual({ tellers: [] });
      expect(await note(a, ['lobby', 'hall'])).toEqual({ kind: 'written' });
      await note(b, ['lobby']);
      // Another's by now.
      await note(a, [], ['lobby', 'nowhere']);
      expect(await call('readTellers', {})).toEqual({
        tellers: [
          { room: 'hall', incarnation: a },
          { room: 'lobby', incarnation: b },
        ],
      });
      await note(a, [], ['hall']);
      await note(b, ['attic'], ['lobby']);
      expect(await call('readTellers', {})).toEqual({ tellers: [{ room: 'attic', incarnation: b }] });
    });
  });

  describe('the outbox', () => {
    it('is empty where nothing was written', async () => {
      expect(await open(10)).toEqual({ kind: 'open', told: [], events: [] });
    });

    it('gives back who is there and what is still to be told, in order', async () => {
      await open(10);
      const occupied: Event = { id: { epoch: 10, number: 1 }, json: '{"text":"é\\n"}' };
      expect(await write(10, [occupied, joined(10, 2, 's2'), joined(10, 3, 's1')])).toEqual({
        kind: 'written',
        dropped: 0,
      });
      expect(await write(10, [left(10, 4, 's2')])).toEqual({ kind: 'written', dropped: 0 });
      expect(await open(11)).toEqual({
        kind: 'open',
        told: [{ session: 's1', user: 'user of s1' }],
        events: [
          { id: { epoch: 10, number: 1 }, json: '{"text":"é\\n"}' },
          { id: { epoch: 10, number: 2 }, json: '{"joined":"s2"}' },
          { id: { epoch: 10, number: 3 }, json: '{"joined":"s1"}' },
          { id: { epoch: 10, number: 4 }, json: '{"left":"s2"}' },
        ],
      });
    });

    it('adds nothing twice, though a write be repeated', async () => {
      const events = [joined(10, 1, 's1'), joined(10, 2, 's2')];
      await write(10, events);
      expect(await write(10, events)).toEqual({ kind: 'written', dropped: 0 });
      const reply = await open(10);
      expect(reply.kind === 'open' ? reply.events.map(({ id }) => id.number) : reply).toEqual([1, 2]);
    });

    it('keeps a change that nobody is told of', async () => {
      const { id, change } = joined(10, 1, 's1');
      await write(10, [{ id, change }]);
      expect(await open(10)).toMatchObject({ told: [{ session: 's1' }], events: [] });
    });

    it('does not let an older owner write, from the moment a newer one has opened it', async () => {
      await write(10, [joined(10, 1, 's1')]);
      await open(11);
      expect(await write(10, [left(10, 2, 's1')])).toEqual({ kind: 'stale', epoch: 11 });
      expect(await open(10)).toEqual({ kind: 'stale', epoch: 11 });
      expect(await write(11, [left(11, 1, 's1')])).toEqual({ kind: 'written', dropped: 0 });
      expect(await open(2 ** 52)).toMatchObject({ told: [] });
    });

    it('lets the oldest go beyond its bound, and says how many', async () => {
      expect(
        await write(
          10,
          [1, 2, 3, 4, 5].map((n) => joined(10, n, `s${n}`)),
          3,
        ),
      ).toEqual({
        kind: 'written',
        dropped: 2,
      });
      const reply = await open(10);
      expect(reply.kind === 'open' ? reply.events.map(({ id }) => id.number) : reply).toEqual([3, 4, 5]);
      expect(reply.kind === 'open' ? reply.told : []).toHaveLength(5);
    });

    it('lets go of what was delivered', async () => {
      await write(10, [joined(10, 1, 's1'), joined(10, 2, 's2')]);
      await write(11, [joined(11, 1, 's3')]);
      expect(await trim(10, 1)).toEqual({ kind: 'trimmed', left: 2 });
      expect(await trim(10, 2)).toEqual({ kind: 'trimmed', left: 1 });
      // Who told it before was slower.
      expect(await trim(10, 1)).toEqual({ kind: 'trimmed', left: 1 });
      expect(await trim(11, 1)).toEqual({ kind: 'trimmed', left: 0 });
      expect(await open(11)).toMatchObject({
        told: [{ session: 's1' }, { session: 's2' }, { session: 's3' }],
        events: [],
      });
    });

    it('is forgotten soon once nobody is there and nothing is left to tell, and late otherwise', async () => {
      await write(10, [joined(10, 1, 's1')]);
      await trim(10, 1);
      await fixture().passTime(2_000);
      expect(await open(10)).toMatchObject({ told: [{ session: 's1' }] });
      await write(10, [left(10, 2, 's1')]);
      await trim(10, 2);
      await fixture().passTime(2_000);
      expect(await open(9)).toEqual({ kind: 'open', told: [], events: [] });
      await write(9, [joined(9, 1, 's1')]);
      await fixture().passTime(301_000);
      expect(await open(9)).toEqual({ kind: 'open', told: [], events: [] });
    });
  });
}
