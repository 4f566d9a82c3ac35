import { describe, expect, it } from 'vitest';
import { CLOSE_CODES } from '../shared/errors.ts';
import { Bench, SESSION, settled } from './client-fixture.ts';
import { connect } from './index.ts';

const TWO = ['ws://r1/rooms/lobby', 'ws://r2/rooms/lobby'];

describe('connecting', () => {
  it('offers the protocol, and says who comes', () => {
    const bench = new Bench({ user: 'ada' }, 'https://edge.example/rooms/lobby?x=1#top');
    expect(bench.socket.url.href).toBe('wss://edge.example/rooms/lobby?x=1&user=ada');
    expect(bench.socket.protocols).toEqual(['bellhop.v1']);
    bench.seat();
    expect([bench.room.session, bench.room.user, bench.room.state.status]).toEqual([SESSION, 'ada', 'open']);
  });

  it('needs a WebSocket and an address', () => {
    const { WebSocket } = globalThis as { WebSocket?: unknown };
    Reflect.set(globalThis, 'WebSocket', undefined);
    expect(() => connect('ws://r1/rooms/lobby')).toThrow(expect.objectContaining({ code: 'no_websocket' }));
    if (WebSocket !== undefined) Reflect.set(globalThis, 'WebSocket', WebSocket);
    expect(() => new Bench({}, [])).toThrow(expect.objectContaining({ code: 'bad_request' }));
    expect(() => new Bench({}, 'no address')).toThrow(TypeError);
  });

  it('gives up an attempt that leads to no welcome, and a late one is void', () => {
    const bench = new Bench();
    const first = bench.socket;
    first.onopen?.();
    bench.clock.advance(14_999);
    expect(bench.room.state.status).toBe('connecting');
    bench.clock.advance(1);
    expect([bench.room.state.status, first.closed]).toEqual(['waiting', 4000]);
  });

  it('does not wait for a close where an error says that nobody was reached', () => {
    const bench = new Bench();
    bench.socket.onerror?.();
    expect(bench.room.state).toMatchObject({ status: 'waiting', code: 1006 });
    bench.clock.advance(bench.waitMs ?? 0);
    bench.seat();
    // Of an open socket the close tells more.
    bench.socket.onerror?.();
    expect(bench.room.state.status).toBe('open');
    bench.socket.end(4409);
    expect(bench.room.state).toMatchObject({ status: 'closed', code: 4409 });
  });

  it('ends where the socket cannot even be made', () => {
    class Refusing {
      constructor() {
        throw new SyntaxError('a subprotocol has no blanks');
      }
    }
    const { room } = new Bench({ WebSocket: Refusing as never });
    expect(room.state).toMatchObject({ status: 'closed', error: { code: 'bad_request' } });
  });
});

describe('after a loss', () => {
  it('shows the token that it was told last', () => {
    const bench = new Bench();
    bench.seat();
    bench.socket.say({ type: 'resume', resume: 'token-of-today' });
    bench.lose();
    expect(bench.socket.parameter('resume')).toBe('token-of-today');
  });

  it('shows its session, its newest token and its cursor', () => {
    const bench = new Bench({ user: 'ada', history: 9 });
    bench.seat({ seq: 3 });
    bench.say(4, 'a');
    bench.lose();
    const shown = ['user', 'session', 'resume', 'sent', 'after', 'history'].map((name) => bench.socket.parameter(name));
    expect(shown).toEqual(['ada', SESSION, 'token-1', '0', '4', null]);
    bench.seat({ seq: 4 });
    expect(bench.room.state).toMatchObject({ status: 'open', resumed: true });
    bench.lose();
    expect(bench.socket.parameter('resume')).toBe('token-2');
  });

  it('waits a random part of the welcome’s window where nobody announced it', () => {
    for (const [chance, expected] of [
      [0, 0],
      [0.25, 1_000],
      [0.999, 3_996],
    ] as const) {
      const bench = new Bench();
      bench.seat();
      bench.chance = chance;
      bench.socket.end();
      expect(bench.waitMs).toBe(expected);
      expect(bench.sockets).toHaveLength(1);
      bench.clock.advance(expected);
      expect(bench.sockets).toHaveLength(2);
    }
  });

  it('waits as long as a notice says, to the millisecond', () => {
    const bench = new Bench();
    bench.seat();
    bench.socket.say({ type: 'notice', kind: 'restart', retryAfterMs: 777 });
    bench.socket.end(1012, 'router stopping');
    expect(bench.waitMs).toBe(777);
    bench.clock.advance(776);
    expect(bench.sockets).toHaveLength(1);
    bench.clock.advance(1);
    expect(bench.sockets).toHaveLength(2);
  });

  it('doubles its window with each failure, up to a bound, and begins anew after a good seat', () => {
    const bench = new Bench({ retryWindowMsMax: 3_000 });
    bench.chance = 0.9999;
    const waits: number[] = [];
    for (let i = 0; i < 5; i++) {
      bench.socket.end();
      waits.push(Math.ceil(bench.waitMs ?? 0));
      bench.clock.advance(3_000);
    }
    expect(waits).toEqual([500, 1_000, 2_000, 3_000, 3_000]);
    bench.seat();
    bench.clock.advance(10_000);
    bench.socket.end();
    expect(Math.ceil(bench.waitMs ?? 0)).toBe(4_000);
    bench.clock.advance(4_000);
    bench.socket.end();
    expect(Math.ceil(bench.waitMs ?? 0)).toBe(1_000);
  });

  it('does not spin where a server seats it and sends it away at once', () => {
    const bench = new Bench();
    bench.chance = 0.5;
    const waits: (number | undefined)[] = [];
    for (let i = 0; i < 5; i++) {
      bench.seat();
      bench.socket.say({ type: 'notice', kind: 'restart', retryAfterMs: 0 });
      bench.socket.end(1012);
      waits.push(bench.waitMs);
      bench.clock.advance(bench.waitMs ?? 0);
    }
    expect(waits).toEqual([0, 0, 0, 2_000, 4_000]);
  });

  it('tries the next of several routers, and resumes there', () => {
    const bench = new Bench({}, TWO);
    bench.seat();
    bench.lose();
    expect([bench.socket.url.host, bench.socket.parameter('session')]).toEqual(['r2', SESSION]);
    bench.lose();
    expect(bench.socket.url.host).toBe('r1');
  });

  it('notices by itself where the path is dead, and only then', () => {
    const bench = new Bench();
    bench.seat();
    bench.clock.advance(20_000);
    bench.say(1, 'a');
    bench.clock.advance(5_000);
    expect(bench.socket.sent).toEqual([]);
    bench.clock.advance(25_000);
    expect(bench.socket.sent).toEqual([{ type: 'ping' }]);
    bench.socket.say({ type: 'pong' });
    bench.clock.advance(25_000);
    bench.clock.advance(24_999);
    expect(bench.room.state.status).toBe('open');
    const dead = bench.socket;
    bench.clock.advance(1);
    expect(bench.room.state).toMatchObject({ status: 'waiting', code: 1006, reason: 'silent' });
    // Not 1000: that would be a goodbye.
    expect(dead.closed).toBe(4000);
  });
});

describe('the verdict of a close', () => {
  it.each(Object.entries(CLOSE_CODES))('%s', (code, { verdict }) => {
    const bench = new Bench({ token: () => 'fresh' });
    return settled().then(() => {
      bench.seat();
      bench.socket.end(Number(code), 'why');
      const { state } = bench.room;
      if (verdict === 'stop') {
        expect(state).toEqual({ status: 'closed', code: Number(code), reason: 'why' });
        expect(bench.clock.timers).toBe(0);
      } else {
        expect(state.status).toBe('waiting');
      }
    });
  });

  it('names the error that came before it, and no earlier one', () => {
    const bench = new Bench();
    bench.seat();
    bench.socket.say({ type: 'error', code: 'rate_limited', message: '', retryable: true });
    bench.say(1, 'a');
    bench.socket.say({ type: 'error', code: 'room_closed', message: 'done', retryable: false });
    bench.socket.end(1000);
    expect(bench.room.state).toMatchObject({ status: 'closed', error: { code: 'room_closed', retryable: false } });
    const other = new Bench();
    other.seat();
    other.socket.say({ type: 'error', code: 'rate_limited', message: '', retryable: true });
    other.say(1, 'a');
    other.socket.end(1000);
    expect(other.room.state).not.toHaveProperty('error');
  });

  it('4403 to a resume may mean the session alone: one join without it decides', () => {
    const bench = new Bench();
    bench.seat();
    bench.lose();
    bench.lose(4403);
    expect([bench.socket.parameter('session'), bench.socket.parameter('after')]).toEqual([null, null]);
    bench.seat({ session: 'n'.repeat(22), resumed: false });
    expect(bench.resets).toMatchObject([{ reason: 'expired' }]);
    const strict = new Bench();
    strict.seat();
    strict.lose();
    strict.lose(4403);
    strict.socket.end(4403, 'not allowed');
    expect(strict.room.state).toMatchObject({ status: 'closed', code: 4403 });
  });
});

describe('tokens', () => {
  it('are asked for at every attempt', async () => {
    let count = 0;
    const bench = new Bench({ token: async () => `t${++count}` });
    await settled();
    expect(bench.socket.protocols).toEqual(['bellhop.v1', 'bearer.t1']);
    bench.seat();
    bench.lose();
    await settled();
    expect(bench.socket.protocols).toEqual(['bellhop.v1', 'bearer.t2']);
  });

  it('are asked for again after 4401, at the same router, and not for ever', async () => {
    const bench = new Bench({ token: () => 'stale' }, TWO);
    for (let i = 0; i < 2; i++) {
      await settled();
      bench.lose(4401);
    }
    await settled();
    expect(bench.sockets.map(({ url }) => url.host)).toEqual(['r1', 'r1', 'r1']);
    bench.seat();
    bench.lose(4401);
    await settled();
    bench.lose(4401);
    await settled();
    bench.socket.end(4401, 'expired');
    expect(bench.room.state).toMatchObject({ status: 'closed', code: 4401 });
  });

  it('that nobody can renew end it', () => {
    const bench = new Bench();
    bench.socket.end(4401);
    expect(bench.room.state).toMatchObject({ status: 'closed', code: 4401 });
  });

  it('that cannot be had are told and asked for again', async () => {
    let isAway = true;
    const bench = new Bench({
      token: () => {
        if (isAway) throw new Error('the issuer is away');
        return undefined;
      },
    });
    await settled();
    expect([bench.errors, bench.room.state.status, bench.sockets]).toEqual([['token_failed'], 'waiting', []]);
    isAway = false;
    bench.clock.advance(500);
    await settled();
    expect(bench.socket.protocols).toEqual(['bellhop.v1']);
  });

  it('that never come are not waited for for ever', async () => {
    const bench = new Bench({ token: () => new Promise(() => undefined) });
    await settled();
    bench.clock.advance(15_000);
    expect(bench.room.state.status).toBe('waiting');
  });
});

describe('close', () => {
  it('says goodbye, and leaves neither timer nor socket, in every state', async () => {
    const connecting = new Bench();
    const open = new Bench();
    open.seat({ limits: { payloadBytesMax: 65_536, messageRate: 1 } });
    for (const data of [1, 2, 3]) open.room.publish(data).catch(() => undefined);
    const waiting = new Bench();
    waiting.seat();
    waiting.socket.end();
    const asking = new Bench({ token: async () => 't' });
    for (const { room, clock } of [connecting, open, waiting, asking]) {
      room.close();
      room.close();
      expect(room.state).toEqual({ status: 'closed', code: 1000, reason: 'closed by this client' });
      expect(clock.timers).toBe(0);
    }
    await settled();
    expect([connecting.socket.closed, open.socket.closed]).toEqual([1000, 1000]);
    expect(asking.sockets).toEqual([]);
    expect(open.states.filter(({ status }) => status === 'closed')).toHaveLength(1);
  });

  it('may be called from any listener', async () => {
    for (const status of ['connecting', 'open', 'waiting'] as const) {
      const bench = new Bench();
      bench.room.on('state', (state) => state.status === status && bench.room.close());
      bench.seat();
      if (status !== 'open') bench.lose();
      expect([bench.room.state.status, bench.clock.timers]).toEqual(['closed', 0]);
      expect(bench.sockets).toHaveLength(1);
    }
  });
});

describe('several routers', () => {
  const THREE = ['ws://r1/rooms/lobby', 'ws://r2/rooms/lobby', 'ws://r3/rooms/lobby'];

  it.each([
    [0, 'r2'],
    [0.49, 'r2'],
    [0.5, 'r3'],
    [0.99, 'r3'],
  ])('after a loss any of the others is next: a draw of %d leads to %s', (chance, host) => {
    const bench = new Bench({}, THREE);
    bench.seat();
    bench.chance = chance;
    bench.socket.end();
    bench.clock.advance(60_000);
    expect(bench.sockets[1]?.url.host).toBe(host);
  });

  it('a client that is told when to come back comes then, to another one', () => {
    const bench = new Bench({}, THREE);
    bench.socket.onopen?.();
    bench.socket.say({ type: 'notice', kind: 'try_later', retryAfterMs: 7_300 });
    bench.socket.end(1013);
    bench.clock.advance(7_299);
    expect(bench.sockets).toHaveLength(1);
    bench.clock.advance(1);
    expect(bench.socket.url.host).not.toBe('r1');
  });
});
