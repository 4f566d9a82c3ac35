import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Fixture, frame, startFixture, type TestClient, until } from './clients-fixture.ts';
import { rawSocketOf } from './ws-adapter.ts';

const GROUP = 1;
let fixture: Fixture;
afterEach(() => fixture.close());

/** Connects clients that are all in one group. */
async function members(count: number): Promise<TestClient[]> {
  const list: TestClient[] = [];
  for (let i = 0; i < count; i++) {
    const client = await fixture.connect();
    fixture.clients.join(GROUP, client.handle);
    list.push(client);
  }
  return list;
}

function at(list: readonly TestClient[], index: number): TestClient {
  const client = list[index];
  if (client === undefined) throw new Error(`no client ${index}`);
  return client;
}

const writesTo = (client: TestClient): number => fixture.adapter.writes.get(client.far) ?? 0;
const cast = (text: string, excluded = 0): void => fixture.clients.cast(GROUP, frame(text), excluded, 'message');
const direct = (client: TestClient, text: string): void => fixture.clients.direct(client.handle, frame(text), false);

describe('fan-out', () => {
  beforeEach(async () => {
    fixture = await startFixture();
  });

  it('writes once to each member in a turn, in order, directs among casts', async () => {
    const list = await members(3);
    const [a, b, c] = [at(list, 0), at(list, 1), at(list, 2)];
    cast('1');
    direct(b, 'only b');
    cast('2');
    cast('3');
    direct(b, 'b again');
    await until(() => [a, b, c].every((one) => one.texts.length >= 3) && b.texts.length === 5);
    expect(a.texts).toEqual(['1', '2', '3']);
    expect(b.texts).toEqual(['1', 'only b', '2', '3', 'b again']);
    expect(c.texts).toEqual(['1', '2', '3']);
    expect([a, b, c].map(writesTo)).toEqual([1, 1, 1]);
    expect(fixture.clients.stats).toMatchObject({ deliveries: 11, writes: 3 });
  });

  it('38 answers no pings of a client for whom 64 KiB wait, and does again once they have gone', async () => {
    const { ws, far, texts } = at(await members(1), 0);
    let pongs = 0;
    ws.on('pong', () => pongs++);
    rawSocketOf(far)?.cork();
    fixture.adapter.write(far, frame('y'.repeat(66_000)));
    for (let i = 0; i < 3; i++) ws.ping();
    ws.send('{"type":"ping"}');
    await until(() => fixture.events.frames.length === 1);
    rawSocketOf(far)?.uncork();
    await until(() => texts.length === 1 && far.bufferedAmount === 0);
    ws.ping('late');
    await until(() => pongs > 0);
    expect(pongs).toBe(1);
  });

  it('gives a later turn a write of its own', async () => {
    const list = await members(1);
    const client = at(list, 0);
    cast('1');
    await until(() => client.texts.length === 1);
    direct(client, '2');
    await until(() => client.texts.length === 2);
    cast('3');
    await until(() => client.texts.length === 3);
    expect(client.texts).toEqual(['1', '2', '3']);
    expect(writesTo(client)).toBe(3);
  });

  it('delivers to who joins in mid-turn what is cast after, to who leaves what was cast before', async () => {
    const list = await members(2);
    const [stays, leaves] = [at(list, 0), at(list, 1)];
    const joins = await fixture.connect();
    cast('1');
    direct(joins, 'welcome');
    fixture.clients.join(GROUP, joins.handle);
    cast('2');
    fixture.clients.leave(GROUP, leaves.handle);
    cast('3');
    await until(() => stays.texts.length === 3 && joins.texts.length === 3 && leaves.texts.length === 2);
    expect(joins.texts).toEqual(['welcome', '2', '3']);
    expect(leaves.texts).toEqual(['1', '2']);
    expect([stays, joins, leaves].map(writesTo)).toEqual([1, 1, 1]);
  });

  it('leaves the excluded out of that cast alone', async () => {
    const list = await members(2);
    const [a, b] = [at(list, 0), at(list, 1)];
    cast('1');
    cast('not for a', a.handle);
    cast('3');
    await until(() => a.texts.length === 2 && b.texts.length === 3);
    expect(a.texts).toEqual(['1', '3']);
    expect(b.texts).toEqual(['1', 'not for a', '3']);
  });

  it('writes nothing to the excluded where there is nothing else', async () => {
    const list = await members(2);
    const [a, b] = [at(list, 0), at(list, 1)];
    cast('not for a', a.handle);
    await until(() => b.texts.length === 1);
    expect(writesTo(a)).toBe(0);
    cast('for both');
    await until(() => a.texts.length === 1);
    expect(a.texts).toEqual(['for both']);
  });

  it('moves a client from one group to another within a turn', async () => {
    const client = at(await members(1), 0);
    cast('old 1');
    fixture.clients.leave(GROUP, client.handle);
    fixture.clients.join(2, client.handle);
    cast('old 2');
    fixture.clients.cast(2, frame('new'), 0, 'message');
    await until(() => client.texts.length === 2);
    expect(client.texts).toEqual(['old 1', 'new']);
    expect(writesTo(client)).toBe(1);
    fixture.clients.leave(2, client.handle);
    expect(fixture.clients.groups).toBe(0);
  });

  it('closes after what was due, and tells the core nothing', async () => {
    const client = at(await members(1), 0);
    cast('1');
    fixture.clients.close(client.handle, {
      code: 1013,
      reason: 'later',
      retryAfterMs: 1_200.4,
      error: { code: 'unavailable', message: 'no owner', retryable: true },
    });
    cast('2');
    expect(await client.closed).toEqual({ code: 1013, reason: 'later' });
    expect(client.texts[0]).toBe('1');
    expect(client.texts.slice(1).map((text) => JSON.parse(text))).toEqual([
      { type: 'error', code: 'unavailable', message: 'no owner', retryable: true },
      { type: 'notice', kind: 'try_later', retryAfterMs: 1_201 },
    ]);
    await until(() => fixture.clients.sockets === 0);
    expect(fixture.events.closed).toEqual([]);
  });
});

describe('a client', () => {
  beforeEach(async () => {
    fixture = await startFixture({ messageRate: 5 }, 1_024);
  });

  it('that says goodbye has left; one whose socket breaks may resume', async () => {
    const list = await members(4);
    at(list, 0).ws.close(1000);
    at(list, 1).ws.close(1001);
    at(list, 2).ws.close();
    at(list, 3).ws.terminate();
    await until(() => fixture.events.closed.length === 4);
    const how = new Map(fixture.events.closed.map((one) => [one.handle, one.how]));
    expect(list.map((one) => how.get(one.handle))).toEqual(['left', 'left', 'left', 'broken']);
    expect(fixture.clients.sessions).toBe(0);
  });

  it('36 that sends binary is closed with 1003, broken UTF-8 1007, too much 1009', async () => {
    const list = await members(3);
    at(list, 0).ws.send(Buffer.from('binary'));
    at(list, 1).ws.send(Buffer.from([0xff, 0xfe]), { binary: false });
    at(list, 2).ws.send('x'.repeat(1_025));
    expect(await Promise.all(list.map((one) => one.closed.then((closed) => closed.code)))).toEqual([1003, 1007, 1009]);
    expect(fixture.events.closed.map((one) => one.how)).toEqual(['broken', 'broken', 'broken']);
    expect(fixture.events.frames).toEqual([]);
  });

  it('43 above its rate is told so for that very id, and heard again a second later', async () => {
    const client = at(await members(1), 0);
    for (let id = 1; id <= 6; id++) client.ws.send(`{"type":"publish","id":${id},"data":0}`);
    await until(() => client.texts.length === 1);
    expect(fixture.events.frames).toHaveLength(5);
    expect(client.texts.map((text) => JSON.parse(text))).toMatchObject([
      { type: 'error', code: 'rate_limited', retryable: true, id: 6 },
    ]);
    fixture.clock.advance(1_000);
    client.ws.send('{"type":"ping"}');
    await until(() => fixture.events.frames.length === 6);
  });

  it('43 far above its rate is closed with 1008', async () => {
    const client = at(await members(1), 0);
    for (let i = 0; i < 60; i++) client.ws.send('{"type":"ping"}');
    expect((await client.closed).code).toBe(1008);
    expect(fixture.events.frames).toHaveLength(5);
    expect(fixture.events.closed).toEqual([{ handle: client.handle, how: 'broken' }]);
  });

  it('43 above its rate with what is no JSON is closed ten times sooner', async () => {
    const client = at(await members(1), 0);
    for (let i = 0; i < 12; i++) client.ws.send('x');
    expect((await client.closed).code).toBe(1008);
    expect(fixture.events.frames).toHaveLength(5);
  });

  it('is not read from while paused', async () => {
    const list = await members(2);
    const [paused, other] = [at(list, 0), at(list, 1)];
    fixture.clients.setReading(paused.handle, false);
    paused.ws.send('held');
    other.ws.send('heard');
    await until(() => fixture.events.frames.length === 1);
    expect(fixture.events.frames).toEqual([{ handle: other.handle, text: 'heard' }]);
    fixture.clients.setReading(paused.handle, true);
    await until(() => fixture.events.frames.length === 2);
  });

  it('whose socket closed before it was added is reported in a later turn', async () => {
    const client = await fixture.connect();
    client.far.terminate();
    await until(() => fixture.events.closed.length === 1);
    fixture.clients.add(99, client.far);
    expect(fixture.events.closed).toHaveLength(1);
    await until(() => fixture.events.closed.length === 2);
    expect(fixture.events.closed[1]).toEqual({ handle: 99, how: 'broken' });
  });
});

describe('keep-alive', () => {
  const TICKS_OF_PING = 100;
  const TICKS_OF_PONG = 40;

  beforeEach(async () => {
    fixture = await startFixture();
  });

  async function ticks(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      fixture.clock.advance(250);
      fixture.clients.tick();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  it('pings everyone once a round, staggered, and ends who does not answer', async () => {
    const answers = await fixture.connect();
    const silent = await fixture.connect({ autoPong: false });
    const pings: string[] = [];
    answers.ws.on('ping', () => pings.push('answers'));
    silent.ws.on('ping', () => pings.push('silent'));
    await ticks(1);
    await until(() => pings.length === 1);
    expect(pings).toEqual(['answers']);
    await ticks(1);
    await until(() => pings.length === 2);
    await ticks(TICKS_OF_PONG - 1);
    expect(fixture.events.closed).toEqual([]);
    await ticks(1);
    expect(fixture.events.closed).toEqual([{ handle: silent.handle, how: 'broken' }]);
    expect((await silent.closed).code).toBe(1006);
    await ticks(TICKS_OF_PING - TICKS_OF_PONG);
    await until(() => pings.length === 3);
    expect(answers.ws.readyState).toBe(answers.ws.OPEN);
    expect(fixture.clients.stats.silentCloses).toBe(1);
  });

  it('accuses nobody after the process itself stood still', async () => {
    const client = await fixture.connect({ autoPong: false });
    let pinged = 0;
    client.ws.on('ping', () => {
      pinged += 1;
    });
    await ticks(2);
    await until(() => pinged === 1);
    fixture.clock.advance(60_000);
    fixture.clients.tick();
    expect(fixture.events.closed).toEqual([]);
  });
});

describe('a slow client', () => {
  const BOUND = 100_000;

  beforeEach(async () => {
    fixture = await startFixture({ backlogBytesMax: BOUND, backlogTotalBytesMax: 3 * BOUND });
  });

  it('is closed alone with 4100 when it stops reading, while others get everything', async () => {
    const list = await members(2);
    const [slow, quick] = [at(list, 0), at(list, 1)];
    slow.ws.pause();
    let sent = 0;
    while (fixture.clients.stats.slowCloses === 0 && sent < 2_000) {
      cast('x'.repeat(50_000));
      sent += 1;
      await until(() => quick.texts.length === sent);
    }
    expect(fixture.events.closed).toEqual([{ handle: slow.handle, how: 'broken' }]);
    slow.ws.resume();
    expect((await slow.closed).code).toBe(4100);
    expect(JSON.parse(slow.texts.at(-1) ?? '')).toMatchObject({ type: 'notice', kind: 'slow_consumer' });
    expect(quick.texts).toHaveLength(sent);
    await until(() => fixture.clients.backlogBytes === 0);
  });

  it('39 in a busy room costs the others no write, no turn and no message, and is held within its bound', async () => {
    const list = await members(4);
    const [slow, ...others] = list;
    if (slow === undefined) throw new Error('nobody is slow');
    slow.ws.pause();
    const MESSAGE = 50_000;
    const AFTER = 20;
    let turns = 0;
    let writesWhenClosed = 0;
    let peak = 0;
    // On after it is gone: a room with it and a room without it go the same way.
    while (writesWhenClosed === 0 ? turns < 4_000 : turns < writesWhenClosed + AFTER) {
      cast('x'.repeat(MESSAGE));
      turns += 1;
      await until(() => others.every(({ texts }) => texts.length === turns), 'all others heard it');
      peak = Math.max(peak, fixture.clients.backlogBytes);
      if (fixture.clients.stats.slowCloses === 1 && writesWhenClosed === 0) writesWhenClosed = turns;
    }
    expect(fixture.events.closed).toEqual([{ handle: slow.handle, how: 'broken' }]);
    // What the kernel takes for it is the kernel's; of its own the router holds no more than the bound and what was just written.
    expect(peak).toBeGreaterThan(0);
    expect(peak).toBeLessThanOrEqual(BOUND + 2 * MESSAGE);
    expect(new Set(others.map(writesTo))).toEqual(new Set([turns]));
    expect(writesTo(slow)).toBeLessThanOrEqual(writesWhenClosed);
    for (const { texts } of others) expect(texts).toHaveLength(turns);
  });

  it('loses ephemeral messages above half of the bound, and no others', async () => {
    const list = await members(2);
    const [slow, quick] = [at(list, 0), at(list, 1)];
    fixture.adapter.backlog.set(slow.far, BOUND / 2 + 1);
    cast('1');
    await until(() => slow.texts.length === 1);
    fixture.clients.cast(GROUP, frame('signal'), 0, 'ephemeral');
    cast('2');
    await until(() => quick.texts.length === 3 && slow.texts.length === 2);
    fixture.clients.direct(slow.handle, frame('signal'), true);
    direct(slow, '3');
    await until(() => slow.texts.length === 3);
    expect(slow.texts).toEqual(['1', '2', '3']);
    expect(quick.texts).toEqual(['1', 'signal', '2']);
    expect(fixture.clients.dropped).toBe(2);
    fixture.adapter.backlog.delete(slow.far);
    fixture.clients.cast(GROUP, frame('signal'), 0, 'ephemeral');
    await until(() => slow.texts.length === 4);
  });

  it('is closed once what waited has waited for ten seconds, not before, and not if it went', async () => {
    const list = await members(2);
    const [stuck, moving] = [at(list, 0), at(list, 1)];
    fixture.adapter.backlog.set(stuck.far, 10);
    fixture.adapter.backlog.set(moving.far, 10);
    cast('1');
    await until(() => moving.texts.length === 1);
    fixture.clock.advance(6_000);
    fixture.adapter.backlog.set(moving.far, 3);
    cast('2');
    await until(() => moving.texts.length === 2);
    fixture.clock.advance(3_999);
    fixture.clients.tick();
    expect(fixture.events.closed).toEqual([]);
    fixture.clock.advance(1);
    fixture.clients.tick();
    expect(fixture.events.closed).toEqual([{ handle: stuck.handle, how: 'broken' }]);
  });

  it('is closed when all together are too much, as soon as that is written: the largest first', async () => {
    const list = await members(4);
    const sizes = [0.7, 0.9, 0.8, 0.7];
    for (const [i, size] of sizes.entries()) fixture.adapter.backlog.set(at(list, i).far, size * BOUND);
    cast('1');
    await until(() => fixture.events.closed.length > 0);
    expect(fixture.events.closed).toEqual([{ handle: at(list, 1).handle, how: 'broken' }]);
  });

  it('is cut off when all together are too much again while it closes: before others are told', async () => {
    const list = await members(4);
    const [big, other] = [at(list, 1), at(list, 0)];
    const sizes = [0.7, 0.9, 0.8, 0.7];
    for (const [i, size] of sizes.entries()) fixture.adapter.backlog.set(at(list, i).far, size * BOUND);
    cast('1');
    await until(() => fixture.events.closed.length === 1);
    expect(fixture.clients.backlogBytes).toBeGreaterThan(3 * BOUND);
    direct(other, '2');
    await until(() => other.texts.includes('2'));
    expect(fixture.clients.backlogBytes).toBeLessThanOrEqual(3 * BOUND);
    expect(fixture.events.closed).toEqual([{ handle: big.handle, how: 'broken' }]);
    await big.closed;
    expect(fixture.clients.sockets).toBe(3);
  });
});

describe('a router that stops', () => {
  beforeEach(async () => {
    fixture = await startFixture();
  });

  it('tells every client its own time to come back, and closes 1012', async () => {
    const list = await members(20);
    const stopped = fixture.clients.stop(10_000);
    const codes = await Promise.all(list.map((one) => one.closed.then((closed) => closed.code)));
    await stopped;
    expect(new Set(codes)).toEqual(new Set([1012]));
    const notices = list.map((one) => JSON.parse(one.texts.at(-1) ?? '') as { kind: string; retryAfterMs: number });
    expect(new Set(notices.map((one) => one.kind))).toEqual(new Set(['restart']));
    expect(new Set(notices.map((one) => one.retryAfterMs)).size).toBeGreaterThan(10);
    expect(Math.max(...notices.map((one) => one.retryAfterMs))).toBeLessThanOrEqual(10_000);
    expect(fixture.events.closed).toHaveLength(20);
    expect(fixture.clients.sockets).toBe(0);
  });

  it('sends away who comes after', async () => {
    await fixture.clients.stop(1_000);
    const client = await fixture.connect();
    expect((await client.closed).code).toBe(1012);
    await until(() => fixture.events.closed.length === 1);
  });
});
