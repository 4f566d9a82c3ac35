/** Two ends of a link over a real loopback socket, for the tests. Owns: how they are wired and torn down. Time is by hand on either
 *  side; only the kernel is real. */
import { connect, type Server, type Socket } from 'node:net';
import { ManualClock } from '../clock.ts';
import { SeededRandom } from '../random.ts';
import type { LinkConnection, LinkDown, LinkEvents, LinkOptions } from './connection.ts';
import type { LinkAddress } from './dial.ts';
import { FrameSplitter } from './frame-splitter.ts';
import { Handshake } from './handshake.ts';
import { LinkListener, type LinkListenerOptions } from './listener.ts';
import type { PongSample } from './liveness.ts';
import type { LinkMessage } from './messages.ts';
import { ManualTimers } from './timers.ts';

export const ROUTER: LinkOptions['handshake'] = {
  self: { role: 'router', cluster: 'blue', id: 'r1', incarnation: 'a'.repeat(32), features: [] },
  secrets: ['s3cret'],
  accepts: ['node'],
};
export const NODE: LinkOptions['handshake'] = {
  self: { role: 'node', cluster: 'blue', id: 'n1', incarnation: 'b'.repeat(32), features: [] },
  secrets: ['s3cret'],
  accepts: ['router'],
};

/** Keeps everything it is told, and lets a test wait for it. */
export class RecordedEvents implements LinkEvents {
  readonly ups: LinkConnection[] = [];
  readonly messages: LinkMessage[] = [];
  readonly dropped: LinkMessage[] = [];
  readonly pongs: PongSample[] = [];
  readonly downs: LinkDown[] = [];
  idles = 0;
  /** Called with each message, before it is kept. */
  listener: ((link: LinkConnection, message: LinkMessage) => void) | undefined;
  #waits: (() => void)[] = [];

  onUp(link: LinkConnection): void {
    this.ups.push(link);
    this.#wake();
  }

  onMessage(link: LinkConnection, message: LinkMessage): void {
    this.listener?.(link, message);
    this.messages.push(message);
    this.#wake();
  }

  onDropped(_link: LinkConnection, message: LinkMessage): void {
    this.dropped.push(message);
    this.#wake();
  }

  onPong(_link: LinkConnection, sample: PongSample): void {
    this.pongs.push(sample);
    this.#wake();
  }

  onIdle(): void {
    this.idles += 1;
    this.#wake();
  }

  onDown(_link: LinkConnection, down: LinkDown): void {
    this.downs.push(down);
    this.#wake();
  }

  /** Waits until `holds` does; the test's own timeout is the bound. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waits.push(resolve));
  }

  /** The link, once it is up. */
  async link(): Promise<LinkConnection> {
    await this.until(() => this.ups.length > 0);
    const [link] = this.ups;
    if (link === undefined) throw new Error('no link');
    return link;
  }

  async down(): Promise<LinkDown> {
    await this.until(() => this.downs.length > 0);
    const [down] = this.downs;
    if (down === undefined) throw new Error('not down');
    return down;
  }

  #wake(): void {
    const waits = this.#waits;
    this.#waits = [];
    for (const wait of waits) wait();
  }
}

let seed = 0;

/** One side's options, with a clock of its own. */
export class End {
  readonly events = new RecordedEvents();
  readonly clock = new ManualClock();
  readonly timers = new ManualTimers(this.clock);
  readonly options: LinkOptions;

  constructor(handshake: LinkOptions['handshake'], more: Partial<LinkOptions> = {}) {
    const { events, clock, timers } = this;
    // Another seed for each end: two with one nonce take each other for a reflection.
    seed += 1;
    this.options = { handshake, events, clock, timers, random: new SeededRandom(seed), ...more };
  }
}

/** Everything a test opened, closed in reverse at its end. */
export class Cleanup {
  #steps: (() => unknown)[] = [];

  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    const steps = this.#steps.reverse();
    this.#steps = [];
    for (const step of steps) await step();
  }
}

/** A listener for nodes on a free port. */
export async function listen(
  cleanup: Cleanup,
  end: End,
  more: Partial<LinkListenerOptions> = {},
): Promise<{ readonly listener: LinkListener; readonly address: LinkAddress }> {
  const listener = new LinkListener({ ...end.options, host: '127.0.0.1', port: 0, ...more });
  cleanup.add(() => {
    const closed = listener.close();
    // What a closing link still waits for is over in no time of its own clock.
    end.timers.advance(10_000);
    return closed;
  });
  return { listener, address: await listener.start() };
}

/** A plain server on a free port, for a misbehaving acceptor. */
export async function serve(cleanup: Cleanup, server: Server): Promise<LinkAddress> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup.add(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const address = server.address();
  return { host: '127.0.0.1', port: typeof address === 'object' && address !== null ? address.port : 0 };
}

export async function dialRaw(cleanup: Cleanup, address: LinkAddress): Promise<Socket> {
  const socket = connect(address);
  socket.on('error', () => {});
  cleanup.add(() => socket.destroy());
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return socket;
}

/** Shakes hands by hand on a raw socket, and then leaves it to the test: a proven router that breaks the rules. */
export async function shakeRaw(socket: Socket, features: readonly string[] = []): Promise<void> {
  const self = { ...ROUTER.self, features };
  const handshake = new Handshake({ ...ROUTER, self, side: 'dialer', nonce: '7'.repeat(32) });
  const splitter = new FrameSplitter();
  for (const bytes of handshake.start().send) socket.write(bytes);
  await new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      splitter.push(chunk);
      for (let frame = splitter.next(); frame !== undefined; frame = splitter.next()) {
        const step = handshake.receive(frame);
        for (const bytes of step.send) socket.write(bytes);
        if (step.kind === 'wait') continue;
        socket.off('data', onData);
        socket.pause();
        if (step.kind === 'done') resolve();
        else reject(step.error);
        return;
      }
    };
    socket.on('data', onData);
    socket.once('close', () => reject(new Error('closed during the handshake')));
  });
}

/** Lets everything that is due in this process happen: callbacks of the kernel need a few turns of the loop. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
