import { describe, expect, it } from 'vitest';
import { Bench, outcomeOf, SESSION, settled, TAG } from './client-fixture.ts';

describe('a publish', () => {
  it('waits for the seat, and leaves under ids 1, 2, 3 in its order', () => {
    const bench = new Bench();
    void bench.room.publish('a');
    void bench.room.publish({ b: [1] });
    expect(bench.socket.sent).toEqual([]);
    bench.seat();
    void bench.room.publish(null);
    expect(bench.socket.published).toEqual([
      [1, 'a'],
      [2, { b: [1] }],
      [3, null],
    ]);
  });

  it('is acked by its own message, and not by the same id of another session', async () => {
    const bench = new Bench();
    bench.seat();
    const outcome = outcomeOf(bench.room.publish('a'));
    bench.say(1, 'theirs', { id: 1, session: 'other' });
    await settled();
    expect(outcome.value).toBe('pending');
    bench.say(2, 'a', { id: 1, session: SESSION });
    await settled();
    expect(outcome.value).toEqual({ seq: 2, tag: TAG });
    expect(bench.heard).toEqual(['theirs', 'a']);
  });

  it('is acked by an ack', async () => {
    const bench = new Bench();
    bench.seat();
    const outcome = outcomeOf(bench.room.publish('a'));
    bench.socket.say({ type: 'ack', id: 1, seq: 7 });
    await settled();
    expect(outcome.value).toEqual({ seq: 7, tag: TAG });
  });

  it('whose echo may lie in what a reset skips, on a socket that stays, is sent again under its id', async () => {
    const bench = new Bench();
    bench.seat();
    const outcome = outcomeOf(bench.room.publish('a'));
    bench.socket.say({ type: 'reset', reason: 'too_far', seq: 2_000, tag: TAG });
    expect(bench.socket.published).toEqual([
      [1, 'a'],
      [1, 'a'],
    ]);
    bench.socket.say({ type: 'ack', id: 1, seq: 7 });
    await settled();
    expect(outcome.value).toEqual({ seq: 7, tag: TAG });
  });

  it('is refused with the server’s code, and its id is spent', async () => {
    const bench = new Bench();
    bench.seat();
    const outcome = outcomeOf(bench.room.publish('a'));
    bench.socket.say({ type: 'error', code: 'redis_unavailable', message: '', retryable: true, id: 1 });
    void bench.room.publish('a');
    await settled();
    expect(outcome.value).toBe('redis_unavailable (retryable)');
    expect(bench.socket.published.at(-1)).toEqual([2, 'a']);
    expect(bench.errors).toEqual([]);
  });

  it.each(['rate_limited', 'not_allowed'] as const)(
    'that is sent again and refused with %s by a router is of unknown outcome: the room may have it',
    async (code) => {
      const bench = new Bench();
      bench.seat();
      const again = outcomeOf(bench.room.publish('a'));
      bench.lose();
      bench.seat({ resumed: true });
      const fresh = outcomeOf(bench.room.publish('b'));
      for (const id of [1, 2]) bench.socket.say({ type: 'error', code, message: '', retryable: true, id });
      await settled();
      expect([again.value, fresh.value]).toEqual(['outcome_unknown', `${code} (retryable)`]);
    },
  );

  it('is bounded in number and in bytes, also while it is in flight', async () => {
    const bench = new Bench({ queueCountMax: 3, queueBytesMax: 20 });
    bench.seat();
    for (const data of ['a', 'b']) void bench.room.publish(data);
    const long = outcomeOf(bench.room.publish('x'.repeat(20)));
    void bench.room.publish('c');
    const fourth = outcomeOf(bench.room.publish('d'));
    await settled();
    expect([long.value, fourth.value]).toEqual(['queue_full (retryable)', 'queue_full (retryable)']);
    bench.socket.say({ type: 'ack', id: 1, seq: 1 });
    void bench.room.publish('e');
    expect(bench.socket.published.map(([, data]) => data)).toEqual(['a', 'b', 'c', 'e']);
  });

  it('that is answered once more, as after a change of owner, stays as it was, and its refusal is nobody else’s', async () => {
    const bench = new Bench();
    bench.seat();
    const outcome = outcomeOf(bench.room.publish('a'));
    const errors: unknown[] = [];
    bench.room.on('error', (error) => errors.push(error));
    const refusal = { type: 'error', code: 'redis_unavailable', message: '', retryable: true, id: 1 } as const;
    bench.socket.say(refusal);
    bench.socket.say(refusal);
    bench.socket.say({ type: 'ack', id: 1, seq: 7 });
    await settled();
    expect(outcome.value).toBe('redis_unavailable (retryable)');
    expect(errors).toEqual([]);
  });

  it('that is too large for the room, or is not JSON, is refused here and costs no id', async () => {
    const bench = new Bench();
    const large = outcomeOf(bench.room.publish('ä'.repeat(100)));
    const limits = { payloadBytesMax: 200, messageRate: 0 };
    bench.seat({ limits });
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    const broken = outcomeOf(bench.room.publish(cycle as never));
    const absent = outcomeOf(bench.room.publish(undefined as never));
    void bench.room.publish('small');
    await settled();
    expect([large.value, broken.value, absent.value]).toEqual(['too_large', 'bad_message', 'bad_message']);
    expect(bench.socket.published).toEqual([[1, 'small']]);
  });

  it('stays below the room’s rate, in bursts and after', () => {
    const bench = new Bench();
    for (let i = 0; i < 300; i++) void bench.room.publish(i);
    bench.seat({ limits: { payloadBytesMax: 65_536, messageRate: 100 } });
    expect(bench.socket.published).toHaveLength(90);
    bench.clock.advance(1_000);
    expect(bench.socket.published.length).toBeGreaterThan(170);
    expect(bench.socket.published.length).toBeLessThanOrEqual(180);
    bench.clock.advance(2_000);
    expect(bench.socket.published.map(([, data]) => data)).toEqual(Array.from({ length: 300 }, (_, i) => i));
  });
});

describe('over a loss, a publish', () => {
  it('is sent again under its id once the session is resumed, before what came later', async () => {
    const bench = new Bench();
    bench.seat();
    const outcomes = ['a', 'b', 'c'].map((data) => outcomeOf(bench.room.publish(data)));
    bench.say(1, 'a', { id: 1, session: SESSION });
    bench.socket.end();
    outcomes.push(outcomeOf(bench.room.publish('d')));
    bench.clock.advance(4_000);
    expect(bench.socket.sent).toEqual([]);
    bench.seat({ seq: 1 });
    expect(bench.socket.published).toEqual([
      [2, 'b'],
      [3, 'c'],
      [4, 'd'],
    ]);
    // One was taken before the loss: it comes among what was missed, and again as an ack.
    bench.say(2, 'b', { id: 2, session: SESSION });
    bench.socket.say({ type: 'ack', id: 2, seq: 2 });
    bench.say(3, 'c', { id: 3, session: SESSION });
    bench.say(4, 'd', { id: 4, session: SESSION });
    await settled();
    expect(outcomes.map(({ value }) => value)).toEqual([1, 2, 3, 4].map((seq) => ({ seq, tag: TAG })));
    expect(bench.heard).toEqual(['a', 'b', 'c', 'd']);
  });

  it('is not sent again where its ack comes with what was missed, before the rate lets it go', async () => {
    const bench = new Bench();
    bench.seat();
    const outcomes = ['a', 'b'].map((data) => outcomeOf(bench.room.publish(data)));
    bench.lose();
    bench.seat({ limits: { payloadBytesMax: 65_536, messageRate: 1 } });
    expect(bench.socket.published).toEqual([[1, 'a']]);
    bench.say(1, 'a', { id: 1, session: SESSION });
    bench.say(2, 'b', { id: 2, session: SESSION });
    bench.clock.advance(5_000);
    await settled();
    expect(outcomes.map(({ value }) => value)).toEqual([1, 2].map((seq) => ({ seq, tag: TAG })));
    expect(bench.socket.published).toEqual([[1, 'a']]);
  });

  it.each([
    ['another session', { session: 't'.repeat(22), resumed: false }, ['expired']],
    ['a room that forgot', { forgotten: true } as const, []],
  ])('has an unknown outcome where %s is met, unless it was never sent', async (_, welcome, resets) => {
    const bench = new Bench();
    bench.seat();
    const sent = outcomeOf(bench.room.publish('sent'));
    bench.socket.end();
    const unsent = outcomeOf(bench.room.publish('unsent'));
    bench.clock.advance(4_000);
    bench.seat(welcome);
    await settled();
    expect([sent.value, unsent.value]).toEqual(['outcome_unknown', 'pending']);
    // Ids are the session's own.
    expect(bench.socket.published).toEqual([['session' in welcome ? 1 : 2, 'unsent']]);
    expect(bench.resets.map(({ reason }) => reason)).toEqual(resets);
  });

  it.each([
    ['owner_lost', 'outcome_unknown', []],
    ['log_lost', 'outcome_unknown', []],
    ['forked', 'outcome_unknown', []],
    ['ahead', 'outcome_unknown', []],
    ['expired', 'outcome_unknown', []],
    ['trimmed', 'pending', [[1, 'a']]],
    ['too_far', 'pending', [[1, 'a']]],
  ] as const)('waits for the reason of a reset: %s', async (reason, expected, repeated) => {
    const bench = new Bench();
    bench.seat();
    const outcome = outcomeOf(bench.room.publish('a'));
    bench.lose();
    bench.seat({ resumed: false, seq: 40, tag: '6.0000000000000000' });
    void bench.room.publish('b');
    expect(bench.socket.published).toEqual([]);
    bench.socket.say({ type: 'reset', reason, seq: 40, tag: '6.0000000000000000' });
    await settled();
    expect(outcome.value).toBe(expected);
    expect(bench.socket.published).toEqual([...repeated, [2, 'b']]);
  });

  it('is not held for ever by a server that tells no reason', async () => {
    const bench = new Bench();
    bench.seat();
    const outcome = outcomeOf(bench.room.publish('a'));
    bench.lose();
    bench.seat({ resumed: false });
    bench.socket.say({ type: 'presence', version: 1, members: [], count: 0, complete: true });
    void bench.room.publish('b');
    await settled();
    expect(outcome.value).toBe('outcome_unknown');
    expect(bench.socket.published).toEqual([[2, 'b']]);
  });

  it('keeps waiting through a reset on a living socket: the room tells its outcome', async () => {
    const bench = new Bench();
    bench.seat();
    const outcomes = ['a', 'b'].map((data) => outcomeOf(bench.room.publish(data)));
    bench.socket.say({ type: 'reset', reason: 'owner_lost', seq: 0, tag: '6.0000000000000000' });
    bench.socket.say({ type: 'error', code: 'owner_lost', message: '', retryable: false, id: 1 });
    bench.say(1, 'b', { id: 2, session: SESSION, tag: '6.0000000000000000' });
    await settled();
    expect(outcomes.map(({ value }) => value)).toEqual(['owner_lost', { seq: 1, tag: '6.0000000000000000' }]);
  });

  it('is rejected at the end: closed where it was never sent, unknown where it was', async () => {
    const bench = new Bench();
    bench.seat();
    const sent = outcomeOf(bench.room.publish('sent'));
    bench.socket.end();
    const unsent = outcomeOf(bench.room.publish('unsent'));
    bench.room.close();
    const late = outcomeOf(bench.room.publish('late'));
    await settled();
    expect([sent.value, unsent.value, late.value]).toEqual(['outcome_unknown', 'closed', 'closed']);
  });
});
