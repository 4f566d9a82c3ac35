import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { dialLink, parseAddress } from './dial.ts';
import { LinkDialer } from './dialer.ts';
import { Cleanup, dialRaw, End, listen, NODE, ROUTER, serve, turns } from './link-fixture.ts';
import { LinkListener } from './listener.ts';

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe('LinkDialer', () => {
  function dialer(end: End, address: { host: string; port: number }, pauses: number[] = []) {
    const result = new LinkDialer({ ...end.options, address, onRedial: (_down, pauseMs) => pauses.push(pauseMs) });
    cleanup.add(() => result.stop());
    return result;
  }

  test('dials again until somebody is there: pauses double up to half a second, jittered', async () => {
    const address = await serve(cleanup, createServer());
    await cleanup.run();
    const router = new End(ROUTER);
    const pauses: number[] = [];
    const redial = dialer(router, address, pauses);
    redial.start();
    redial.start();
    for (let failure = 1; failure <= 8; failure++) {
      await router.events.until(() => router.events.downs.length === failure);
      expect(router.timers.pending).toBe(1);
      router.timers.advance(pauses.at(-1) ?? 0);
    }
    for (const [at, pauseMs] of pauses.entries()) {
      const longestMs = Math.min(500, 100 * 2 ** at);
      expect(pauseMs).toBeGreaterThanOrEqual(longestMs * 0.5);
      expect(pauseMs).toBeLessThanOrEqual(longestMs);
    }
    expect(new Set(pauses).size).toBe(pauses.length);
    expect(router.events.downs.every((down) => down.code === 'unreachable' && !down.wasUp)).toBe(true);
    expect(redial.link).toBeUndefined();

    await router.events.until(() => router.events.downs.length === 9);
    const node = new End(NODE);
    await listen(cleanup, node, { port: address.port });
    redial.hurry();
    const link = await router.events.link();
    expect(redial.link).toBe(link);
    // After a success the pauses start anew.
    (await node.events.link()).destroy();
    await router.events.until(() => router.events.downs.length === 10);
    expect(pauses.at(-1)).toBeLessThanOrEqual(100);
    router.timers.advance(100);
    await router.events.until(() => router.events.ups.length === 2);
  });

  test('tells that its link is pressed, and eased', async () => {
    const takes = { value: false };
    const node = new End(NODE, { takes: () => takes.value });
    const { address } = await listen(cleanup, node);
    const pressed: boolean[] = [];
    const router = new End(ROUTER, { pressedBytes: 10_000 });
    const events = Object.assign(router.events, {
      onPressed: (_link: unknown, isPressed: boolean) => void pressed.push(isPressed),
    });
    const redial = new LinkDialer({ ...router.options, events, address });
    cleanup.add(() => redial.stop());
    redial.start();
    const link = await router.events.link();
    const accepted = await node.events.link();
    for (let seq = 1; seq <= 3; seq++) {
      link.send({ type: 'cast', room: 1, class: 'message', seq, excluded: 0, frame: Buffer.alloc(9_000) });
    }
    await turns(1);
    expect(pressed).toEqual([true]);
    takes.value = true;
    accepted.renewCredit();
    await node.events.until(() => node.events.messages.length === 3);
    await turns(1);
    expect(pressed).toEqual([true, false]);
  });

  test('dials no more once it is stopped, at any stage', async () => {
    const node = new End(NODE);
    const { address } = await listen(cleanup, node);
    const never = new End(ROUTER);
    await dialer(never, address).stop();
    const fresh = dialer(never, address);
    await fresh.stop();
    fresh.start();
    expect(never.timers.pending).toBe(0);

    const early = new End(ROUTER);
    const connecting = dialer(early, address);
    connecting.start();
    await connecting.stop();
    expect(early.events.downs).toMatchObject([{ code: 'closed', wasUp: false }]);
    expect(early.timers.pending).toBe(0);

    const up = new End(ROUTER);
    const established = dialer(up, address);
    established.start();
    await up.events.link();
    await established.stop();
    expect(up.events.downs).toMatchObject([{ code: 'closed', wasUp: true }]);
    expect(up.timers.pending).toBe(0);
    established.hurry();
    await turns(5);
    expect(up.events.ups.length).toBe(1);
  });

  test('refuses an identity that cannot be used at start', () => {
    const end = new End({ ...ROUTER, self: { ...ROUTER.self, id: 'with a blank' } });
    expect(() => dialer(end, { host: '127.0.0.1', port: 1 })).toThrow('id must be');
  });
});

describe('LinkListener', () => {
  test('47 strangers who hold connections open keep nobody out: the oldest of them goes', async () => {
    const node = new End(NODE);
    const refused: string[] = [];
    const { listener, address } = await listen(cleanup, node, {
      unprovenMax: 2,
      onRefused: (why) => refused.push(why),
    });
    // They say nothing, and a node's clock that stands still never times them out.
    const first = await dialRaw(cleanup, address);
    const cut = new Promise((resolve) => first.resume().once('close', resolve));
    while (listener.unproven < 1) await turns(1);
    for (const _ of [2, 3]) await dialRaw(cleanup, address);
    await cut;
    expect(refused).toEqual(['unproven']);
    expect(listener.unproven).toBe(2);
    const router = new End(ROUTER);
    const link = dialLink(address, router.options);
    cleanup.add(() => link.destroy());
    await router.events.link();
    await node.events.link();
    expect(refused).toEqual(['unproven', 'unproven']);
    expect(listener.links().length).toBe(1);
    expect(listener.unproven).toBe(1);
    node.timers.advance(5_000);
    expect(listener.unproven).toBe(0);
  });

  test('tells that a link which it took in is pressed', async () => {
    const node = new End(NODE, { pressedBytes: 10_000 });
    const pressed: boolean[] = [];
    Object.assign(node.events, { onPressed: (_link: unknown, isPressed: boolean) => void pressed.push(isPressed) });
    const { address } = await listen(cleanup, node);
    const router = new End(ROUTER, { takes: () => false });
    const link = dialLink(address, router.options);
    cleanup.add(() => link.destroy());
    const accepted = await node.events.link();
    for (let seq = 1; seq <= 3; seq++) {
      accepted.send({ type: 'cast', room: 1, class: 'message', seq, excluded: 0, frame: Buffer.alloc(9_000) });
    }
    await turns(1);
    expect(pressed).toEqual([true]);
  });

  test('cuts links beyond its bound', async () => {
    const node = new End(NODE);
    const refused: string[] = [];
    const { address } = await listen(cleanup, node, { linksMax: 1, onRefused: (why) => refused.push(why) });
    const first = new End(ROUTER);
    dialLink(address, first.options);
    await first.events.link();
    const second = new End(ROUTER);
    dialLink(address, second.options);
    expect(await second.events.down()).toMatchObject({ wasUp: false });
    expect(refused).toEqual(['links']);
    expect(first.events.downs).toEqual([]);
  });

  test('closes its links in order, and is done when the last socket is', async () => {
    const node = new End(NODE);
    const { listener, address } = await listen(cleanup, node);
    const router = new End(ROUTER);
    dialLink(address, router.options);
    await router.events.link();
    await listener.close({ type: 'goaway', reason: 'closing', text: '' });
    expect(await router.events.down()).toMatchObject({ code: 'ended' });
    expect(router.events.messages).toEqual([{ type: 'goaway', reason: 'closing', text: '' }]);
    expect(listener.links()).toEqual([]);
    expect(node.timers.pending).toBe(0);
  });

  test('says where it cannot listen', async () => {
    const node = new End(NODE);
    const { address } = await listen(cleanup, node);
    const second = new LinkListener({ ...node.options, ...address });
    await expect(second.start()).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await second.close();
  });
});

test.each([
  ['10.0.0.1:7000', { host: '10.0.0.1', port: 7000 }],
  ['node-1.example:1', { host: 'node-1.example', port: 1 }],
  ['[::1]:65535', { host: '::1', port: 65_535 }],
  ['::1:7000', undefined],
  ['node', undefined],
  ['node:0', undefined],
  ['node:65536', undefined],
  ['no de:1', undefined],
  ['', undefined],
])('parseAddress(%j)', (text, address) => {
  expect(parseAddress(text)).toEqual(address);
});
