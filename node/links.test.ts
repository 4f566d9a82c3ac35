import { describe, expect, it } from 'vitest';
import type { LinkMessage, Open } from '../shared/link/messages.ts';
import { payloadOf, textFrame } from '../shared/websocket-frame.ts';
import { assembleOpen, type LinkPeer, LinkTable } from './links.ts';
import type { RoomSession } from './roster.ts';

const ROUTER: LinkPeer = { role: 'router', id: 'r1', incarnation: 'e'.repeat(32) };
const GATED: LinkMessage = { type: 'acks', entries: [{ session: 1, cseq: 1 }] };
const PLAIN: LinkMessage = { type: 'moved', room: 1, epoch: 1 };
const TARGET = { node: 'n2', incarnation: 'b'.repeat(32), address: 'n2:1' };

class Bench {
  readonly sent: string[] = [];
  takes = true;
  dials = 0;
  queued: LinkMessage[] = [];
  readonly table = new LinkTable(
    {
      send: (link, message) => {
        if (this.takes) this.sent.push(`${link} ${message.type}`);
        return this.takes;
      },
      dropQueued: (_link, predicate) => {
        const taken = this.queued.filter(predicate);
        this.queued = this.queued.filter((one) => !taken.includes(one));
        return taken;
      },
      dial: () => 100 + ++this.dials,
      count: () => undefined,
    },
    () => undefined,
  );
}

describe('after something was dropped', () => {
  it('nothing gated follows until its routers were asked to show their cursors', () => {
    const bench = new Bench();
    bench.table.up(1, ROUTER);
    bench.table.dropped(1, GATED);
    expect(bench.table.send(1, GATED)).toBe(false);
    expect(bench.table.send(1, PLAIN)).toBe(true);
    const [link] = bench.table.owing();
    if (link !== undefined) link.owesRebind = false;
    expect(bench.table.send(1, GATED)).toBe(true);
    expect(bench.sent).toEqual(['1 moved', '1 acks']);
  });

  it('what is queued behind it is taken back', () => {
    const bench = new Bench();
    bench.table.up(1, ROUTER);
    bench.queued = [GATED, PLAIN, GATED];
    bench.table.dropped(1, GATED);
    expect(bench.queued).toEqual([PLAIN]);
  });

  it('a full queue owes a rebind only once it has drained', () => {
    const bench = new Bench();
    bench.table.up(1, ROUTER);
    bench.takes = false;
    expect(bench.table.send(1, GATED)).toBe(false);
    bench.takes = true;
    expect(bench.table.owing()).toEqual([]);
    bench.table.drained(1);
    expect(bench.table.owing()).toHaveLength(1);
  });
});

it('says that nothing was sent where there is no link', () => {
  const bench = new Bench();
  expect(bench.table.send(1, PLAIN)).toBe(false);
  bench.table.dropped(1, GATED);
  bench.table.drained(1);
  expect(bench.table.down(1)).toBe(false);
});

it('sends what is owed as acks in one message a link, the newest only', () => {
  const bench = new Bench();
  bench.table.up(1, ROUTER);
  bench.table.get(1)?.acks.set(7, 1).set(7, 2).set(8, 1);
  bench.table.flushAcks();
  bench.table.flushAcks();
  expect(bench.sent).toEqual(['1 acks']);
});

it('takes acks that are owed back with all else that is gated, and has the router ask again', () => {
  const bench = new Bench();
  bench.table.up(1, ROUTER);
  bench.table.up(2, ROUTER);
  bench.table.get(1)?.acks.set(7, 1);
  bench.table.takeBack();
  bench.table.flushAcks();
  expect([bench.sent, bench.table.owing().map(({ number }) => number)]).toEqual([[], [1]]);
});

it('dials a target once, and anew after that link has gone', () => {
  const bench = new Bench();
  expect(bench.table.to(TARGET)).toEqual({ link: 101, up: false });
  expect(bench.table.to(TARGET)).toEqual({ link: 101, up: false });
  bench.table.up(101, { role: 'node', id: 'n2', incarnation: TARGET.incarnation });
  expect(bench.table.to(TARGET)).toEqual({ link: 101, up: true });
  bench.table.down(101);
  expect(bench.table.to(TARGET)).toEqual({ link: 102, up: false });
});

it('puts the pieces of an OPEN together', () => {
  const bench = new Bench();
  bench.table.up(1, ROUTER);
  const link = bench.table.get(1);
  if (link === undefined) throw new Error('no link');
  const piece = (handle: number, more?: true): Open => ({
    type: 'open',
    room: 'r',
    floor: 3,
    ...(more === undefined ? { cursor: { seq: 9, tag: 'late' } } : { more, cursor: { seq: 1, tag: 'first' } }),
    sessions: [{ handle, session: `s${handle}`, user: 'u', seat: 1, kind: 'rebind', since: 0 }],
  });
  expect(assembleOpen(link, piece(1, true))).toBeUndefined();
  expect(assembleOpen(link, piece(2, true))).toBeUndefined();
  const whole = assembleOpen(link, piece(3));
  expect(whole).toMatchObject({ floor: 3, cursor: { tag: 'first' } });
  expect(whole?.sessions.map((one) => one.handle)).toEqual([1, 2, 3]);
  expect(assembleOpen(link, piece(4))?.sessions).toHaveLength(1);
});

describe('a link on which much waits', () => {
  const cast = (room: number, castClass: 'message' | 'ephemeral', seq: number): LinkMessage => ({
    type: 'cast',
    room,
    class: castClass,
    seq,
    excluded: 0,
    frame: Buffer.alloc(10),
  });

  it('loses what may be lost first, queued or to be sent, and nothing else', () => {
    const bench = new Bench();
    bench.table.up(1, ROUTER);
    bench.queued = [cast(1, 'message', 1), cast(1, 'ephemeral', 0), PLAIN];
    bench.table.pressed(1, true);
    expect(bench.queued).toEqual([cast(1, 'message', 1), PLAIN]);
    expect(bench.table.send(1, cast(1, 'ephemeral', 0))).toBe(false);
    expect(bench.table.send(1, cast(1, 'message', 2))).toBe(true);
    expect(bench.table.owing()).toEqual([]);
    bench.table.pressed(1, false);
    expect(bench.table.send(1, cast(1, 'ephemeral', 0))).toBe(true);
    expect(bench.sent).toEqual(['1 cast', '1 cast']);
  });
});

describe('a router of an earlier version', () => {
  it('is told of a reset in place of a message that takes more than a frame', () => {
    const frames: Buffer[] = [];
    const table = new LinkTable(
      {
        send: (_link, message) => {
          if ('frame' in message) frames.push(message.frame);
          return true;
        },
        dropQueued: () => [],
        dial: () => 1,
        count: () => undefined,
      },
      () => undefined,
    );
    const text = JSON.stringify({ type: 'message', seq: 7, tag: '5.ab', data: 'x'.repeat(70_000) });
    const large: LinkMessage = { type: 'cast', room: 1, class: 'message', seq: 7, excluded: 0, frame: textFrame(text) };
    table.up(1, { ...ROUTER, features: [] });
    table.up(2, { ...ROUTER, features: ['fragments'] });
    table.send(1, large);
    table.send(2, large);
    expect(JSON.parse(payloadOf(frames[0] ?? Buffer.alloc(0)).toString())).toEqual({
      type: 'reset',
      reason: 'too_far',
      seq: 7,
      tag: '5.ab',
    });
    expect(frames[1]).toEqual(large.frame);
  });
});

describe('acks', () => {
  it('of a room of which something waits go behind it, the others at once', () => {
    const sent: { lane: string | undefined; sessions: number[] }[] = [];
    const table = new LinkTable(
      {
        send: (_link, message, lane) => {
          if (message.type === 'acks') sent.push({ lane, sessions: message.entries.map((one) => one.session) });
          return true;
        },
        lanes: () => new Map([['busy', true]]),
        dropQueued: () => [],
        dial: () => 1,
        count: () => undefined,
      },
      () => undefined,
    );
    table.up(1, ROUTER);
    const link = table.get(1);
    for (const [session, room] of [
      [1, 'busy'],
      [2, 'quiet'],
      [3, 'busy'],
    ] as const) {
      link?.seats.set(session, { room, session: {} as RoomSession, behind: false });
      link?.acks.set(session, 1);
    }
    table.flushAcks();
    expect(sent).toEqual([
      { lane: 'busy', sessions: [1, 3] },
      { lane: undefined, sessions: [2] },
    ]);
  });
});
