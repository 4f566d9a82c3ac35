import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../shared/clock.ts';
import type { LinkConnection } from '../shared/link/connection.ts';
import { Cleanup, End, listen, NODE } from '../shared/link/link-fixture.ts';
import type { LinkMessage } from '../shared/link/messages.ts';
import { inc } from './fixture.ts';
import { RouterLinks } from './link-edge.ts';

const NODE_AT = { node: 'n1', incarnation: inc('b') };
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const MOVED = (room: number): LinkMessage => ({ type: 'moved', room, epoch: 1 });

/** A router's links, and a node on loopback that says what the test wants. */
class Bench {
  readonly clock = new ManualClock();
  readonly heard: string[] = [];
  readonly polls: (() => void)[] = [];
  readonly end = new End(NODE);
  #wake: (() => void)[] = [];
  readonly links = new RouterLinks({
    self: { role: 'router', cluster: 'blue', id: 'r1', incarnation: inc('a'), features: [] },
    secrets: ['s3cret'],
    now: () => this.clock.now(),
    pulse: ({ node }) => {
      this.#hear(`asked by ${node}`);
      return { loopDelayUs: 0, redis: 'failed' };
    },
    linkUp: (at) => this.#hear(`up ${at.node}`),
    linkDown: (at) => this.#hear(`down ${at.node}`),
    linkDrained: (at) => this.#hear(`drained ${at.node}`),
    message: (_at, message) => this.#hear(`${message.type} ${'room' in message ? String(message.room) : ''}`),
    afterFreshPoll: (done) => {
      this.polls.push(done);
      this.#hear('asks for a poll');
    },
    roundTrip: () => undefined,
    log: (event) => this.#hear(event),
  });
  node: LinkConnection | undefined;

  #hear(what: string): void {
    this.heard.push(what);
    for (const wake of this.#wake.splice(0)) wake();
  }

  async until(what: string): Promise<void> {
    while (!this.heard.includes(what)) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  async up(): Promise<LinkConnection> {
    const { address } = await listen(cleanup, this.end);
    cleanup.add(() => this.links.closeAll());
    this.links.keep(NODE_AT, `127.0.0.1:${address.port}`);
    this.links.keep(NODE_AT, `127.0.0.1:${address.port}`);
    await this.until('up n1');
    return this.end.events.link();
  }
}

describe('a link', () => {
  it('is kept once, carries both ways, and is let go', async () => {
    const bench = new Bench();
    const node = await bench.up();
    expect([bench.links.up, bench.links.isUp(NODE_AT.incarnation)]).toEqual([1, true]);
    node.send(MOVED(7));
    await bench.until('moved 7');
    expect(bench.links.send(NODE_AT.incarnation, { type: 'close-session', session: 1, how: 'left' })).toBe(true);
    await bench.end.events.until(() => bench.end.events.messages.length === 1);
    bench.links.drop(NODE_AT);
    expect(bench.links.send(NODE_AT.incarnation, { type: 'close-session', session: 1, how: 'left' })).toBe(false);
    await bench.end.events.down();
    expect(bench.end.events.ups).toHaveLength(1);
  });

  it('lets what was queued leave when it is let go: a certified node hears of it', async () => {
    const bench = new Bench();
    await bench.up();
    bench.links.send(NODE_AT.incarnation, { type: 'goaway', reason: 'certified', text: 'x' });
    bench.links.drop(NODE_AT);
    await bench.end.events.down();
    expect(bench.end.events.messages).toMatchObject([{ type: 'goaway', reason: 'certified' }]);
  });

  it('that asks how this router does is answered as that node', async () => {
    const bench = new Bench();
    const node = await bench.up();
    node.ping();
    await bench.until('asked by n1');
    await bench.end.events.until(() => bench.end.events.pongs.length > 0);
    expect(bench.end.events.pongs[0]?.redis).toBe('failed');
  });

  it('that breaks is told', async () => {
    const bench = new Bench();
    const node = await bench.up();
    node.destroy();
    await bench.until('down n1');
    expect(bench.links.isUp(NODE_AT.incarnation)).toBe(false);
  });

  it('to an address that is none is not dialled', () => {
    const bench = new Bench();
    bench.links.keep(NODE_AT, 'nonsense');
    expect(bench.heard).toEqual(['node has no usable address']);
  });
});

describe('a question', () => {
  it('gets its own answer, in any order', async () => {
    const bench = new Bench();
    const node = await bench.up();
    bench.end.events.listener = (_link, message) => {
      if (message.type !== 'call' || message.op !== 'second') return;
      node.send({ type: 'return', id: message.id, result: { ok: 'two' } });
      node.send({
        type: 'return',
        id: message.id - 1,
        result: { error: { code: 'not_owner', message: 'm', retryable: true } },
      });
      node.send({ type: 'return', id: 999, result: { ok: 'nobody asked' } });
    };
    const first = bench.links.call(NODE_AT.incarnation, 'first', {}, 10_000);
    const second = bench.links.call(NODE_AT.incarnation, 'second', {}, 10_000);
    await expect(second).resolves.toBe('two');
    await expect(first).rejects.toMatchObject({ code: 'not_owner' });
  });

  it('fails in its time, with its link, and at once where there is none', async () => {
    const bench = new Bench();
    const node = await bench.up();
    await expect(bench.links.call(NODE_AT.incarnation, 'x', {}, 1)).rejects.toMatchObject({ code: 'timeout' });
    const cut = bench.links.call(NODE_AT.incarnation, 'x', {}, 10_000);
    const lost = expect(cut).rejects.toMatchObject({ code: 'link_lost' });
    node.destroy();
    await lost;
    await expect(bench.links.call(inc('c'), 'x', {}, 10_000)).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('after the loop stood still', () => {
  it('nothing is told before a fresh poll, then all of it in order', async () => {
    const bench = new Bench();
    const node = await bench.up();
    bench.links.tick();
    bench.clock.advance(1_001);
    node.send(MOVED(1));
    node.send(MOVED(2));
    await bench.until('asks for a poll');
    await new Promise((resolve) => setImmediate(resolve));
    expect(bench.heard.filter((what) => what.startsWith('moved'))).toEqual([]);
    node.send(MOVED(3));
    bench.polls[0]?.();
    await bench.until('moved 3');
    expect(bench.heard.filter((what) => what.startsWith('moved'))).toEqual(['moved 1', 'moved 2', 'moved 3']);
    expect(bench.polls).toHaveLength(1);
  });

  it('what came from a node that was let go meanwhile is not told', async () => {
    const bench = new Bench();
    const node = await bench.up();
    bench.clock.advance(1_001);
    node.send(MOVED(1));
    await bench.until('asks for a poll');
    bench.links.drop(NODE_AT);
    bench.polls[0]?.();
    expect(bench.heard.filter((what) => what.startsWith('moved'))).toEqual([]);
  });

  it('a tick in time holds nothing back', async () => {
    const bench = new Bench();
    const node = await bench.up();
    bench.clock.advance(900);
    bench.links.tick();
    bench.clock.advance(900);
    node.send(MOVED(1));
    await bench.until('moved 1');
    expect(bench.polls).toEqual([]);
  });
});
