import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { LinkConnection, type LinkOptions } from './connection.ts';
import { dialLink } from './dial.ts';
import { encode } from './encode.ts';
import { Cleanup, dialRaw, End, listen, NODE, ROUTER, serve, shakeRaw, turns } from './link-fixture.ts';
import { type Cast, isGated, type LinkMessage } from './messages.ts';
import { HAND_OVER_MAX } from './outgoing.ts';

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function cast(seq: number, bytes = 8): Cast {
  return { type: 'cast', room: 1, class: 'message', seq, excluded: 0, frame: Buffer.alloc(bytes, seq) };
}

function moved(epoch: number): LinkMessage {
  return { type: 'moved', room: 1, epoch };
}

/** A router and a node with a link up between them. `writes` are the bytes of each hand-over of the router's side. */
async function pair(routerOptions: Partial<LinkOptions> = {}, nodeOptions: Partial<LinkOptions> = {}) {
  const node = new End(NODE, nodeOptions);
  const router = new End(ROUTER, routerOptions);
  const { listener, address } = await listen(cleanup, node);
  const socket = connect(address);
  const writes: number[] = [];
  let inFlight = 0;
  const write = socket.write.bind(socket) as (bytes: Buffer, done?: (error?: Error | null) => void) => boolean;
  socket.write = ((bytes: Buffer, done?: (error?: Error | null) => void) => {
    inFlight += 1;
    expect(inFlight).toBeLessThanOrEqual(done === undefined ? 2 : 1);
    writes.push(bytes.length);
    return write(bytes, (error) => {
      inFlight -= 1;
      done?.(error);
    });
  }) as typeof socket.write;
  const link = new LinkConnection(socket, 'dialer', router.options);
  cleanup.add(() => link.destroy());
  await router.events.link();
  const accepted = await node.events.link();
  await turns(3);
  writes.length = 0;
  return { node, router, link, accepted, listener, writes, socket };
}

/** Queues casts until the kernel takes no more and `queuedBytes` remain. */
async function stuff(link: LinkConnection, receiver: LinkConnection, queuedBytes: number): Promise<number> {
  receiver.pause();
  let seq = 0;
  for (let still = 0; still < 20; ) {
    const before = link.queuedBytes;
    while (link.queuedBytes < queuedBytes) link.send(cast(++seq, 32_768));
    await turns(5);
    still = link.queuedBytes === before ? still + 1 : 0;
  }
  return seq;
}

describe('a link', () => {
  test('comes up on both sides and carries messages in order', async () => {
    const { node, router, link, accepted } = await pair();
    expect(link.peer).toMatchObject({ role: 'node', id: 'n1' });
    expect(accepted.peer).toMatchObject({ role: 'router', id: 'r1' });
    const there: LinkMessage[] = [cast(1), moved(2), cast(3, 300_000), moved(4), cast(5)];
    for (const message of there) expect(link.send(message)).toBe(true);
    accepted.send(cast(9, 65_536));
    await node.events.until(() => node.events.messages.length === there.length);
    await router.events.until(() => router.events.messages.length === 1);
    expect(node.events.messages).toEqual(there);
    expect(router.events.messages).toEqual([cast(9, 65_536)]);
    expect(link.queuedBytes).toBe(0);
  });

  test('takes nothing before it is up and after it is down', async () => {
    const node = new End(NODE);
    const { address } = await listen(cleanup, node);
    const router = new End(ROUTER);
    const link = dialLink(address, router.options);
    expect(link.send(cast(1))).toBe(false);
    await router.events.link();
    link.destroy();
    expect(link.send(cast(1))).toBe(false);
    expect(router.events.downs).toEqual([{ code: 'closed', text: 'closed here', wasUp: true }]);
    expect(await link.whenHandedOver()).toBe(false);
    await node.events.down();
  });

  test('cuts an OPEN that is too large for a frame', async () => {
    const { node, link } = await pair();
    const sessions = Array.from({ length: 2_000 }, (_, at) => ({
      handle: at + 1,
      session: `s${at}`,
      user: 'u',
      seat: 1,
      kind: 'rebind' as const,
      since: 1,
    }));
    link.send({ type: 'open', room: 'r', floor: 0, sessions });
    const seated = () => node.events.messages.flatMap((message) => (message.type === 'open' ? message.sessions : []));
    await node.events.until(() => seated().length === 2_000);
    expect(node.events.messages.length).toBeGreaterThan(1);
    expect(seated()).toEqual(sessions);
  });
});

describe('hand-over', () => {
  test('what is sent in one turn leaves in one write, at the end of that turn', async () => {
    const { link, writes } = await pair();
    for (let seq = 1; seq <= 100; seq++) link.send(cast(seq));
    expect(writes).toEqual([]);
    await turns(1);
    expect(writes).toEqual([100 * (8 + 11 + 8)]);
  });

  test('gives the kernel at most 64 KiB at a time, and the next only after that', async () => {
    const { node, link, writes } = await pair();
    for (let seq = 1; seq <= 5_000; seq++) link.send(cast(seq, 1 + (seq % 900)));
    link.send(cast(5_001, 65_536));
    await node.events.until(() => node.events.messages.length === 5_001);
    // A frame of the largest content goes alone, and is larger by its header.
    expect(writes.filter((bytes) => bytes > HAND_OVER_MAX)).toEqual([8 + 11 + 65_536]);
    expect(writes.length).toBeGreaterThan(30);
    expect(node.events.messages.map((message) => message.type === 'cast' && message.seq)).toEqual(
      Array.from({ length: 5_001 }, (_, at) => at + 1),
    );
  });

  test('flush does not wait for the end of the turn', async () => {
    const { link, writes } = await pair();
    link.send(cast(1));
    link.flush();
    expect(writes).toEqual([27]);
  });

  test('the gate is asked for each gated message at the moment it leaves', async () => {
    let open = true;
    const asked: string[] = [];
    const gate = (message: LinkMessage) => {
      asked.push(message.type);
      return open;
    };
    const { node, router, link, accepted } = await pair({ gate });
    const before = await stuff(link, accepted, 1_000_000);
    const queuedCasts = link.queued((message) => message.type === 'cast');
    expect(queuedCasts).toBeGreaterThan(20);
    link.send(moved(1));
    link.send(cast(before + 1));
    link.send(moved(2));
    const askedBefore = asked.length;
    open = false;
    accepted.resume();
    await node.events.until(() =>
      node.events.messages.some((message) => message.type === 'moved' && message.epoch === 2),
    );

    // What the kernel had comes through without a gap; then only what is not gated, in order.
    const seqs = node.events.messages.flatMap((message) => (message.type === 'cast' ? [message.seq] : []));
    expect(seqs).toEqual(Array.from({ length: before - queuedCasts }, (_, at) => at + 1));
    expect(node.events.messages.slice(-2)).toEqual([moved(1), moved(2)]);
    const droppedSeqs = router.events.dropped.flatMap((message) => (message.type === 'cast' ? [message.seq] : []));
    expect(droppedSeqs).toEqual(Array.from({ length: queuedCasts + 1 }, (_, at) => before - queuedCasts + 1 + at));
    expect(asked.length - askedBefore).toBe(queuedCasts + 1);
    expect(new Set(asked)).toEqual(new Set(['cast']));
    expect(link.queuedBytes).toBe(0);
  });

  test('what is queued can be counted and taken back', async () => {
    const { node, link, accepted, router } = await pair();
    const before = await stuff(link, accepted, 500_000);
    link.send(moved(1));
    const counted = link.queued(isGated);
    const handedOver = link.whenHandedOver();
    const dropped = link.dropQueued(isGated);
    expect(dropped.length).toBe(counted);
    expect(dropped.at(-1)).toEqual(cast(before, 32_768));
    expect(link.queued(() => true)).toBe(1);
    expect(router.events.dropped).toEqual([]);
    accepted.resume();
    expect(await handedOver).toBe(true);
    await node.events.until(() => node.events.messages.at(-1)?.type === 'moved');
    expect(node.events.messages.length).toBe(before - counted + 1);
  });

  test('40 a queue at its bound refuses, and takes again when it is shorter', async () => {
    const { router, link, accepted } = await pair({ queueBytesMax: 300_000 });
    accepted.pause();
    // The kernel takes some megabytes before anything stays in the queue.
    let refused = false;
    for (let attempt = 0; attempt < 2_000 && !refused; attempt++) {
      while (link.send(cast(1, 60_000))) {}
      const bytes = link.queuedBytes;
      await turns(20);
      refused = link.queuedBytes === bytes;
    }
    expect(refused).toBe(true);
    expect(link.queuedBytes).toBeLessThanOrEqual(300_000);
    expect(link.queuedBytes).toBeGreaterThan(230_000);
    const idles = router.events.idles;
    accepted.resume();
    await router.events.until(() => router.events.idles > idles);
    expect(link.send(cast(1, 60_000))).toBe(true);
  });

  test('whoever waits for the hand-over is told when the link goes down first', async () => {
    const { link, accepted } = await pair();
    await stuff(link, accepted, 500_000);
    const handedOver = link.whenHandedOver();
    link.destroy();
    expect(await handedOver).toBe(false);
  });

  test('a message that cannot be encoded is the caller’s fault, and the link lives on', async () => {
    const { node, link } = await pair();
    expect(() => link.send(cast(1, 2_000_000))).toThrow('at most 1064960');
    link.send(cast(2));
    await node.events.until(() => node.events.messages.length === 1);
    expect(node.events.messages).toEqual([cast(2)]);
  });
});

describe('reading', () => {
  test('stops at the very message that pauses it, and goes on with the next', async () => {
    const { node, link, accepted } = await pair();
    node.events.listener = (_link, message) => {
      if (message.type === 'cast' && message.seq === 2) accepted.pause();
    };
    for (let seq = 1; seq <= 5; seq++) link.send(cast(seq));
    await node.events.until(() => node.events.messages.length === 2);
    await turns(10);
    expect(node.events.messages).toEqual([cast(1), cast(2)]);
    accepted.resume();
    expect(node.events.messages.length).toBe(5);
  });

  test('tells nothing after the link was cut by a callback', async () => {
    const { node, link, accepted } = await pair();
    node.events.listener = () => accepted.destroy();
    link.send(cast(1));
    link.send(cast(2));
    await node.events.down();
    await turns(5);
    expect(node.events.messages).toEqual([cast(1)]);
    expect(node.events.downs.length).toBe(1);
  });
});

describe('heartbeat', () => {
  test('brings the other side’s pulse, as of when it was asked', async () => {
    const { node, router, link } = await pair({}, { pulse: () => ({ loopDelayUs: 1_234.4, redis: 'failed' }) });
    const askedAt = router.clock.now();
    expect(link.ping()).toBe(true);
    router.clock.advance(7);
    await router.events.until(() => router.events.pongs.length === 1);
    expect(router.events.pongs).toEqual([{ sentAt: askedAt, rttMs: 7, loopDelayUs: 1_234, redis: 'failed' }]);
    // By itself once a second, give or take the jitter.
    router.timers.advance(1_100);
    await router.events.until(() => router.events.pongs.length === 2);
    expect(node.events.messages).toEqual([]);
  });

  test('overtakes what is queued', async () => {
    const { router, link, accepted } = await pair();
    await stuff(link, accepted, 2_000_000);
    link.ping();
    let seen = -1;
    router.events.onPong = (link) => {
      seen = link.queuedBytes;
    };
    accepted.resume();
    await router.events.until(() => router.events.idles > 0 && seen >= 0);
    expect(seen).toBeGreaterThanOrEqual(0);
  });

  test('a side from which nothing comes for 5 s is cut off', async () => {
    const { router, accepted } = await pair();
    accepted.pause();
    router.timers.advance(4_999);
    expect(router.events.downs).toEqual([]);
    router.timers.advance(1);
    expect(router.events.downs).toMatchObject([{ code: 'silent', wasUp: true }]);
    expect(router.timers.pending).toBe(0);
  });

  test('a side that only answers is not silent', async () => {
    const { router } = await pair();
    for (let second = 0; second < 20; second++) {
      const pongs = router.events.pongs.length;
      router.timers.advance(1_100);
      await router.events.until(() => router.events.pongs.length > pongs);
    }
    expect(router.events.downs).toEqual([]);
  });

  test('our own stall is not the other side’s silence', async () => {
    const { router, link, accepted } = await pair();
    accepted.send(cast(1));
    await router.events.until(() => router.events.messages.length === 1);
    router.timers.stall(60_000);
    expect(link.isUp).toBe(true);
    // From there on it is.
    accepted.pause();
    router.timers.advance(5_000);
    expect(router.events.downs).toMatchObject([{ code: 'silent' }]);
  });

  test('while reading is paused nothing can be heard, and it does not count', async () => {
    const { router, link } = await pair();
    link.pause();
    router.timers.advance(20_000);
    expect(link.isUp).toBe(true);
    link.resume();
    router.timers.advance(4_000);
    expect(link.isUp).toBe(true);
  });
});

describe('the end', () => {
  test('in order: what is queued leaves, then the last words, then the stream ends', async () => {
    const { node, router, link, accepted } = await pair();
    const sent = await stuff(link, accepted, 1_000_000);
    const closed = link.close({ type: 'goaway', reason: 'closing', text: 'bye' });
    expect(link.close()).toBe(closed);
    expect(link.send(cast(1))).toBe(false);
    accepted.resume();
    await closed;
    expect(await node.events.down()).toMatchObject({ code: 'ended', wasUp: true });
    expect(node.events.messages.length).toBe(sent + 1);
    expect(node.events.messages.at(-1)).toEqual({ type: 'goaway', reason: 'closing', text: 'bye' });
    expect(router.events.downs).toEqual([{ code: 'closed', text: 'closed here', wasUp: true }]);
    expect(router.timers.pending).toBe(0);
    expect(node.timers.pending).toBe(0);
  });

  test('in order, but not for ever: who does not read is cut off', async () => {
    const { router, link, accepted } = await pair();
    await stuff(link, accepted, 1_000_000);
    const closed = link.close();
    router.timers.advance(2_000);
    await closed;
    expect(router.events.downs).toMatchObject([{ code: 'closed' }]);
    expect(router.timers.pending).toBe(0);
  });

  test.each(['on connect', 'after the hello'])('by a reset %s', async (stage) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      if (stage === 'on connect') socket.resetAndDestroy();
      else socket.once('data', () => socket.resetAndDestroy());
    });
    const router = new End(ROUTER);
    dialLink(await serve(cleanup, server), router.options);
    const down = await router.events.down();
    // The kernel may tell of the reset before it tells of the connection.
    expect(['unreachable', 'reset']).toContain(down.code);
    expect(down.wasUp).toBe(false);
    expect(router.timers.pending).toBe(0);
  });

  test('by a reset when it was up', async () => {
    const { node, router, socket } = await pair();
    socket.resetAndDestroy();
    expect(await node.events.down()).toMatchObject({ code: 'reset', wasUp: true });
    expect(await router.events.down()).toMatchObject({ wasUp: true });
    expect(router.timers.pending + node.timers.pending).toBe(0);
  });

  test('by a dial to a port where nobody listens', async () => {
    const free = await serve(cleanup, createServer());
    await cleanup.run();
    const router = new End(ROUTER);
    dialLink(free, router.options);
    expect(await router.events.down()).toMatchObject({ code: 'unreachable', wasUp: false });
    expect(router.timers.pending).toBe(0);
  });

  test('by a handshake that takes too long, on either side', async () => {
    const mute = createServer((socket) => cleanup.add(() => socket.destroy()));
    const router = new End(ROUTER);
    dialLink(await serve(cleanup, mute), router.options);
    const node = new End(NODE);
    const { listener, address } = await listen(cleanup, node);
    await dialRaw(cleanup, address);
    while (listener.unproven === 0) await turns(1);
    router.timers.advance(5_000);
    node.timers.advance(5_000);
    expect(['handshake', 'unreachable']).toContain(router.events.downs[0]?.code);
    expect(node.events.downs).toMatchObject([{ code: 'handshake', cause: { code: 'timeout' } }]);
    expect(listener.unproven).toBe(0);
  });
});

describe('a stranger', () => {
  test('with garbage is refused early: of 10 MB only the first chunk is read', async () => {
    const node = new End(NODE);
    const accepted: Socket[] = [];
    const server = createServer((socket) => {
      accepted.push(socket);
      new LinkConnection(socket, 'acceptor', node.options);
    });
    const socket = await dialRaw(cleanup, await serve(cleanup, server));
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const garbage = Buffer.alloc(1_000_000, 'GET / HTTP/1.1\r\n');
    for (let megabyte = 0; megabyte < 10; megabyte++) socket.write(garbage);
    const down = await node.events.down();
    expect(down).toMatchObject({ code: 'handshake', wasUp: false, cause: { code: 'bad-magic' } });
    await closed;
    expect(node.events.downs.length).toBe(1);
    expect(accepted[0]?.bytesRead).toBeLessThanOrEqual(2 * 65_536);
    expect(node.timers.pending).toBe(0);
  });

  test('with a hello of 4 KiB and more is refused before it is read', async () => {
    const node = new End(NODE);
    const { address } = await listen(cleanup, node);
    const socket = await dialRaw(cleanup, address);
    socket.write(Buffer.from('0010010100000000', 'hex'));
    expect(await node.events.down()).toMatchObject({ code: 'handshake', cause: { code: 'bad-magic' } });
  });

  test('without the secret is told so', async () => {
    const node = new End(NODE);
    const router = new End({ ...ROUTER, secrets: ['guess'] });
    const { address } = await listen(cleanup, node);
    dialLink(address, router.options);
    expect(await node.events.down()).toMatchObject({ code: 'handshake', cause: { code: 'proof' } });
    expect(await router.events.down()).toMatchObject({ code: 'handshake', cause: { code: 'proof' } });
  });
});

describe('a proven side that breaks the rules', () => {
  test.each([
    ['unknown-type', Buffer.from('0000000900000000', 'hex')],
    ['too-long', Buffer.alloc(64, 0xff).fill(0x21, 3, 4)],
    ['out-of-order', Buffer.from('0000200200000000'.concat('00'.repeat(32)), 'hex')],
  ])('is cut off with its code, and told: %s', async (code, bytes) => {
    const node = new End(NODE);
    const { address } = await listen(cleanup, node);
    const socket = await dialRaw(cleanup, address);
    await shakeRaw(socket);
    await node.events.link();
    const heard: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => heard.push(chunk));
    const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.resume();
    socket.write(bytes);
    expect(await node.events.down()).toMatchObject({ code: 'protocol', wasUp: true, cause: { code } });
    await ended;
    expect(Buffer.concat(heard).toString()).toContain(`"reason":"protocol","text":"${code}: `);
    expect(node.timers.pending).toBe(0);
  });
});

describe('credit', () => {
  test('40 a side that takes nothing more stops data, and neither heartbeats nor anything else', async () => {
    let takes = true;
    const { node, link, accepted } = await pair({}, { windowBytes: 300_000, takes: () => takes });
    takes = false;
    for (let seq = 1; seq <= 30; seq++) link.send(cast(seq, 30_000), 'a');
    link.send(moved(1), 'b');
    link.send({ type: 'call', id: 1, op: 'x', args: null });
    await node.events.until(() => node.events.messages.some((message) => message.type === 'call'));
    await node.events.until(() => node.events.messages.length === 11);
    expect(link.awaitsCredit).toBe(true);
    link.ping();
    accepted.ping();
    await node.events.until(() => node.events.pongs.length === 1);
    expect(node.events.messages).toHaveLength(11);
    takes = true;
    accepted.renewCredit();
    await node.events.until(() => node.events.messages.length === 32);
    const casts = node.events.messages.flatMap((message) => (message.type === 'cast' ? [message.seq] : []));
    expect(casts).toEqual(Array.from({ length: 30 }, (_, at) => at + 1));
    expect(link.queuedBytes).toBe(0);
  });

  test('a message larger than the window passes', async () => {
    const { node, link } = await pair({}, { windowBytes: 262_144 });
    link.send(cast(1, 1_000_000));
    link.send(cast(2));
    await node.events.until(() => node.events.messages.length === 2);
    expect(node.events.messages).toEqual([cast(1, 1_000_000), cast(2)]);
  });

  test('a peer that sends more than was granted breaks the protocol', async () => {
    const node = new End(NODE, { takes: () => false });
    const { address } = await listen(cleanup, node);
    const socket = await dialRaw(cleanup, address);
    await shakeRaw(socket, ['credit', 'fragments']);
    socket.write(encode(cast(1)));
    expect(await node.events.down()).toMatchObject({ code: 'protocol', cause: { code: 'credit-exceeded' } });
  });

  test('a peer that knows of neither credit nor fragments is served as ever', async () => {
    const { node, link, router, accepted } = await pair({ windowBytes: 262_144 }, { features: [] });
    expect(() => link.send(cast(1, 70_000))).toThrow('takes no cast of more than one frame');
    for (let seq = 1; seq <= 20; seq++) link.send(cast(seq, 60_000));
    for (let seq = 1; seq <= 20; seq++) accepted.send(cast(seq, 60_000));
    await node.events.until(() => node.events.messages.length === 20);
    await router.events.until(() => router.events.messages.length === 20);
    expect([link.takesFragments, accepted.takesFragments]).toEqual([false, false]);
  });
});

describe('pressure', () => {
  test('40 is told when much data is queued and when little is left; control is heard beyond the bound on data', async () => {
    const pressed: boolean[] = [];
    const takes = { value: false };
    const node = new End(NODE, { takes: () => takes.value });
    const { address } = await listen(cleanup, node);
    const router = new End(ROUTER, { pressedBytes: 100_000, queueBytesMax: 200_000 });
    const events = router.events as typeof router.events & { onPressed?: (link: unknown, isPressed: boolean) => void };
    events.onPressed = (_link, isPressed) => pressed.push(isPressed);
    const link = dialLink(address, router.options);
    cleanup.add(() => link.destroy());
    await router.events.link();
    const accepted = await node.events.link();
    let queued = 0;
    while (link.send(cast(queued + 1, 9_000))) queued += 1;
    expect(queued).toBe(22);
    await turns(1);
    expect(pressed).toEqual([true]);
    expect(link.send(moved(1), 'other')).toBe(true);
    takes.value = true;
    accepted.renewCredit();
    await node.events.until(() => node.events.messages.length === queued + 1);
    await turns(1);
    expect(pressed).toEqual([true, false]);
  });
});
