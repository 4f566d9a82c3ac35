import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../shared/clock.ts';
import { dialLink } from '../shared/link/dial.ts';
import { End, ROUTER } from '../shared/link/link-fixture.ts';
import type { Call, LinkMessage } from '../shared/link/messages.ts';
import { LinkEdge } from './link-edge.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** An edge on a free port that writes down what its core would hear. */
class Bench {
  readonly heard: string[] = [];
  readonly messages: LinkMessage[] = [];
  readonly calls: Call[] = [];
  gate = true;
  listener: ((what: string) => void) | undefined;
  #wake: (() => void)[] = [];
  readonly edge: LinkEdge;

  constructor(id = 'n1', incarnation = 'b'.repeat(32)) {
    this.edge = new LinkEdge({
      self: { role: 'node', cluster: 'blue', id, incarnation, features: [] },
      secrets: ['s3cret'],
      host: '127.0.0.1',
      port: 0,
      gateOpen: () => this.gate,
      pulse: () => ({ loopDelayUs: 0, redis: 'answered' }),
      now: () => systemClock.now(),
      linkUp: (link, peer) => this.#hear(`up ${link} ${peer.role} ${peer.id}`),
      linkDown: (link) => this.#hear(`down ${link}`),
      pong: (link, { sentAt, redis }) => this.#hear(`pong ${link} ${redis} ${sentAt.monoMs > 0}`),
      linkDrained: (link) => this.#hear(`drained ${link}`),
      message: (link, message) => {
        this.messages.push(message);
        this.#hear(`message ${link} ${message.type}`);
      },
      call: (link, call) => {
        this.calls.push(call);
        this.#hear(`call ${link}`);
      },
      dropped: (link) => this.#hear(`dropped ${link}`),
      turnEnd: () => this.#hear('turn end'),
      log: () => undefined,
    });
    open.push(() => this.edge.closeAll());
  }

  #hear(what: string): void {
    this.heard.push(what);
    this.listener?.(what);
    for (const wake of this.#wake.splice(0)) wake();
  }

  async until(what: string): Promise<void> {
    while (!this.heard.includes(what)) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }
}

async function router(bench: Bench) {
  const address = await bench.edge.start();
  const end = new End(ROUTER);
  const link = dialLink(address, end.options);
  open.push(async () => link.destroy());
  await end.events.link();
  await bench.until('up 1 router r1');
  return { end, link, address };
}

describe('a router’s link', () => {
  it('is asked how its router does, and brings the answer', async () => {
    const bench = new Bench();
    await router(bench);
    bench.edge.ping(1);
    bench.edge.ping(99);
    await bench.until('pong 1 unknown true');
  });

  it('is heard as up, messages, the end of their turn, down: each once', async () => {
    const bench = new Bench();
    const { link } = await router(bench);
    link.send({ type: 'close-session', session: 1, how: 'left' });
    link.send({ type: 'close-session', session: 2, how: 'left' });
    link.send({ type: 'call', id: 7, op: 'rooms', args: {} });
    await bench.until('call 1');
    await bench.until('turn end');
    link.destroy();
    await bench.until('down 1');
    expect(bench.heard).toEqual([
      'up 1 router r1',
      'message 1 close-session',
      'message 1 close-session',
      'call 1',
      'turn end',
      'down 1',
    ]);
    expect(bench.edge.send(1, { type: 'moved', room: 1, epoch: 1 })).toBe(false);
  });

  it('is sent what the gate lets through when it is handed over, and told what it does not', async () => {
    const bench = new Bench();
    const { end } = await router(bench);
    bench.edge.send(1, { type: 'acks', entries: [{ session: 1, cseq: 1 }] });
    bench.gate = false;
    bench.edge.send(1, { type: 'moved', room: 3, epoch: 4 });
    await end.events.until(() => end.events.messages.length > 0);
    await bench.until('dropped 1');
    expect(end.events.messages.map((one) => one.type)).toEqual(['moved']);
  });

  it('is sent what a turn brought only once the turn has ended: what is said then leaves with it', async () => {
    const bench = new Bench();
    const { end, link } = await router(bench);
    const queued: LinkMessage[] = [];
    bench.listener = (what) => {
      if (what === 'message 1 close-session') bench.edge.send(1, { type: 'moved', room: 3, epoch: 4 });
      if (what !== 'turn end') return;
      bench.edge.dropQueued(1, (message) => {
        queued.push(message);
        return false;
      });
      bench.edge.send(1, { type: 'acks', entries: [{ session: 1, cseq: 1 }] });
    };
    link.send({ type: 'close-session', session: 1, how: 'left' });
    await end.events.until(() => end.events.messages.length === 2);
    expect(queued).toEqual([{ type: 'moved', room: 3, epoch: 4 }]);
    expect(end.events.messages.map((one) => one.type)).toEqual(['moved', 'acks']);
  });

  it('calls back once everything queued has left', async () => {
    const bench = new Bench();
    const { end } = await router(bench);
    bench.edge.send(1, { type: 'moved', room: 3, epoch: 4 });
    await new Promise<void>((resolve) => bench.edge.afterHandedOver([1, 99], resolve));
    await end.events.until(() => end.events.messages.length > 0);
    await new Promise<void>((resolve) => bench.edge.afterHandedOver([], resolve));
  });
});

describe('a link to another node', () => {
  it('comes up under the number that the dial gave', async () => {
    const there = new Bench('n2', 'c'.repeat(32));
    const { port } = await there.edge.start();
    const here = new Bench();
    await here.edge.start();
    const number = here.edge.dial('n2', 'c'.repeat(32), `127.0.0.1:${port}`);
    await here.until(`up ${number} node n2`);
    await there.until('up 1 node n1');
    here.edge.send(number, { type: 'done', id: 1, outcome: 'cancelled', epoch: 0 });
    await there.until('message 1 done');
    await there.edge.closeAll();
    await here.until(`down ${number}`);
  });

  it.each([
    ['an address that is none', 'nonsense', 'c'],
    ['another incarnation', undefined, 'd'],
  ])('to %s is heard as down', async (_name, address, incarnation) => {
    const there = new Bench('n2', 'c'.repeat(32));
    const { port } = await there.edge.start();
    const here = new Bench();
    const number = here.edge.dial('n2', incarnation.repeat(32), address ?? `127.0.0.1:${port}`);
    await here.until(`down ${number}`);
    expect(here.heard).toEqual([`down ${number}`]);
  });
});
