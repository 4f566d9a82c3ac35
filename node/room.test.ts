import { describe, expect, it } from 'vitest';
import { bodies, heard, RoomBench, types } from './room-fixture.ts';

describe('joining', () => {
  it('binds, seats, welcomes, shows who is there, and tells the others', () => {
    const bench = new RoomBench();
    const first = bench.open(1, [{ session: 'a' }]);
    expect(types(first)[0]).toBe('bind');
    expect(types(first)).toContain('opened');
    expect(heard(first, 1, 1)).toEqual(['welcome', 'presence']);
    const sent = bench.open(2, [{ session: 'b' }]);
    expect(heard(sent, 1, 1)).toEqual(['join']);
    expect(heard(sent, 2, 1)).toEqual(['welcome', 'presence']);
    // Casts to the newcomer's own link leave the newcomer out.
    expect(sent.filter((one) => one.type === 'cast').map((one) => [one.link, one['excluded']])).toEqual([
      [1, 0],
      [2, 1],
    ]);
    expect(bodies(sent, 'presence')[0]).toMatchObject({ count: 2, complete: true });
    expect(bodies(sent, 'welcome')[0]).toMatchObject({
      seq: 0,
      seat: 1,
      members: 2,
      resumed: false,
      resume: 'token-1',
    });
  });

  it('with history gets the last messages after its welcome, and stands before them', () => {
    const bench = new RoomBench();
    bench.open(1, [{ session: 'a' }]);
    for (let n = 1; n <= 5; n++) bench.publish(1, 1, n, n, n);
    const sent = bench.open(1, [{ session: 'b', handle: 2, history: 2 }]);
    expect(bodies(sent, 'welcome')[0]).toMatchObject({ seq: 3 });
    expect(heard(sent, 1, 2)).toEqual(['welcome', 'presence', 'message', 'message']);
    expect(bodies(sent, 'message').map((body) => body['seq'])).toEqual([4, 5]);
  });

  it('a full room is refused; one that is known is not', () => {
    const bench = new RoomBench({ limits: { sessionsMax: 1 } });
    bench.open(1, [{ session: 'a' }]);
    expect(bench.open(1, [{ session: 'b', handle: 2 }])).toMatchObject([
      { type: 'refused', session: 2, reason: 'full' },
    ]);
    expect(types(bench.open(2, [{ session: 'a', seat: 2, kind: 'resume' }]))).toContain('opened');
  });
});

describe('seats', () => {
  it('a lower one is refused, a higher one evicts', () => {
    const bench = new RoomBench();
    bench.open(1, [{ session: 'a', seat: 2 }]);
    expect(bench.open(2, [{ session: 'a', seat: 1, kind: 'resume' }])).toMatchObject([{ reason: 'replaced' }]);
    const sent = bench.open(2, [
      { session: 'a', seat: 3, kind: 'resume', cursor: { seq: 0, tag: `5.${'5'.repeat(16)}` } },
    ]);
    expect(sent[0]).toMatchObject({ link: 1, type: 'close-client', session: 1, code: 4409 });
    expect(types(sent)).not.toContain('join');
    expect(sent.find((one) => one.type === 'opened')).toMatchObject({ verdict: 'resumed', cseq: 0 });
    expect(bench.seats.has('1:1')).toBe(false);
    expect(bench.room.memberCount).toBe(1);
  });

  it('a resume numbers its frames anew and writes down its new router', () => {
    const bench = new RoomBench();
    bench.open(1, [{ session: 'a' }]);
    bench.publish(1, 1, 1, 1, 'x');
    bench.publish(1, 1, 2, 2, 'y');
    bench.changes.length = 0;
    bench.open(2, [{ session: 'a', seat: 2, kind: 'resume', cursor: { seq: 2, tag: `5.${'5'.repeat(16)}` } }]);
    expect(bench.changes).toEqual(['a']);
    expect(bodies(bench.publish(2, 1, 1, 3, 'z'), 'message')[0]).toMatchObject({ seq: 3, id: 3 });
  });

  it('a resume is told where what it published before is forgotten', () => {
    const bench = new RoomBench();
    bench.open(1, [{ session: 'a' }, { session: 'b', handle: 2 }]);
    bench.close(1, 2, 'broken');
    const again = (seat: number) => bench.open(1, [{ session: 'b', handle: seat + 1, seat, kind: 'resume' }]);
    expect(bodies(again(2), 'welcome')[0]).not.toHaveProperty('forgotten');
    bench.close(1, 3, 'broken');
    bench.tick(200_000);
    expect(bodies(again(3), 'welcome')[0]).toMatchObject({ session: 'b', forgotten: true });
    const other = new RoomBench();
    other.room.expect([{ session: 'b', user: 'u-b', since: 0, router: 'r1' }], other.now);
    const taken = other.open(1, [{ session: 'b', seat: 2, kind: 'resume' }]);
    expect(bodies(taken, 'welcome')[0]).toMatchObject({ forgotten: true });
  });

  it('a resume with an older cursor gets what it missed, directly', () => {
    const bench = new RoomBench();
    bench.open(1, [{ session: 'a' }, { session: 'b', handle: 2 }]);
    bench.close(1, 2, 'broken');
    bench.publish(1, 1, 1, 1, 'x');
    const sent = bench.open(1, [
      { session: 'b', handle: 3, seat: 2, kind: 'resume', cursor: { seq: 0, tag: `5.${'5'.repeat(16)}` } },
    ]);
    expect(bodies(sent, 'welcome')[0]).toMatchObject({ seq: 0, resumed: true });
    expect(heard(sent, 1, 3)).toEqual(['welcome', 'presence', 'message']);
  });

  it.each([
    ['owner_lost', { seq: 1, tag: '4.0000000000000000' }],
    ['ahead', { seq: 9, tag: `5.${'5'.repeat(16)}` }],
  ])('a resume that cannot go on is told: %s', (reason, cursor) => {
    const bench = new RoomBench();
    bench.open(1, [{ session: 'a' }]);
    bench.publish(1, 1, 1, 1, 'x');
    const sent = bench.open(1, [{ session: 'b', handle: 2, seat: 2, kind: 'resume', cursor }]);
    expect(heard(sent, 1, 2)).toEqual(['welcome', 'reset', 'presence']);
    expect(bodies(sent, 'reset')[0]).toMatchObject({ reason, seq: 1 });
    expect(bodies(sent, 'welcome')[0]).toMatchObject({ seq: 1, resumed: false });
  });
});

describe('leaving', () => {
  function two(): RoomBench {
    const bench = new RoomBench();
    bench.open(1, [{ session: 'a' }, { session: 'b', handle: 2 }]);
    return bench;
  }

  it('a clean close leaves at once and is forgotten', () => {
    const bench = two();
    expect(bodies(bench.close(1, 2, 'left'), 'leave')).toMatchObject([{ session: 'b', members: 1 }]);
    expect(bench.room.session('b')).toBeUndefined();
  });

  it('a broken socket leaves after 5 s, once', () => {
    const bench = two();
    expect(bench.close(1, 2, 'broken')).toEqual([]);
    expect(bench.tick(4_999)).toEqual([]);
    expect(bodies(bench.tick(1), 'leave')).toMatchObject([{ session: 'b' }]);
    expect(bench.tick(60_000)).toEqual([]);
    expect(bench.room.session('b')).toBeDefined();
    bench.tick(60_000);
    expect(bench.room.session('b')).toBeUndefined();
  });

  it.each(['router', 'detached'])('a lost %s leaves after 10 s', (how) => {
    const bench = two();
    bench.open(2, [{ session: 'c' }]);
    if (how === 'router') bench.room.linkLost(2, bench.now);
    else bench.close(2, 1, 'detached');
    expect(bench.tick(9_999)).toEqual([]);
    expect(bodies(bench.tick(1), 'leave')).toMatchObject([{ session: 'c' }]);
  });

  it('who is back in time has not left', () => {
    const bench = two();
    bench.close(1, 2, 'broken');
    bench.tick(4_000);
    const back = bench.open(1, [{ session: 'b', handle: 3, seat: 2, kind: 'resume' }]);
    expect(types(back)).not.toContain('join');
    expect(bench.tick(20_000)).toEqual([]);
  });

  it('who was told to have left joins again when it is back', () => {
    const bench = two();
    bench.close(1, 2, 'broken');
    bench.tick(5_000);
    expect(types(bench.open(1, [{ session: 'b', handle: 3, seat: 2, kind: 'resume' }]))).toContain('join');
  });

  it('a kick closes, leaves and forgets', () => {
    const bench = two();
    const session = bench.room.session('b');
    if (session !== undefined) bench.room.kick(session, 4403, 'no', bench.now);
    expect(types(bench.take())).toEqual(['close-client', 'leave']);
    expect(bench.room.memberCount).toBe(1);
  });
});

describe('what is said', () => {
  function seated(): RoomBench {
    const bench = new RoomBench();
    bench.open(1, [{ session: 'a' }]);
    bench.open(2, [{ session: 'b' }]);
    return bench;
  }

  it('is cast once to each router, numbered', () => {
    const sent = seated().publish(1, 1, 1, 1, { x: 1 });
    expect(sent.map((one) => [one.link, one['seq'], one['excluded'], one['class']])).toEqual([
      [1, 1, 0, 'message'],
      [2, 1, 0, 'message'],
    ]);
    expect(bodies(sent)[0]).toMatchObject({ seq: 1, from: 'u-a', session: 'a', id: 1, data: { x: 1 } });
  });

  it('arrives as it was written', () => {
    const bench = seated();
    const said = '{"type":"publish","id":1,"data":[1.0,12345678901234567890]}';
    bench.frame(1, 1, 1, said);
    const [entry] = bench.room.carry().entries;
    expect(entry?.text).toContain('"data":[1.0,12345678901234567890]');
  });

  it('twice under one cseq is taken once', () => {
    const bench = seated();
    bench.publish(1, 1, 1, 1, 'x');
    expect(bench.publish(1, 1, 1, 1, 'x', true)).toEqual([]);
    expect(bench.acks).toEqual(['1:1=1']);
  });

  it('twice under one id is acked with its first seq', () => {
    const bench = seated();
    bench.publish(1, 1, 1, 1, 'x');
    bench.publish(1, 1, 2, 2, 'y');
    expect(bench.publish(1, 1, 3, 1, 'x')).toMatchObject([{ type: 'direct', body: { type: 'ack', id: 1, seq: 1 } }]);
    expect(bench.room.head).toBe(2);
  });

  it('under an id that is no longer remembered has an unknown outcome', () => {
    const bench = seated();
    for (let n = 1; n <= 12; n++) bench.publish(1, 1, n, n, n);
    expect(bodies(bench.publish(1, 1, 13, 1, 1))).toMatchObject([{ type: 'error', code: 'outcome_unknown', id: 1 }]);
  });

  it('refused once is refused for good: its id is spent', () => {
    const bench = seated();
    const bad = bench.frame(1, 1, 1, '{"type":"publish","id":4,"data":1e999}');
    expect(bodies(bad)).toMatchObject([{ type: 'error', code: 'bad_message', id: 4 }]);
    expect(bodies(bench.publish(1, 1, 2, 4, 'good'))).toMatchObject([
      { type: 'error', code: 'outcome_unknown', id: 4 },
    ]);
    expect(bench.room.head).toBe(0);
  });

  it('without an id is said each time', () => {
    const bench = seated();
    bench.publish(1, 1, 1, undefined, 'x');
    bench.publish(1, 1, 2, undefined, 'x');
    expect(bench.room.head).toBe(2);
  });

  it('that the program does not pass on is acked all the same', () => {
    const bench = new RoomBench({ make: () => ({}) });
    bench.open(1, [{ session: 'a' }]);
    expect(bodies(bench.publish(1, 1, 1, 1, 'x'))).toEqual([{ type: 'ack', id: 1, seq: 0 }]);
  });

  it('as a signal goes to all others, is not numbered, and may be dropped', () => {
    const sent = seated().frame(1, 1, 1, { type: 'signal', data: 'typing' });
    expect(sent.map((one) => [one.link, one['excluded'], one['class'], one['seq']])).toEqual([
      [1, 1, 'ephemeral', 0],
      [2, 0, 'ephemeral', 0],
    ]);
  });

  it('as a signal never grows on its way: it fits every link that it came by', () => {
    const data = `[${Array(6_000).fill('1e20').join(',')}]`;
    const sent = seated().frame(1, 1, 1, `{"type":"signal","data":${data}}`);
    expect(sent).toHaveLength(2);
    for (const one of sent) expect(one['bytes']).toBeLessThan(data.length + 100);
  });

  it('as meta shows in presence, at most once a second; null takes it back', () => {
    const bench = seated();
    bench.frame(1, 1, 1, { type: 'meta', data: { mood: 'ok' } });
    const presence = bodies(bench.tick(0), 'presence');
    expect(presence[0]?.['members']).toMatchObject([{ session: 'a', meta: { mood: 'ok' } }, { session: 'b' }]);
    bench.frame(1, 1, 2, { type: 'meta', data: null });
    expect(bench.tick(999)).toEqual([]);
    const members = bodies(bench.tick(1), 'presence').flatMap((body) => body['members'] as Record<string, unknown>[]);
    expect(members).toHaveLength(4);
    for (const member of members) expect(member).not.toHaveProperty('meta');
    expect(bodies(bench.frame(1, 1, 3, { type: 'meta', data: 'x'.repeat(2_048) }))).toMatchObject([
      { code: 'too_large' },
    ]);
  });

  it('answers a ping', () => {
    expect(bodies(seated().frame(1, 1, 1, { type: 'ping' }))).toEqual([{ type: 'pong' }]);
  });
});
