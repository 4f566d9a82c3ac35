import { describe, expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import { SeededRandom } from '../shared/random.ts';
import { ScriptedDirectory } from '../shared/testing/scripted-directory.ts';
import { ME, triple } from './fixture.ts';
import { Projections } from './projection.ts';
import { type RoomSession, Roster } from './roster.ts';

const TIMES = { leaveBrokenMs: 1, leaveRouterLostMs: 1, resumeMs: 1 };

class FakeRoom {
  readonly room: string;
  readonly roster = new Roster(TIMES);
  epoch = 5;

  constructor(room: string) {
    this.room = room;
  }

  get triple() {
    return triple(this.epoch);
  }

  sessions(): Iterable<RoomSession> {
    return this.roster.sessions();
  }

  member(session: string, user = `u-${session}`): RoomSession {
    const one = this.roster.add({ handle: 1, session, user, seat: 1, kind: 'join', since: 3 }, 'r1');
    this.roster.markPresent(one, true);
    return one;
  }
}

class Bench {
  readonly clock = new ManualClock();
  readonly directory = new ScriptedDirectory();
  readonly held = new Map<string, FakeRoom>();
  readonly projections = new Projections({
    node: 'n1',
    incarnation: ME,
    random: new SeededRandom(2),
    call: this.directory.call,
    now: () => this.clock.now(),
    held: (room) => this.held.get(room),
  });

  room(name = 'r'): FakeRoom {
    const room = new FakeRoom(name);
    this.held.set(name, room);
    this.projections.assert(room, this.clock.now().monoMs);
    return room;
  }

  tick(ms = 50): void {
    this.clock.advance(ms);
    this.projections.tick(this.clock.now());
  }

  /** Answers everything, and what follows, as written. */
  drain(): void {
    for (let i = 0; i < 50; i++) {
      while (this.directory.waiting.includes('writePresence'))
        this.directory.answer('writePresence', { kind: 'written' });
      while (this.directory.waiting.includes('writeUser'))
        this.directory.answer('writeUser', { kind: 'written', stale: 0 });
      this.tick();
      if (this.directory.waiting.length === 0) return;
    }
  }
}

describe('a change', () => {
  it('is written behind, with who it is and where', () => {
    const bench = new Bench();
    const room = bench.room();
    bench.drain();
    bench.projections.changed(room, room.member('a'));
    bench.tick();
    expect(bench.directory.take('writePresence').args).toMatchObject({
      room: 'r',
      epoch: 5,
      incarnation: ME,
      replace: false,
      set: { a: { user: 'u-a', router: 'r1' } },
    });
    expect(bench.directory.take('writeUser').args).toMatchObject({ user: 'u-a', set: { a: { room: 'r', epoch: 5 } } });
  });

  it('made while a write is under way waits for it, and only its newest value is written', () => {
    const bench = new Bench();
    const room = bench.room();
    bench.drain();
    const a = room.member('a');
    bench.projections.changed(room, a);
    bench.tick();
    const first = bench.directory.take('writePresence');
    a.meta = 1;
    bench.projections.changed(room, a);
    bench.tick();
    expect(bench.directory.waiting).not.toContain('writePresence');
    a.meta = 2;
    bench.projections.changed(room, a);
    first.reply({ kind: 'written' });
    bench.tick();
    expect(bench.directory.take('writePresence').args.set).toMatchObject({ a: { meta: 2 } });
  });

  it('stays dirty until it is confirmed, and never comes back older than it is', () => {
    const bench = new Bench();
    const room = bench.room();
    bench.drain();
    const a = room.member('a');
    bench.projections.changed(room, a);
    bench.tick();
    const write = bench.directory.take('writePresence');
    const user = bench.directory.take('writeUser');
    room.roster.markPresent(a, false);
    bench.projections.changed(room, a);
    write.fail();
    user.fail();
    bench.tick();
    expect(bench.directory.take('writePresence').args).toMatchObject({ set: {}, remove: ['a'] });
    expect(bench.directory.take('writeUser').args).toMatchObject({ set: {}, remove: [{ session: 'a', epoch: 5 }] });
  });

  it('is tried again after each failure', () => {
    const bench = new Bench();
    const room = bench.room();
    room.member('a');
    bench.projections.assert(room, 0);
    for (let i = 0; i < 3; i++) {
      bench.tick();
      const write = bench.directory.take('writePresence');
      expect(write.args).toMatchObject({ replace: true, set: { a: {} } });
      write.fail('unavailable');
    }
    expect(bench.projections.backlog).toBeGreaterThan(0);
  });

  it('waits while the room is not held for a moment, also when a write fails then', () => {
    const bench = new Bench();
    const room = bench.room();
    bench.drain();
    bench.projections.changed(room, room.member('a'));
    bench.tick();
    const write = bench.directory.take('writePresence');
    bench.held.delete('r');
    write.fail();
    bench.projections.changed(room, room.member('b'));
    bench.tick();
    expect(bench.directory.waiting).not.toContain('writePresence');
    bench.held.set('r', room);
    bench.tick();
    expect(Object.keys(bench.directory.take('writePresence').args.set).sort()).toEqual(['a', 'b']);
  });

  it('of a room that is another’s now is dropped', () => {
    const bench = new Bench();
    const room = bench.room();
    bench.drain();
    bench.projections.changed(room, room.member('a'));
    bench.tick();
    const write = bench.directory.take('writePresence');
    bench.held.delete('r');
    bench.projections.forget('r');
    write.fail();
    bench.tick();
    expect(bench.directory.waiting).not.toContain('writePresence');
  });
});

describe('what is held', () => {
  it('is asserted whole at first, and again about every two minutes', () => {
    const bench = new Bench();
    const room = bench.room();
    room.member('a');
    bench.drain();
    let again = 0;
    for (let ms = 0; ms < 160_000; ms += 1_000) {
      bench.tick(1_000);
      while (bench.directory.waiting.includes('writePresence')) {
        if (bench.directory.answer('writePresence', { kind: 'written' }).replace) again++;
      }
      while (bench.directory.waiting.includes('writeUser'))
        bench.directory.answer('writeUser', { kind: 'written', stale: 0 });
    }
    expect(again).toBe(1);
  });

  it('is asserted again soon after a write of unknown outcome, which may yet undo what follows it', () => {
    const bench = new Bench();
    const room = bench.room();
    bench.drain();
    bench.projections.changed(room, room.member('a'));
    bench.tick();
    bench.directory.take('writePresence').fail('timeout');
    let replaced = 0;
    for (let ms = 0; ms < 30_000; ms += 1_000) {
      bench.tick(1_000);
      while (bench.directory.waiting.includes('writePresence')) {
        if (bench.directory.answer('writePresence', { kind: 'written' }).replace) replaced++;
      }
    }
    expect(replaced).toBe(1);
  });

  it('is asserted again also when it was not held at the moment it was due', () => {
    const bench = new Bench();
    const room = bench.room();
    bench.drain();
    bench.held.delete('r');
    bench.tick(200_000);
    bench.held.set('r', room);
    bench.tick(1_000);
    bench.tick(50);
    expect(bench.directory.take('writePresence').args.replace).toBe(true);
  });

  it('and large is written in pieces, the first of which replaces', () => {
    const bench = new Bench();
    const room = bench.room();
    for (let n = 0; n < 1_200; n++) room.member(`s${n}`, 'one user');
    bench.projections.assert(room, 0);
    const sizes: [number, boolean][] = [];
    for (let i = 0; i < 3; i++) {
      bench.tick();
      const { set, replace } = bench.directory.answer('writePresence', { kind: 'written' });
      sizes.push([Object.keys(set).length, replace]);
    }
    expect(sizes).toEqual([
      [500, true],
      [500, false],
      [200, false],
    ]);
  });
});

it('has a bounded number of writes under way', () => {
  const bench = new Bench();
  for (let n = 0; n < 100; n++) bench.room(`r${n}`).member('a');
  for (let i = 0; i < 10; i++) bench.tick();
  expect(bench.directory.waiting).toHaveLength(16);
  expect(new Set(bench.directory.waiting)).toEqual(new Set(['writePresence']));
  bench.drain();
  bench.drain();
  expect(bench.projections.backlog).toBe(0);
});

it('empties the projection of a room that is closed for good', () => {
  const bench = new Bench();
  const room = bench.room();
  room.member('a');
  bench.drain();
  bench.projections.vacate(room);
  expect(bench.directory.take('writePresence').args).toMatchObject({ replace: true, set: {} });
  bench.tick();
  expect(bench.directory.take('writeUser').args).toMatchObject({ user: 'u-a', remove: [{ session: 'a', epoch: 5 }] });
});
