import { describe, expect, it } from 'vitest';
import type { PresenceEntry } from '../shared/protocol.ts';
import { Bench, SESSION, TAG } from './client-fixture.ts';

const LATER = '6.0000000000000000';

describe('messages', () => {
  it('are told once each, however often they come', () => {
    const bench = new Bench();
    bench.seat();
    bench.say(1, 'a');
    bench.say(2, 'b');
    bench.lose();
    expect([bench.socket.parameter('after'), bench.socket.parameter('tag')]).toEqual(['2', TAG]);
    bench.seat({ seq: 1 });
    for (const [seq, data] of [
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ] as const)
      bench.say(seq, data);
    expect(bench.heard).toEqual(['a', 'b', 'c']);
  });

  it('go on under the tags of their time, and none of an earlier tag comes again', () => {
    const bench = new Bench();
    bench.seat();
    bench.say(1, 'a');
    bench.say(2, 'b', { tag: LATER });
    bench.say(1, 'a');
    bench.say(2, 'b', { tag: LATER });
    bench.say(3, 'c', { tag: LATER });
    expect(bench.heard).toEqual(['a', 'b', 'c']);
  });

  it('of a numbering that began anew are told', () => {
    const bench = new Bench();
    bench.seat({ seq: 9 });
    bench.say(10, 'a');
    bench.socket.say({ type: 'reset', reason: 'owner_lost', seq: 0, tag: LATER });
    bench.say(1, 'b', { tag: LATER });
    expect(bench.heard).toEqual(['a', 'b']);
    expect(bench.resets).toMatchObject([{ reason: 'owner_lost' }]);
    bench.lose();
    expect([bench.socket.parameter('after'), bench.socket.parameter('tag')]).toEqual(['1', LATER]);
  });

  it('of the past come first where a first join asks for them', () => {
    const bench = new Bench({ history: 2 });
    expect(bench.socket.parameter('history')).toBe('2');
    bench.seat({ seq: 7, tag: LATER });
    bench.say(8, 'a');
    bench.say(9, 'b', { tag: LATER });
    expect(bench.heard).toEqual(['a', 'b']);
  });

  it('of an older socket are void', () => {
    const bench = new Bench();
    const first = bench.seat();
    bench.lose();
    bench.seat();
    first.say({ type: 'message', seq: 1, tag: TAG, from: 'u', session: 'x', at: 0, data: 'late' });
    first.end(4409, 'replaced');
    expect(bench.heard).toEqual([]);
    expect(bench.room.state.status).toBe('open');
  });
});

describe('events', () => {
  it('reach each listener until it is taken off, and a listener that throws harms nobody', async () => {
    const bench = new Bench();
    const uncaught: unknown[] = [];
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => uncaught.push(error));
    try {
      const heard: string[] = [];
      bench.room.on('message', () => {
        throw new Error('a fault of the page');
      });
      const off = bench.room.on('message', ({ data }) => heard.push(`first ${data}`));
      bench.room.on('message', ({ data }) => heard.push(`second ${data}`));
      bench.seat();
      bench.say(1, 'a');
      off();
      off();
      bench.say(2, 'b');
      await new Promise((resolve) => setImmediate(resolve));
      expect(heard).toEqual(['first a', 'second a', 'second b']);
      expect(uncaught).toHaveLength(2);
    } finally {
      process.removeAllListeners('uncaughtException');
      for (const listener of before) process.on('uncaughtException', listener);
    }
  });

  it('tell signals, direct messages and notices, and errors that belong to no publish', () => {
    const bench = new Bench();
    const [signals, directs, notices] = [bench.all('signal'), bench.all('direct'), bench.all('notice')];
    bench.seat();
    bench.socket.say({ type: 'signal', from: 'u', session: 'x', data: 1 });
    bench.socket.say({ type: 'direct', from: null, data: 2 });
    bench.socket.say({ type: 'notice', kind: 'restart', retryAfterMs: 5 });
    bench.socket.say({ type: 'error', code: 'rate_limited', message: '', retryable: true });
    bench.socket.say({ type: 'error', code: 'too_large', message: '', retryable: false, id: 99 });
    bench.socket.say({ type: 'of a later version' } as never);
    expect([signals, directs, notices]).toMatchObject([[{ data: 1 }], [{ data: 2 }], [{ retryAfterMs: 5 }]]);
    expect(bench.errors).toEqual(['rate_limited', 'too_large']);
  });
});

describe('signals', () => {
  it('are sent while the room is open, below its rate, and dropped otherwise', () => {
    const bench = new Bench();
    expect(bench.room.signal('early')).toBe(false);
    bench.seat({ limits: { payloadBytesMax: 65_536, messageRate: 10 } });
    const taken = Array.from({ length: 12 }, (_, i) => bench.room.signal(i));
    expect(taken.filter(Boolean)).toHaveLength(9);
    bench.socket.end();
    expect(bench.room.signal('late')).toBe(false);
    expect(bench.socket.sent.map(({ data }) => data)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

function entry(session: string, meta?: string): PresenceEntry {
  return { user: `u-${session}`, session, since: 1, ...(meta === undefined ? {} : { meta }) };
}

describe('members', () => {
  it('are listed as presence, join and leave tell', () => {
    const bench = new Bench();
    const views = bench.all('members');
    bench.seat();
    bench.socket.say({ type: 'presence', version: 1, members: [entry('a')], count: 1, complete: true });
    bench.socket.say({ type: 'join', user: 'u-b', session: 'b', at: 5, version: 2, members: 2 });
    expect(bench.room.members).toEqual([entry('a'), { user: 'u-b', session: 'b', since: 5 }]);
    bench.socket.say({ type: 'leave', user: 'u-a', session: 'a', at: 6, version: 3, members: 1 });
    expect(bench.room.members.map(({ session }) => session)).toEqual(['b']);
    bench.socket.say({ type: 'members', count: 700, version: 4 });
    expect(bench.room.memberCount).toBe(700);
    expect(views.map(({ count, complete }) => [count, complete])).toEqual([
      [1, true],
      [2, true],
      [1, true],
      [700, false],
    ]);
  });
});

describe('meta', () => {
  const metas = (bench: Bench) => bench.socket.sent.filter(({ type }) => type === 'meta').map(({ data }) => data);
  const presence = (bench: Bench, members: PresenceEntry[]) =>
    bench.socket.say({ type: 'presence', version: 1, members, count: members.length, complete: true });

  it('set before the seat is sent at it, once', () => {
    const bench = new Bench();
    bench.room.setMeta('away');
    bench.seat();
    presence(bench, [entry(SESSION, 'away')]);
    expect(metas(bench)).toEqual(['away']);
  });

  it('is said again after a loss only where the room does not show it', () => {
    const bench = new Bench();
    bench.seat();
    bench.room.setMeta('away');
    bench.lose();
    bench.seat();
    presence(bench, [entry('x'), entry(SESSION, 'away')]);
    expect(metas(bench)).toEqual([]);
    bench.lose();
    bench.seat();
    presence(bench, [entry('x'), entry(SESSION)]);
    presence(bench, [entry('x'), entry(SESSION)]);
    expect(metas(bench)).toEqual(['away']);
    bench.socket.say({ type: 'reset', reason: 'owner_lost', seq: 0, tag: LATER });
    presence(bench, [entry('x')]);
    expect(metas(bench)).toEqual(['away', 'away']);
  });

  it('that is too large is refused at once', () => {
    const bench = new Bench();
    expect(() => bench.room.setMeta('x'.repeat(2_047))).toThrow(expect.objectContaining({ code: 'too_large' }));
  });
});
