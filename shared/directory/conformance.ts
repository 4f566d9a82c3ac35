/** What every directory has to do. Owns: one example, at least, of every documented reply on nodes, routers and owners; log
 *  and projections have files of their own. Does not know: Redis or memory; each of their tests gives this suite a way to make an empty
 *  directory. */
import { beforeEach, describe, expect, it } from 'vitest';
import { abandonedConformance } from './conformance-abandoned.ts';
import { logConformance } from './conformance-log.ts';
import { orderConformance } from './conformance-orders.ts';
import { outboxConformance } from './conformance-outbox.ts';
import { projectionConformance } from './conformance-projections.ts';
import { rightsConformance } from './conformance-rights.ts';
import type { Args, Directory, NodeRecord, RoomRecord } from './directory.ts';
import { nodeRecord, routerRecord, token, tripleOf } from './example-records.ts';

export interface ConformanceFixture {
  readonly directory: Directory;
  /** The run id that operations have to name. */
  readonly runId: string;
  /** Lets `ms` pass for whatever expires. */
  passTime(ms: number): Promise<void>;
  /** Unix ms of the directory's own clock. */
  now(): Promise<number>;
}

/** Certificates that the directories under test keep, so that the bound is met soon. */
export const CONFORMANCE_CERTS_MAX = 10;

const A = token('a');
const B = token('b');
const N1 = token('n1', 16);
const N2 = token('n2', 16);
const DAY_MS = 86_400_000;
const load = { rooms: 3, sessions: 40 };

/** Runs the suite on directories made by `make`, each empty. */
export function directoryConformance(name: string, make: () => Promise<ConformanceFixture>): void {
  describe(`${name} as a directory`, () => {
    let fixture: ConformanceFixture;
    let runId: string;
    const call: Directory['call'] = (operation, args) => fixture.directory.call(operation, args);

    beforeEach(async () => {
      fixture = await make();
      runId = fixture.runId;
    });

    const register = (node: string, incarnation: string, more: Partial<NodeRecord> = {}) =>
      call('register', { record: nodeRecord(node, incarnation, more), runId, newGen: 'g1' });
    const heartbeat = (more: Partial<Args<'heartbeat'>> = {}) =>
      call('heartbeat', { node: 'n1', incarnation: A, runId, gen: 'g1', load, ...more });
    const certify = (more: Partial<Args<'certify'>> = {}) =>
      call('certify', { node: 'n1', incarnation: A, by: { kind: 'proof', how: 'reaped' }, runId, gen: 'g1', ...more });
    const standing = async (node: string, incarnation: string) =>
      (await call('standing', { node, incarnation })).standing;
    const claim = (more: Partial<Args<'claim'>> = {}) =>
      call('claim', {
        room: 'lobby',
        seen: undefined,
        node: 'n1',
        incarnation: A,
        nonce: N1,
        floor: 0,
        numbering: { kind: 'continue' },
        runId,
        ...more,
      });
    const owned = async (more: Partial<Args<'claim'>> = {}): Promise<RoomRecord> => {
      const reply = await claim(more);
      if (reply.kind !== 'owned') throw new Error(`expected to own the room: ${JSON.stringify(reply)}`);
      return reply.record;
    };
    const seenOf = (record: RoomRecord) => ({
      incarnation: record.owner?.incarnation,
      epoch: record.epoch,
      nonce: record.nonce,
    });

    describe('history', () => {
      it('is empty and without a name at first', async () => {
        expect(await call('readCluster', {})).toEqual({
          runId,
          gen: undefined,
          ver: 0,
          beats: {},
          nodes: [],
          routers: [],
          pins: [],
        });
      });

      it('gets one name', async () => {
        expect(await call('createHistory', { gen: 'g1' })).toEqual({ kind: 'created' });
        expect(await call('createHistory', { gen: 'g2' })).toEqual({ kind: 'exists', gen: 'g1' });
        expect(await register('n1', A)).toMatchObject({ kind: 'registered', gen: 'g1' });
      });

      it('leaves out what has not changed since the version that is known', async () => {
        await register('n1', A, { programs: [{ pattern: '*', program: 'relay' }] });
        await call('registerRouter', { record: routerRecord('r1', B) });
        await heartbeat();
        const full = await call('readCluster', {});
        expect(full.nodes).toEqual([nodeRecord('n1', A, { programs: [{ pattern: '*', program: 'relay' }] })]);
        expect(full.routers).toEqual([routerRecord('r1', B)]);
        expect(full.beats).toEqual({ n1: { incarnation: A, counter: 1, load } });
        const same = await call('readCluster', { known: { gen: 'g1', ver: full.ver } });
        expect(same).toEqual({ runId, gen: 'g1', ver: full.ver, beats: full.beats });
        const older = await call('readCluster', { known: { gen: 'g1', ver: full.ver - 1 } });
        const other = await call('readCluster', { known: { gen: 'g0', ver: full.ver } });
        expect(older).toEqual(full);
        expect(other).toEqual(full);
      });
    });

    describe('register', () => {
      it('enters a first record, names the history and starts the counter at 0', async () => {
        expect(await register('n1', A)).toEqual({ kind: 'registered', gen: 'g1', ver: 1, first: true });
        expect((await call('readCluster', {})).beats['n1']).toEqual({
          incarnation: A,
          counter: 0,
          load: { rooms: 0, sessions: 0 },
        });
      });

      it('repeated changes nothing', async () => {
        await register('n1', A);
        await heartbeat();
        await call('setState', { node: 'n1', incarnation: A, state: 'draining', runId });
        const before = await call('readCluster', {});
        expect(await register('n1', A)).toEqual({ kind: 'registered', gen: 'g1', ver: 2, first: false });
        expect(await call('readCluster', {})).toEqual(before);
      });

      it('refuses a newcomer while its namesake lives, and tells the counter to watch', async () => {
        await register('n1', A);
        await heartbeat();
        expect(await register('n1', B)).toEqual({ kind: 'living', incarnation: A, counter: 1, gen: 'g1' });
      });

      it('lets a newcomer replace a certified namesake, with a counter of its own', async () => {
        await register('n1', A);
        await heartbeat();
        await certify();
        expect(await register('n1', B)).toEqual({ kind: 'registered', gen: 'g1', ver: 3, first: false });
        expect((await call('readCluster', {})).beats['n1']).toMatchObject({ incarnation: B, counter: 0 });
        expect(await standing('n1', A)).toBe('certified');
        expect(await register('n1', A)).toEqual({ kind: 'certified' });
      });

      it('lets go of the oldest of many that are dead, whose incarnations stay dead', async () => {
        await register('n1', A);
        const lives = Array.from({ length: 103 }, (_, i) => token(`life-${i}`, 32));
        for (const [i, life] of lives.entries()) {
          await register(`n-${i}`, life);
          await call('leave', { node: `n-${i}`, incarnation: life, runId });
        }
        expect(await register('n2', B)).toMatchObject({ kind: 'registered', first: false });
        const { nodes, beats } = await call('readCluster', {});
        const names = nodes?.map(({ node }) => node) ?? [];
        expect([names.length, names.includes('n1'), names.includes('n-102'), names.includes('n-0')]).toEqual([
          102,
          true,
          true,
          false,
        ]);
        expect(Object.keys(beats).sort()).toEqual([...names].sort());
        expect(await heartbeat()).toMatchObject({ kind: 'ok' });
        expect(await register('n-102', lives[102] ?? A)).toEqual({ kind: 'certified' });
      });

      it('refuses an incarnation that is dead or has left', async () => {
        await register('n1', A);
        await register('n2', B);
        await certify();
        await call('leave', { node: 'n2', incarnation: B, runId });
        expect(await register('n1', A)).toEqual({ kind: 'certified' });
        expect(await register('n2', B)).toEqual({ kind: 'certified' });
      });

      it('does nothing in another run', async () => {
        const reply = await call('register', { record: nodeRecord('n1', A), runId: token('old', 40), newGen: 'g1' });
        expect(reply).toEqual({ kind: 'other-run', runId });
        expect(await call('readCluster', {})).toMatchObject({ gen: undefined, nodes: [] });
      });
    });

    describe('heartbeat', () => {
      it('carries what the node knows of the routers, until it does not say', async () => {
        await register('n1', A);
        await heartbeat({ view: 7 });
        const beat = { incarnation: A, counter: 1, load };
        expect((await call('readCluster', {})).beats['n1']).toEqual({ ...beat, view: 7 });
        await heartbeat();
        expect((await call('readCluster', {})).beats['n1']).toEqual({ ...beat, counter: 2 });
      });

      it('raises the counter by one each time', async () => {
        await register('n1', A);
        expect(await heartbeat()).toEqual({ kind: 'ok', counter: 1, ver: 1 });
        expect(await heartbeat({ load: { rooms: 1, sessions: 0 } })).toEqual({ kind: 'ok', counter: 2, ver: 1 });
        expect((await call('readCluster', {})).beats['n1']?.load).toEqual({ rooms: 1, sessions: 0 });
      });

      it('counts while draining', async () => {
        await register('n1', A);
        await call('setState', { node: 'n1', incarnation: A, state: 'draining', runId });
        expect(await heartbeat()).toMatchObject({ kind: 'ok' });
      });

      it('does not count for the dead, the left, the replaced or the unknown', async () => {
        await register('n1', A);
        expect(await heartbeat({ incarnation: B })).toEqual({ kind: 'dead' });
        expect(await heartbeat({ node: 'n9' })).toEqual({ kind: 'absent' });
        await certify();
        expect(await heartbeat()).toEqual({ kind: 'dead' });
        await register('n2', B);
        await call('leave', { node: 'n2', incarnation: B, runId });
        expect(await heartbeat({ node: 'n2', incarnation: B })).toEqual({ kind: 'dead' });
      });

      it('does not count in another history', async () => {
        expect(await heartbeat()).toEqual({ kind: 'empty' });
        await register('n1', A);
        expect(await heartbeat({ gen: 'g0' })).toEqual({ kind: 'other-gen', gen: 'g1' });
        expect(await heartbeat({ runId: token('old', 40) })).toEqual({ kind: 'other-run', runId });
        expect((await call('readCluster', {})).beats['n1']?.counter).toBe(0);
      });
    });

    describe('setState and leave', () => {
      it('changes state and weight, and raises the version', async () => {
        await register('n1', A);
        const reply = await call('setState', { node: 'n1', incarnation: A, state: 'draining', weight: 0.25, runId });
        expect(reply).toEqual({ kind: 'ok', ver: 2 });
        await call('setState', { node: 'n1', incarnation: A, state: 'active', runId });
        expect((await call('readCluster', {})).nodes).toEqual([nodeRecord('n1', A, { weight: 0.25 })]);
      });

      it('is the node’s own word, and only while it lives', async () => {
        const state = 'active';
        expect(await call('setState', { node: 'n1', incarnation: A, state, runId })).toEqual({ kind: 'refused' });
        expect(await call('leave', { node: 'n1', incarnation: A, runId })).toEqual({ kind: 'refused' });
        await register('n1', A);
        expect(await call('setState', { node: 'n1', incarnation: B, state, runId })).toEqual({ kind: 'refused' });
        expect(await call('leave', { node: 'n1', incarnation: B, runId })).toEqual({ kind: 'refused' });
        expect(await call('leave', { node: 'n1', incarnation: A, runId })).toEqual({ kind: 'left', ver: 2 });
        expect(await call('leave', { node: 'n1', incarnation: A, runId })).toEqual({ kind: 'refused' });
        expect(await call('setState', { node: 'n1', incarnation: A, state, runId })).toEqual({ kind: 'refused' });
        expect((await call('readCluster', {})).nodes?.[0]?.state).toBe('left');
      });

      it('does nothing in another run', async () => {
        await register('n1', A);
        const old = token('old', 40);
        const otherRun = { kind: 'other-run', runId };
        expect(await call('setState', { node: 'n1', incarnation: A, state: 'draining', runId: old })).toEqual(otherRun);
        expect(await call('leave', { node: 'n1', incarnation: A, runId: old })).toEqual(otherRun);
        expect((await call('readCluster', {})).nodes?.[0]?.state).toBe('active');
      });
    });

    describe('certify and standing', () => {
      it('certifies by patience exactly the counter that stood still', async () => {
        await register('n1', A);
        await heartbeat();
        await heartbeat();
        expect(await certify({ by: { kind: 'patience', counter: 1 } })).toEqual({ kind: 'moved', counter: 2 });
        expect(await standing('n1', A)).toBe('living');
        expect(await certify({ by: { kind: 'patience', counter: 2 } })).toEqual({ kind: 'certified', ver: 2 });
        expect(await standing('n1', A)).toBe('certified');
        expect((await call('readCluster', {})).nodes?.[0]?.state).toBe('dead');
      });

      it('is final', async () => {
        await register('n1', A);
        expect(await certify()).toMatchObject({ kind: 'certified' });
        expect(await certify()).toEqual({ kind: 'already' });
        await register('n1', B);
        expect(await certify()).toEqual({ kind: 'already' });
        expect(await standing('n1', B)).toBe('living');
      });

      it('takes every incarnation but the one that stands under its id for certified', async () => {
        await register('n1', A);
        expect(await certify({ incarnation: B })).toEqual({ kind: 'already' });
        expect(await standing('n1', B)).toBe('certified');
        await call('leave', { node: 'n1', incarnation: A, runId });
        expect(await certify()).toEqual({ kind: 'already' });
        expect(await standing('n1', A)).toBe('certified');
      });

      it('knows nothing of an id that never registered', async () => {
        await call('createHistory', { gen: 'g1' });
        expect(await certify()).toEqual({ kind: 'absent' });
        expect(await call('standing', { node: 'n1', incarnation: A })).toEqual({
          runId,
          gen: 'g1',
          standing: 'unknown',
        });
      });

      it('belongs to one history', async () => {
        expect(await certify()).toEqual({ kind: 'other-gen', gen: undefined });
        expect(await call('standing', { node: 'n1', incarnation: A })).toMatchObject({ gen: undefined });
        await register('n1', A);
        expect(await certify({ gen: 'g0' })).toEqual({ kind: 'other-gen', gen: 'g1' });
        expect(await certify({ runId: token('old', 40) })).toEqual({ kind: 'other-run', runId });
        expect(await standing('n1', A)).toBe('living');
      });

      it('keeps a bounded number of certificates, the newest', async () => {
        const lives = Array.from({ length: CONFORMANCE_CERTS_MAX + 1 }, (_, i) => token(`life${i}`));
        for (const incarnation of lives) {
          expect(await register('n1', incarnation)).toMatchObject({ kind: 'registered' });
          expect(await certify({ incarnation })).toMatchObject({ kind: 'certified' });
        }
        // Asked under an id that has no record, only the certificate itself can tell.
        const known = await Promise.all(lives.map((incarnation) => standing('n9', incarnation)));
        expect(known).toEqual(lives.map((_, i) => (i < 2 ? 'unknown' : 'certified')));
        // Under their own id the forgotten ones are certified all the same.
        expect(await standing('n1', lives[0] ?? '')).toBe('certified');
      });
    });

    describe('routers', () => {
      it('are entered, refreshed without a new version, and removed', async () => {
        expect(await call('registerRouter', { record: routerRecord('r1', A) })).toEqual({ kind: 'ok', ver: 1 });
        const refresh = { router: 'r1', incarnation: A, counter: 5, sessions: 12 };
        expect(await call('refreshRouter', refresh)).toEqual({ kind: 'ok' });
        expect(await call('readCluster', {})).toMatchObject({
          ver: 1,
          routers: [routerRecord('r1', A, { counter: 5, sessions: 12 })],
          pins: [],
        });
        expect(await call('removeRouter', { router: 'r1', incarnation: A })).toEqual({ kind: 'removed', ver: 2 });
        expect((await call('readCluster', {})).routers).toEqual([]);
      });

      it('are removed only as they were seen', async () => {
        await call('registerRouter', { record: routerRecord('r1', A, { counter: 4 }) });
        expect(await call('removeRouter', { router: 'r1', incarnation: B })).toEqual({ kind: 'changed' });
        expect(await call('removeRouter', { router: 'r1', incarnation: A, counter: 3 })).toEqual({ kind: 'changed' });
        expect(await call('removeRouter', { router: 'r9', incarnation: A })).toEqual({ kind: 'changed' });
        expect(await call('removeRouter', { router: 'r1', incarnation: A, counter: 4 })).toMatchObject({
          kind: 'removed',
        });
      });

      it('have to register again once they are gone or replaced', async () => {
        const refresh = { router: 'r1', incarnation: A, counter: 1, sessions: 0 };
        expect(await call('refreshRouter', refresh)).toEqual({ kind: 'absent' });
        await call('registerRouter', { record: routerRecord('r1', B) });
        expect(await call('refreshRouter', refresh)).toEqual({ kind: 'absent' });
      });
    });

    describe('claim', () => {
      it('makes an owner of a missing room, with an epoch of at least the time', async () => {
        expect(await call('readRoom', { room: 'lobby' })).toEqual({ kind: 'missing' });
        const from = await fixture.now();
        const record = await owned();
        const until = await fixture.now();
        expect(record).toEqual({
          owner: { node: 'n1', incarnation: A },
          epoch: record.epoch,
          nonce: N1,
          head: 0,
          tags: [{ tag: `${record.epoch}.${N1}`, firstSeq: 1 }],
        });
        expect(record.epoch).toBeGreaterThanOrEqual(from);
        expect(record.epoch).toBeLessThanOrEqual(until);
        expect(await call('readRoom', { room: 'lobby' })).toEqual({ kind: 'record', record });
      });

      it('rises above the stored epoch and above the floor', async () => {
        const far = 2 ** 52;
        const first = await owned({ floor: far });
        expect(first.epoch).toBe(far + 1);
        const second = await owned({ seen: seenOf(first), nonce: N2, floor: 7 });
        expect(second.epoch).toBe(far + 2);
        const third = await owned({ seen: seenOf(second), floor: far + 9 });
        expect(third.epoch).toBe(far + 10);
      });

      it('fails if anything that was seen has changed', async () => {
        expect(await claim({ seen: { incarnation: A, epoch: 1, nonce: N1 } })).toEqual({
          kind: 'changed',
          record: undefined,
        });
        const record = await owned();
        const changed = { kind: 'changed', record };
        const seen = seenOf(record);
        expect(await claim()).toEqual(changed);
        expect(await claim({ seen: { ...seen, incarnation: B } })).toEqual(changed);
        expect(await claim({ seen: { ...seen, incarnation: undefined } })).toEqual(changed);
        expect(await claim({ seen: { ...seen, epoch: seen.epoch - 1 } })).toEqual(changed);
        expect(await claim({ seen: { ...seen, nonce: N2 } })).toEqual(changed);
        expect(await call('readRoom', { room: 'lobby' })).toEqual({ kind: 'record', record });
      });

      it('continues the numbering at the higher head, or starts it anew', async () => {
        const first = await owned({ numbering: { kind: 'continue', head: 41 } });
        expect(first).toMatchObject({ head: 41, tags: [{ firstSeq: 42 }] });
        const lower = await owned({ seen: seenOf(first), nonce: N2, numbering: { kind: 'continue', head: 7 } });
        expect(lower).toMatchObject({ head: 41, tags: [{ firstSeq: 42 }, { firstSeq: 42 }] });
        const fresh = await owned({ seen: seenOf(lower), numbering: { kind: 'restart' } });
        expect(fresh).toMatchObject({ head: 0, tags: [{ tag: `${fresh.epoch}.${N1}`, firstSeq: 1 }] });
      });

      it('keeps the last 16 tags, oldest first', async () => {
        let record = await owned();
        const tags = [...record.tags];
        for (let i = 1; i < 20; i++) {
          record = await owned({ seen: seenOf(record), nonce: token(`x${i}`, 16) });
          tags.push(...record.tags.slice(-1));
        }
        expect(record.tags).toEqual(tags.slice(-16));
      });

      it('does nothing in another run', async () => {
        expect(await claim({ runId: token('old', 40) })).toEqual({ kind: 'other-run', runId });
        expect(await call('readRoom', { room: 'lobby' })).toEqual({ kind: 'missing' });
      });
    });

    describe('release and transfer', () => {
      it('releases to nobody, keeps epoch, nonce, tags and the head, and is forgotten in time', async () => {
        const record = await owned();
        const triple = tripleOf(record);
        const released = { ...record, owner: undefined, head: 12 };
        expect(await call('release', { room: 'lobby', triple, head: 12, expireMs: DAY_MS, isLogged: false })).toEqual({
          kind: 'released',
        });
        expect(await call('readRoom', { room: 'lobby' })).toEqual({ kind: 'record', record: released });
        await fixture.passTime(DAY_MS - 60_000);
        expect(await call('readRoom', { room: 'lobby' })).toEqual({ kind: 'record', record: released });
        await fixture.passTime(120_000);
        expect(await call('readRoom', { room: 'lobby' })).toEqual({ kind: 'missing' });
      });

      it('never forgets a room that was claimed again', async () => {
        const record = await owned();
        await call('release', { room: 'lobby', triple: tripleOf(record), head: 12, expireMs: 60_000, isLogged: false });
        const again = await owned({ seen: { incarnation: undefined, epoch: record.epoch, nonce: N1 }, nonce: N2 });
        expect(again).toMatchObject({ head: 12, tags: [{ firstSeq: 1 }, { firstSeq: 13 }] });
        await fixture.passTime(DAY_MS);
        expect(await call('readRoom', { room: 'lobby' })).toEqual({ kind: 'record', record: again });
      });

      it('moves to the successor under the next epoch', async () => {
        const record = await owned({ floor: 2 ** 52 });
        const to = { node: 'n2', incarnation: B, nonce: N2 };
        expect(
          await call('transfer', { room: 'lobby', triple: tripleOf(record), to, head: 30, isLogged: false }),
        ).toEqual({
          kind: 'moved',
          record: {
            owner: { node: 'n2', incarnation: B },
            epoch: record.epoch + 1,
            nonce: N2,
            head: 30,
            tags: [...record.tags, { tag: `${record.epoch + 1}.${N2}`, firstSeq: 31 }],
          },
        });
      });

      it('takes at least the time for the successor’s epoch', async () => {
        const record = await owned();
        const from = await fixture.now();
        const to = { node: 'n2', incarnation: B, nonce: N2 };
        const moved = await call('transfer', { room: 'lobby', triple: tripleOf(record), to, head: 0, isLogged: false });
        expect(moved.kind === 'moved' && moved.record.epoch).toBeGreaterThanOrEqual(Math.max(from, record.epoch + 1));
      });

      it('never lets the head go back', async () => {
        const record = await owned({ numbering: { kind: 'continue', head: 50 } });
        const to = { node: 'n2', incarnation: B, nonce: N2 };
        const moved = await call('transfer', { room: 'lobby', triple: tripleOf(record), to, head: 3, isLogged: false });
        if (moved.kind !== 'moved') throw new Error('expected a move');
        expect(moved.record.head).toBe(50);
        await call('release', {
          room: 'lobby',
          triple: tripleOf(moved.record),
          head: 4,
          expireMs: DAY_MS,
          isLogged: false,
        });
        expect(await call('readRoom', { room: 'lobby' })).toMatchObject({ record: { head: 50 } });
      });

      it('is refused to anybody but the holder of the triple', async () => {
        const to = { node: 'n2', incarnation: B, nonce: N2 };
        const nobody = { incarnation: A, epoch: 1, nonce: N1 };
        const gone = { kind: 'changed', record: undefined };
        expect(
          await call('release', { room: 'lobby', triple: nobody, head: 0, expireMs: 1_000, isLogged: false }),
        ).toEqual(gone);
        expect(await call('transfer', { room: 'lobby', triple: nobody, to, head: 0, isLogged: false })).toEqual(gone);
        const record = await owned();
        const changed = { kind: 'changed', record };
        const triple = tripleOf(record);
        for (const wrong of [
          { ...triple, incarnation: B },
          { ...triple, epoch: triple.epoch + 1 },
          { ...triple, nonce: N2 },
        ]) {
          expect(
            await call('release', { room: 'lobby', triple: wrong, head: 0, expireMs: 1_000, isLogged: false }),
          ).toEqual(changed);
          expect(await call('transfer', { room: 'lobby', triple: wrong, to, head: 0, isLogged: false })).toEqual(
            changed,
          );
        }
        const ahead = { room: 'lobby', triple, head: 12, expireMs: 60_000, isLogged: true };
        expect(await call('release', ahead)).toEqual({ kind: 'rolled-back', head: 0 });
        expect(await call('readRoom', { room: 'lobby' })).toEqual({ kind: 'record', record });
        await call('release', { room: 'lobby', triple, head: 0, expireMs: 60_000, isLogged: true });
        const released = { kind: 'changed', record: { ...record, owner: undefined } };
        expect(await call('release', { room: 'lobby', triple, head: 0, expireMs: 60_000, isLogged: false })).toEqual(
          released,
        );
        expect(await call('transfer', { room: 'lobby', triple, to, head: 0, isLogged: false })).toEqual(released);
      });
    });

    logConformance(() => fixture);
    projectionConformance(() => fixture);
    orderConformance(() => fixture);
    outboxConformance(() => fixture);
    rightsConformance(() => fixture);
    abandonedConformance(() => fixture);

    describe('arguments', () => {
      it.each<[string, () => Promise<unknown>]>([
        ['a room id with a brace', () => call('readRoom', { room: 'a}b' })],
        ['a user with a control character', () => call('readUser', { user: 'a\u0000' })],
        ['an incarnation with a space', () => call('standing', { node: 'n1', incarnation: 'a b' })],
        ['a nonce with a colon', () => claim({ nonce: 'a:b' })],
        ['an epoch that is not whole', () => claim({ seen: { incarnation: A, epoch: 1.5, nonce: N1 } })],
        ['a floor beyond what numbers hold', () => claim({ floor: 2 ** 53 })],
        [
          'a session that is called as the head',
          async () => {
            const head = { room: 'lobby', epoch: 1, incarnation: A, node: 'n1', asOf: 1, replace: false, expireMs: 1 };
            await call('writePresence', { ...head, set: {}, remove: ['*'] });
          },
        ],
        ['no time to expire', () => call('writeUser', { user: 'u', set: {}, remove: [], expireMs: 0 })],
      ])('refuse %s', async (_what, attempt) => {
        await expect(attempt()).rejects.toThrow(RangeError);
      });
    });
  });
}
