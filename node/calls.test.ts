import { describe, expect, it } from 'vitest';
import type { Return } from '../shared/link/messages.ts';
import { NodeCalls } from './calls.ts';
import { Cluster, texts } from './core-fixture.ts';

function bench(isDurable = false) {
  const cluster = new Cluster(isDurable);
  const node = cluster.livingNode('n1');
  const router = node.router();
  const calls = new NodeCalls(node.core, () => cluster.clock.now());
  const ask = (op: string, args: unknown): unknown => {
    let result: Return['result'] | undefined;
    calls.handle({ type: 'call', id: 1, op, args }, (answer) => {
      result = answer;
    });
    cluster.settle();
    if (result === undefined) throw new Error('not answered');
    return 'ok' in result ? result.ok : result.error;
  };
  return { cluster, node, router, ask, calls };
}

describe('listing', () => {
  it('pages rooms by name and prefix', () => {
    const { router, ask } = bench();
    for (const [at, room] of ['b-1', 'a-2', 'a-1', 'a-3'].entries())
      router.open(room, [{ session: `s${at}`, handle: at + 1 }]);
    expect(ask('rooms', { prefix: 'a', limit: 2 })).toMatchObject({
      rooms: [{ room: 'a-1' }, { room: 'a-2' }],
      next: 'a-2',
    });
    const last = ask('rooms', { prefix: 'a', limit: 2, cursor: 'a-2' });
    expect(last).toMatchObject({ rooms: [{ room: 'a-3', sessions: 1, program: 'chat' }] });
    expect(last).not.toHaveProperty('next');
  });

  it('pages presence by session', () => {
    const { router, ask } = bench();
    router.open(
      'room',
      ['c', 'a', 'b'].map((session, at) => ({ session, handle: at + 1 })),
    );
    expect(ask('presence', { room: 'room', limit: 2 })).toMatchObject({
      count: 3,
      members: [{ session: 'a' }, { session: 'b' }],
      next: 'b',
    });
    expect(ask('presence', { room: 'room', cursor: 'b' })).toMatchObject({ members: [{ session: 'c', user: 'u-c' }] });
  });

  it('says whether memory reaches back to what is asked for, in a durable room', () => {
    const { router, ask } = bench(true);
    router.open('room', [{ session: 'a' }]);
    router.open('relay', [{ session: 'b', handle: 2 }]);
    // Memory holds about the last hundred.
    for (let n = 1; n <= 120; n++) for (const handle of [1, 2]) router.frame(handle, n, n);
    const answers = ['room', 'relay'].map((room) =>
      [0, 10, 119, 120].map((after) => (ask('messages', { room, after, limit: 1 }) as { whole: boolean }).whole),
    );
    expect(answers).toEqual([
      [false, false, true, true],
      [true, true, true, true],
    ]);
  });

  it('reads messages', () => {
    const { router, ask } = bench();
    router.open('room', [{ session: 'a' }]);
    for (let n = 1; n <= 3; n++) router.frame(1, n, n);
    expect(ask('messages', { room: 'room', after: 1, limit: 1 })).toMatchObject({
      head: 3,
      messages: [{ seq: 2, data: 2 }],
    });
  });

  it('says nothing of a room that is not held here', () => {
    const { ask } = bench();
    expect(ask('room', { room: 'room' })).toBeNull();
    expect(ask('presence', { room: 'room' })).toMatchObject({ code: 'not_owner', retryable: true });
    expect(ask('close-room', { room: 'room' })).toEqual({ closed: false });
    expect(ask('confirm', { room: 'room', sessions: ['a'] })).toEqual({ sessions: [] });
  });
});

describe('publishing for a backend', () => {
  it('opens the room, and says it once for one key', () => {
    const { ask } = bench();
    const first = ask('publish', { room: 'room', data: { n: 1 }, from: 'u1', key: 'k' });
    expect(first).toMatchObject({ seq: 1 });
    expect(ask('publish', { room: 'room', data: { n: 1 }, from: 'u1', key: 'k' })).toEqual(first);
    expect(ask('publish', { room: 'other', data: 1, key: 'k' })).toMatchObject({ seq: 1 });
    expect(ask('messages', { room: 'room' })).toMatchObject({ head: 1, messages: [{ from: 'u1', session: null }] });
  });

  it('too large for a link is refused, also where the room had to be opened first, and harms nobody', () => {
    const { ask } = bench();
    const data = 'x'.repeat(65_000);
    expect(ask('publish', { room: 'room', data })).toMatchObject({ code: 'payload_too_large', retryable: false });
    expect(ask('publish', { room: 'room', data })).toMatchObject({ code: 'payload_too_large' });
    expect(ask('publish', { room: 'room', data: 1 })).toMatchObject({ seq: 1 });
  });

  it('to a room of another node names that node', () => {
    const { cluster, router, ask } = bench();
    router.open('room', [{ session: 'a' }]);
    const second = cluster.livingNode('n2');
    const calls = new NodeCalls(second.core, () => cluster.clock.now());
    let result: unknown;
    calls.handle({ type: 'call', id: 1, op: 'publish', args: { room: 'room', data: 1 } }, (answer) => {
      result = answer;
    });
    cluster.settle();
    expect(result).toMatchObject({ error: { code: 'not_owner', message: 'n1' } });
    expect(ask('publish', { room: 'room' })).toMatchObject({ code: 'bad_request' });
  });
});

describe('acting on sessions', () => {
  it('kicks, tells and confirms', () => {
    const { router, ask } = bench();
    router.open('room', [{ session: 'a' }, { session: 'b' }]);
    router.take();
    expect(ask('confirm', { room: 'room', sessions: ['a', 'x', 7] })).toEqual({ sessions: ['a'] });
    expect(ask('direct', { room: 'room', session: 'a', from: 'u9', data: 'hi' })).toEqual({ delivered: true });
    expect(texts(router.take())).toMatchObject([{ type: 'direct', from: 'u9', data: 'hi' }]);
    expect(ask('kick', { room: 'room', session: 'a' })).toEqual({ closed: true });
    expect(router.take()[0]).toMatchObject({ type: 'close-client', session: 1, code: 4403 });
    expect(ask('kick', { room: 'room', session: 'a' })).toEqual({ closed: false });
    expect(ask('direct', { room: 'room', session: 'a', data: 1 })).toEqual({ delivered: false });
  });

  it('closes a room', () => {
    const { cluster, node, router, ask } = bench();
    router.open('room', [{ session: 'a' }]);
    router.take();
    expect(ask('close-room', { room: 'room' })).toEqual({ closed: true });
    cluster.run(100);
    expect(router.take()).toMatchObject([{ type: 'gone', code: 1000 }]);
    expect(node.core.load().rooms).toBe(0);
  });
});

it('answers what it cannot do', () => {
  const { cluster, ask, router } = bench();
  router.open('room', [{ session: 'a' }]);
  expect(ask('dance', {})).toMatchObject({ code: 'bad_request' });
  expect(ask('room', { room: '../etc' })).toMatchObject({ code: 'bad_room' });
  expect(ask('room', null)).toMatchObject({ code: 'bad_room' });
  expect(ask('kick', { room: 'room' })).toMatchObject({ code: 'bad_request' });
  expect(ask('move', { room: 'room', node: 'n9' })).toMatchObject({ code: 'conflict' });
  expect(ask('move', { room: 'elsewhere', node: 'n1' })).toMatchObject({ code: 'conflict' });
  cluster.run(1_500);
  expect(ask('move', { room: 'room', node: 'n1' })).toEqual({ moving: true });
});
