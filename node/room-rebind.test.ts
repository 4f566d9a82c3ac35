/** A room whose routers, or whose owner, changed. */
import { describe, expect, it } from 'vitest';
import { triple } from './fixture.ts';
import type { ProgramFactory } from './program.ts';
import { bodies, heard, RoomBench, types } from './room-fixture.ts';
import { HIDDEN_MEMBERS } from './room-output.ts';

const TAG = `5.${'5'.repeat(16)}`;
const rebind = (session: string, handle: number, more = {}) => ({ session, handle, kind: 'rebind' as const, ...more });

function talked(count = 3): RoomBench {
  const bench = new RoomBench();
  bench.open(1, [{ session: 'a' }, { session: 'b', handle: 2 }]);
  bench.open(2, [{ session: 'c' }]);
  for (let n = 1; n <= count; n++) bench.publish(2, 1, n, n, n);
  return bench;
}

describe('a group that binds again', () => {
  it('gets one replay from its cursor, then one presence', () => {
    const bench = talked();
    bench.room.linkLost(1, bench.now);
    const sent = bench.open(3, [rebind('a', 11), rebind('b', 12)], { cursor: { seq: 1, tag: TAG } });
    expect(types(sent)).toEqual(['bind', 'opened', 'opened', 'message', 'message', 'presence']);
    expect(sent[0]).toMatchObject({ head: 1, epoch: 5 });
    expect(bodies(sent, 'message').map((body) => body['seq'])).toEqual([2, 3]);
    expect(sent.every((one) => one.link === 3)).toBe(true);
    expect(sent.filter((one) => one.type === 'opened').map((one) => one['verdict'])).toEqual(['resumed', 'resumed']);
  });

  it('on the same link is bound under another handle, and nobody leaves', () => {
    const bench = talked();
    const before = bench.room.handleOn(1);
    bench.open(1, [rebind('a', 1), rebind('b', 2)], { cursor: { seq: 3, tag: TAG } });
    expect(bench.room.handleOn(1)).not.toBe(before);
    expect(bench.tick(20_000)).toEqual([]);
    expect(bench.room.memberCount).toBe(3);
  });

  it('too late is given up; what is queued for it has to leave before the room may be another node’s', () => {
    const bench = talked();
    bench.room.bindLost(1, bench.room.handleOn(1) ?? 0);
    bench.tick(900);
    expect(bench.room.links).toEqual([1, 2]);
    bench.tick(200);
    bench.close(2, 1, 'left');
    expect([bench.room.links, bench.room.spokenLinks]).toEqual([[], [1, 2]]);
  });

  it('without one of its sessions lets that one leave in its time', () => {
    const bench = talked();
    bench.open(1, [rebind('a', 1)], { cursor: { seq: 3, tag: TAG } });
    expect(bodies(bench.tick(10_000), 'leave')).toHaveLength(bench.room.links.length);
    expect(bench.room.memberCount).toBe(2);
  });

  it.each([
    ['trimmed', 15, { seq: 2, tag: TAG }],
    ['forked', 3, { seq: 4, tag: TAG }],
    ['owner_lost', 3, { seq: 3, tag: '4.4444444444444444' }],
  ])('that cannot go on is told once, before anything live: %s', (reason, said, cursor) => {
    const bench = talked(said);
    if (reason === 'forked') bench.room.begin(triple(6), bench.now);
    const sent = bench.open(1, [rebind('a', 1), rebind('b', 2)], { cursor });
    expect(types(sent)).toEqual(['bind', 'opened', 'opened', 'reset', 'presence']);
    expect(bodies(sent, 'reset')[0]).toMatchObject({ reason, seq: said });
    // One frame, and both sessions are told by it.
    expect(bench.counted).toContain(`reset_${reason} 2`);
    expect(sent[0]).toMatchObject({ head: said });
    expect(sent.filter((one) => one.type === 'opened').every((one) => one['verdict'] === 'reset')).toBe(true);
  });

  it('is told how far its frames were taken, and what is sent again is taken once', () => {
    const bench = talked();
    bench.room.linkLost(2, bench.now);
    const sent = bench.open(3, [rebind('c', 1)], { cursor: { seq: 3, tag: TAG } });
    expect(sent.find((one) => one.type === 'opened')).toMatchObject({ cseq: 3 });
    expect(bench.publish(3, 1, 3, 3, 3, true)).toEqual([]);
    expect(bodies(bench.publish(3, 1, 4, 4, 4, true), 'message')[0]).toMatchObject({ seq: 4 });
  });

  it('sends signals again for nothing', () => {
    const bench = talked();
    expect(bench.frame(2, 1, 4, { type: 'signal', data: 1 }, true)).toEqual([]);
    expect(bench.acks.at(-1)).toBe('2:1=4');
  });

  it('finds a session replaced that was resumed elsewhere', () => {
    const bench = talked();
    bench.room.linkLost(1, bench.now);
    bench.open(2, [{ session: 'a', handle: 9, seat: 2, kind: 'resume' }]);
    const sent = bench.open(3, [rebind('a', 1), rebind('b', 2)], { cursor: { seq: 3, tag: TAG } });
    expect(sent[0]).toMatchObject({ type: 'refused', session: 1, reason: 'replaced' });
    expect(sent.filter((one) => one.type === 'opened')).toHaveLength(1);
    expect(bench.seats.has('2:9')).toBe(true);
  });

  it('after another claim is cast nothing under its old handle', () => {
    const bench = talked();
    const old = bench.room.handleOn(1);
    bench.room.begin(triple(6), bench.now);
    const sent = bench.publish(2, 1, 4, 4, 4);
    expect(sent.filter((one) => one.type === 'cast' && one['room'] === old)).toEqual([]);
    const again = bench.open(1, [rebind('a', 1), rebind('b', 2)], { cursor: { seq: 3, tag: TAG } });
    expect(again[0]).toMatchObject({ type: 'bind', epoch: 6 });
    expect(bodies(again, 'message').map((body) => body['tag'])).toEqual([`6.${'6'.repeat(16)}`]);
  });
});

describe('a room taken over from a dead owner', () => {
  const LOST = { seq: 9, tag: '4.4444444444444444' };
  function taken(): RoomBench {
    const bench = new RoomBench();
    bench.room.expect(
      [
        { session: 'a', user: 'u-a', since: 1, router: 'r1' },
        { session: 'b', user: 'u-b', since: 2, meta: { m: 1 }, router: 'r2' },
      ],
      bench.now,
    );
    bench.take();
    return bench;
  }

  it('expects its members: they neither join nor leave when they are seated in time', () => {
    const bench = taken();
    expect(bench.room.memberCount).toBe(2);
    const sent = bench.open(1, [rebind('a', 1, { seat: 3 })], { cursor: LOST });
    expect(types(sent)).toEqual(['bind', 'opened', 'reset', 'presence']);
    expect(bodies(sent, 'presence')[0]).toMatchObject({ count: 2 });
    expect(bench.room.session('a')?.seat).toBe(3);
    expect(bench.tick(9_999)).toEqual([]);
    expect(bodies(bench.tick(1), 'leave')).toMatchObject([{ session: 'b', members: 1 }]);
  });

  it('takes in who was not expected, and shows them to all', () => {
    const bench = taken();
    bench.open(1, [rebind('a', 1)], { cursor: LOST });
    const sent = bench.open(2, [rebind('x', 1), rebind('b', 2)], { cursor: LOST });
    expect(heard(sent, 1, 1)).toEqual(['presence']);
    expect(bodies(sent, 'presence').every((body) => body['count'] === 3)).toBe(true);
  });

  it('answers what is sent again with owner_lost, and its id is spent; what is new is taken', () => {
    const bench = taken();
    bench.open(1, [rebind('a', 1)], { cursor: LOST });
    expect(bodies(bench.publish(1, 1, 7, 3, 'x', true))).toMatchObject([{ type: 'error', code: 'owner_lost', id: 3 }]);
    expect(bench.frame(1, 1, 8, { type: 'signal', data: 1 }, true)).toEqual([]);
    expect(bench.acks).toEqual(['1:1=7', '1:1=8']);
    expect(bodies(bench.publish(1, 1, 9, 3, 'x'))).toMatchObject([{ code: 'outcome_unknown' }]);
    expect(bodies(bench.publish(1, 1, 10, 4, 'y'), 'message')).toMatchObject([{ seq: 1 }]);
  });

  it('says so also when the link breaks before all of it was sent again', () => {
    const bench = taken();
    bench.open(1, [rebind('a', 1)], { cursor: LOST });
    bench.publish(1, 1, 7, 3, 'x', true);
    bench.room.linkLost(1, bench.now);
    bench.open(3, [rebind('a', 1)], { cursor: { seq: 0, tag: TAG } });
    expect(bodies(bench.publish(3, 1, 8, 4, 'y', true))).toMatchObject([{ code: 'owner_lost', id: 4 }]);
  });

  it('and what was first sent to the new owner is taken when it is sent again', () => {
    const bench = taken();
    bench.open(1, [rebind('a', 1)], { cursor: LOST });
    bench.publish(1, 1, 7, 3, 'x');
    bench.room.linkLost(1, bench.now);
    bench.open(3, [rebind('a', 1)], { cursor: { seq: 1, tag: TAG } });
    expect(bodies(bench.publish(3, 1, 8, 4, 'y', true), 'message')).toMatchObject([{ seq: 2, id: 4 }]);
  });

  it('a client that resumes outranks its old socket, whichever comes first', () => {
    const bench = taken();
    bench.open(2, [{ session: 'a', seat: 2, kind: 'resume', handle: 5, cursor: LOST }]);
    expect(bench.open(1, [rebind('a', 1)], { cursor: LOST })).toMatchObject([{ reason: 'replaced' }]);
    const other = taken();
    other.open(1, [rebind('a', 1)], { cursor: LOST });
    const sent = other.open(2, [{ session: 'a', seat: 2, kind: 'resume', handle: 5, cursor: LOST }]);
    expect(sent[0]).toMatchObject({ type: 'close-client', link: 1, code: 4409 });
  });
});

describe('a large room', () => {
  it('tells counts instead of names, at most once a second', () => {
    const bench = new RoomBench();
    bench.open(
      1,
      [1, 2, 3, 4, 5].map((n) => ({ session: `s${n}`, handle: n })),
    );
    expect(bodies(bench.tick(0), 'members')).toMatchObject([{ count: 5 }]);
    bench.close(1, 5, 'left');
    expect(bench.tick(999)).toEqual([]);
    expect(bodies(bench.tick(1), 'members')).toMatchObject([{ count: 4 }]);
    expect(bodies(bench.close(1, 4, 'left'), 'leave')).toHaveLength(1);
  });

  it('shows as many members as one event may hold', () => {
    const bench = new RoomBench({ limits: { presenceMembersMax: 3 } });
    bench.open(
      1,
      [1, 2, 3, 4].map((n) => ({ session: `s${n}`, handle: n })),
    );
    bench.take();
    const sent = bench.open(1, [{ session: 's5', handle: 5 }]);
    const [presence] = bodies(sent, 'presence');
    expect(presence).toMatchObject({ count: 5, complete: false });
    expect(presence?.['members']).toHaveLength(3);
  });

  it('32 tells members whose names are hidden how many they are, and nothing else', () => {
    const bench = new RoomBench({ limits: HIDDEN_MEMBERS });
    bench.open(1, [{ session: 's1', handle: 1 }]);
    const sent = bench.open(1, [{ session: 's2', handle: 2 }]);
    expect(bodies(sent, 'presence')).toMatchObject([{ members: [], count: 2, complete: false }]);
    bench.frame(1, 1, 1, '{"type":"meta","data":"secret"}');
    const later = [...bench.take(), ...bench.tick(2_000), ...bench.close(1, 2, 'left'), ...bench.tick(2_000)];
    const all = [...sent, ...later];
    for (const type of ['join', 'leave']) expect(bodies(all, type)).toEqual([]);
    expect(JSON.stringify(bodies(all, 'presence'))).not.toContain('secret');
    expect(bodies(later, 'members').at(-1)).toMatchObject({ count: 1 });
  });

  it('whose members say much of themselves still fits one frame', () => {
    const bench = new RoomBench();
    bench.open(
      1,
      Array.from({ length: 100 }, (_, n) => ({ session: `s${n}`, handle: n + 1 })),
    );
    for (let n = 1; n <= 100; n++) bench.frame(1, n, 1, `{"type":"meta","data":"${'é'.repeat(2_000)}"}`);
    const [presence] = bodies(bench.tick(2_000), 'presence');
    expect(Buffer.byteLength(JSON.stringify(presence))).toBeLessThan(64_512);
    expect(presence).toMatchObject({ count: 100, complete: false });
  });
});

describe('the program', () => {
  const angry: ProgramFactory = () => ({
    message: (publish, room) => {
      if (publish.data === 'boom') throw new Error('boom');
      room.relay(publish);
    },
  });

  it('that throws closes its room', () => {
    const bench = new RoomBench({ make: angry });
    bench.open(1, [{ session: 'a' }]);
    bench.open(2, [{ session: 'b' }]);
    const sent = bench.publish(1, 1, 1, 1, 'boom');
    expect(sent.map((one) => [one.type, one.link, one['code']])).toEqual([
      ['gone', 1, 1011],
      ['gone', 2, 1011],
    ]);
    expect(bench.failures).toHaveLength(1);
    expect([...bench.room.sessions()].filter((session) => session.place !== undefined).length).toBe(0);
  });

  it('that throws at an arrival leaves nothing seated', () => {
    const bench = new RoomBench({
      make: () => ({
        join: () => {
          throw new Error('no');
        },
      }),
    });
    const sent = bench.open(1, [{ session: 'a' }, { session: 'b', handle: 2 }]);
    expect(types(sent)).toContain('gone');
    expect(bench.failures).toHaveLength(1);
  });

  it('speaks to one, to all, and by timers', () => {
    const bench = new RoomBench({
      make: () => ({
        join: (member, room) => room.send(member.session, { hi: member.user }),
        message: (_publish, room) => room.setTimer('later', 500),
        timer: (name, room) => room.broadcast({ name, epoch: room.epoch, members: room.members.length }),
      }),
    });
    const sent = bench.open(1, [{ session: 'a' }]);
    expect(bodies(sent, 'direct')).toMatchObject([{ from: null, data: { hi: 'u-a' } }]);
    bench.publish(1, 1, 1, undefined, 0);
    expect(bench.tick(499)).toEqual([]);
    expect(bodies(bench.tick(1), 'message')).toMatchObject([
      { from: null, data: { name: 'later', epoch: 5, members: 1 } },
    ]);
  });
});

it('is carried whole: numbering, messages, seats, and the program’s state', () => {
  const make: ProgramFactory = (_room, state) => {
    let count = (state as { count?: number } | undefined)?.count ?? 0;
    return {
      message: (publish, room) => {
        count++;
        room.relay(publish);
      },
      state: () => ({ count }),
    };
  };
  const from = new RoomBench({ make });
  from.open(1, [{ session: 'a' }]);
  from.publish(1, 1, 1, 1, 'x');
  from.publish(1, 1, 2, 2, 'y');
  const state = JSON.parse(JSON.stringify(from.room.carry())) as ReturnType<typeof from.room.carry>;
  expect(state.program).toEqual({ count: 2 });
  const to = new RoomBench({ make, state, epoch: 6 });
  const sent = to.open(4, [rebind('a', 1)], { cursor: { seq: 1, tag: TAG } });
  expect(bodies(sent, 'message')).toMatchObject([{ seq: 2, data: 'y' }]);
  expect(sent.find((one) => one.type === 'opened')).toMatchObject({ cseq: 2, verdict: 'resumed' });
  expect(bodies(to.publish(4, 1, 3, 2, 'y'))).toMatchObject([{ type: 'ack', id: 2, seq: 2 }]);
  expect(bodies(to.publish(4, 1, 4, 3, 'z'))).toMatchObject([{ seq: 3, tag: `6.${'6'.repeat(16)}` }]);
  expect(to.room.carry().program).toEqual({ count: 3 });
});
