/** Both ends of a link under fuzz, over a socket in memory and by a manual clock. Owns: the oracles of connection.ts: `onDown` once and
 *  nothing behind it, a breach of the protocol ends in a GOAWAY and a code, bounded queues, no timer left. */
import type { Socket } from 'node:net';
import { ManualClock } from '../../shared/clock.ts';
import { LinkConnection, type LinkDown, type LinkEvents } from '../../shared/link/connection.ts';
import { encode } from '../../shared/link/encode.ts';
import { payloadOfFrame } from '../../shared/link/frame-header.ts';
import { FrameSplitter } from '../../shared/link/frame-splitter.ts';
import { Handshake, HandshakeError, type HandshakeOptions } from '../../shared/link/handshake.ts';
import type { LinkMessage } from '../../shared/link/messages.ts';
import { LinkEncodeError, LinkProtocolError } from '../../shared/link/protocol-error.ts';
import { ManualTimers } from '../../shared/link/timers.ts';
import { SeededRandom } from '../../shared/random.ts';
import type { FuzzInput } from './input.ts';
import { linkGrammar } from './link-grammar.ts';
import { MemorySocket, turns } from './memory-socket.ts';
import { helloOf } from './records.ts';
import { goldenInputs } from './seeds.ts';
import { insist, type Target } from './target.ts';

const NAME = 'connection';
/** The link under fuzz has dialled; otherwise it has accepted. */
const DIALER = 1;
/** The input stands for the handshake too; otherwise a valid one comes before it. */
const RAW = 2;
/** The other side does not read. */
const STALLED = 4;
const GATE_SHUT = 8;
/** The link's owner stops reading for a while. */
const PAUSES = 16;
/** The link's owner sends back what it was told. */
const ECHOES = 32;
/** The link's owner closes it once it was told something. */
const CLOSES = 64;
/** Time passes between the pieces. */
const WAITS = 128;
/** The socket breaks at the end, instead of ending. */
const BREAKS = 256;
/** The other side has no features. */
const PLAIN = 512;
/** The link's owner takes no more data for a while. */
const FULL = 1_024;

const QUEUE_BYTES_MAX = 200_000;
const CONTROL_BYTES_MAX = 100_000;
const PRESSED_BYTES = 30_000;
const WINDOW_BYTES = 300_000;
const SECRET = 'fuzz';
const NONCES = { ours: 'a0'.repeat(16), theirs: 'b1'.repeat(16) };
const ROUTER = { role: 'router', cluster: 'blue', id: 'r1', incarnation: 'a'.repeat(32), features: [] } as const;
const NODE = { role: 'node', cluster: 'blue', id: 'n1', incarnation: 'b'.repeat(32), features: [] } as const;

/** Chance of the link under fuzz: its nonce is always the same, so that a proof is too. */
class FixedNonce extends SeededRandom {
  override hex(): string {
    return NONCES.ours;
  }
}

export class ConnectionTarget implements Target {
  readonly name = NAME;
  readonly grammar = linkGrammar;
  readonly turn = 60;
  readonly variants = 2_048;
  readonly bytesMax = 200_000;
  readonly words = ['router', 'node', 'blue', 'green', 'n1', 'r1', NONCES.ours, 'closing', 'certified'];

  seeds(): FuzzInput[] {
    const variants = [
      ECHOES,
      ECHOES | DIALER,
      ECHOES | GATE_SHUT,
      ECHOES | STALLED | PAUSES,
      0,
      DIALER,
      FULL,
      PAUSES,
      CLOSES | ECHOES,
      WAITS,
      BREAKS,
      PLAIN | ECHOES,
    ];
    const seeds = goldenInputs(NAME, variants);
    for (const side of [0, DIALER]) {
      const frames = wordsOf(side === DIALER);
      const refusal = encode({ type: 'goaway', reason: 'protocol', text: 'cluster: another' });
      seeds.push({ target: NAME, variant: RAW | side, links: [frames] });
      seeds.push({ target: NAME, variant: RAW | side | WAITS, links: [frames.slice(0, 1)] });
      seeds.push({ target: NAME, variant: RAW | side, links: [[refusal]] });
      for (const change of OTHERS)
        seeds.push({ target: NAME, variant: RAW | side, links: [wordsOf(side === DIALER, change)] });
    }
    return seeds;
  }

  async run(input: FuzzInput): Promise<void> {
    for (const steps of input.links) await new Case(input.variant).run(steps);
  }

  async reset(): Promise<void> {}
  async settle(): Promise<void> {}
}

class Case implements LinkEvents {
  readonly #variant: number;
  readonly #clock = new ManualClock();
  readonly #timers = new ManualTimers(this.#clock);
  readonly #socket: MemorySocket;
  readonly #link: LinkConnection;
  #down: LinkDown | undefined;
  #told = 0;
  #late: string | undefined;
  #isEnding = false;

  constructor(variant: number) {
    this.#variant = variant;
    this.#socket = new MemorySocket();
    const isDialer = this.#has(DIALER);
    const handshake = {
      self: isDialer ? ROUTER : NODE,
      secrets: ['older', SECRET],
      accepts: isDialer ? (['node'] as const) : (['router', 'node'] as const),
      ...(isDialer ? { expect: { id: NODE.id, incarnation: NODE.incarnation } } : {}),
    };
    this.#link = new LinkConnection(this.#socket as unknown as Socket, isDialer ? 'dialer' : 'acceptor', {
      handshake,
      events: this,
      gate: () => !this.#has(GATE_SHUT),
      pulse: () => ({ loopDelayUs: -3, redis: 'failed' }),
      clock: this.#clock,
      timers: this.#timers,
      random: new FixedNonce(1),
      queueBytesMax: QUEUE_BYTES_MAX,
      controlBytesMax: CONTROL_BYTES_MAX,
      pressedBytes: PRESSED_BYTES,
      windowBytes: WINDOW_BYTES,
      takes: () => !this.#has(FULL) || this.#isEnding,
    });
  }

  #has(bit: number): boolean {
    return (this.#variant & bit) !== 0;
  }

  onUp(link: LinkConnection): void {
    this.#hear('onUp');
    link.ping();
  }

  onMessage(link: LinkConnection, message: LinkMessage): void {
    this.#hear('onMessage');
    this.#told += 1;
    if (this.#has(ECHOES)) this.#echo(link, message);
    if (this.#has(PAUSES) && !this.#isEnding && this.#told % 3 === 0) link.pause();
    if (this.#has(CLOSES) && this.#told === 4) void link.close({ type: 'goaway', reason: 'closing', text: 'enough' });
  }

  onDropped(): void {
    this.#hear('onDropped');
    insist(this.#has(GATE_SHUT), 'gate', 'a message was dropped while the gate was open');
  }

  onPong(): void {
    this.#hear('onPong');
  }

  onIdle(): void {
    this.#hear('onIdle');
  }

  onPressed(link: LinkConnection, isPressed: boolean): void {
    this.#hear('onPressed');
    if (isPressed && this.#told % 2 === 0) link.dropQueued(({ type }) => type === 'cast');
  }

  onLate(): void {
    this.#hear('onLate');
  }

  onDown(_link: LinkConnection, down: LinkDown): void {
    this.#hear('onDown');
    this.#down = down;
  }

  #hear(what: string): void {
    if (this.#down !== undefined) this.#late ??= what;
  }

  #echo(link: LinkConnection, message: LinkMessage): void {
    try {
      // In its own lane, or in one of two that many share.
      if (this.#told % 3 === 0) link.send(message, this.#told % 2 === 0 ? 'room' : 'other');
      else link.send(message);
    } catch (error) {
      if (!(error instanceof LinkEncodeError)) throw error;
    }
    if (this.#told % 5 === 0) link.dropQueued((one) => one.type === message.type);
    if (this.#told % 7 === 0) this.#look(link);
    if (this.#told % 11 === 0) void link.whenHandedOver();
  }

  /** What an owner may ask of a link at any time. */
  #look(link: LinkConnection): void {
    insist(link.queued(() => true) >= 0, 'queue', 'cannot be counted');
    insist(link.remote === '127.0.0.1:1', 'remote', link.remote);
    insist(!link.awaitsCredit || !this.#has(PLAIN), 'credit', 'one without the feature is waited for');
    insist(link.takesFragments !== this.#has(PLAIN) || this.#has(RAW), 'fragments', 'taken by one without the feature');
  }

  async run(steps: readonly Buffer[]): Promise<void> {
    await turns(1);
    if (!this.#has(RAW)) {
      for (const bytes of wordsOf(this.#has(DIALER), this.#has(PLAIN) ? { self: { features: [] } } : {}))
        await this.#receive(bytes);
      insist(this.#link.isUp, 'handshake', 'a valid one did not bring the link up');
    }
    this.#socket.isStalled = this.#has(STALLED);
    for (const step of steps) {
      await this.#receive(step);
      if (this.#has(WAITS)) this.#timers.advance(700);
      this.#link.renewCredit();
      if (this.#has(PAUSES) && this.#told % 2 === 0) this.#link.resume();
    }
    await this.#end();
  }

  async #receive(bytes: Buffer): Promise<void> {
    if (this.#down !== undefined || this.#socket.destroyed) return;
    this.#socket.push(Buffer.from(bytes));
    await turns(1);
    insist(
      this.#link.queuedBytes <= QUEUE_BYTES_MAX + CONTROL_BYTES_MAX,
      'bound',
      `${this.#link.queuedBytes} bytes are queued`,
    );
    // One for its heartbeat, and one where its next batch is paced.
    insist(this.#timers.pending <= 2, 'timers', `a link has ${this.#timers.pending} timers`);
  }

  async #end(): Promise<void> {
    this.#isEnding = true;
    this.#link.resume();
    this.#link.flush();
    await turns(1);
    // A deadline ends it: that of the handshake, or the silence.
    if (this.#has(WAITS) && this.#told % 2 === 0) {
      if (this.#told % 4 === 0) this.#timers.stall(2_500);
      for (let second = 0; second < 7; second++) this.#timers.advance(1_000);
    }
    this.#socket.release();
    if (this.#has(BREAKS)) this.#socket.destroy(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
    else if (!this.#socket.destroyed) this.#socket.push(null);
    for (let turn = 0; turn < 50 && !(this.#socket.closed && this.#down !== undefined); turn++) {
      this.#link.resume();
      await turns(1);
    }
    // A deadline may be what ends it: the close's, the silence, or that of the last words.
    this.#timers.advance(20_000);
    await turns(3);
    insist(this.#down !== undefined, 'end', 'the stream ended and the link did not');
    insist(this.#socket.destroyed, 'end', 'the link is down and its socket is not');
    insist(this.#timers.pending === 0, 'timers', `${this.#timers.pending} timers are left behind a link`);
    insist(this.#link.queuedBytes === 0, 'bound', 'a link that is down holds messages');
    insist(this.#late === undefined, 'onDown', `${this.#late} came after it`);
    insist(!this.#link.isUp && !this.#link.send({ type: 'credit', bytes: 1 }), 'end', 'a link that is down sends');
    if (this.#down !== undefined) this.#judge(this.#down);
  }

  #judge(down: LinkDown): void {
    if (down.code === 'protocol') {
      insist(down.cause instanceof LinkProtocolError, 'code', 'a breach of the protocol without its code');
      // Behind a goaway of our own there is nothing more to say, and to one who does not read nothing can be said for long.
      const isUnheard = this.#has(CLOSES) || (this.#has(STALLED) && this.#has(WAITS));
      if (!isUnheard) this.#lastWords(down);
    }
    if (down.code === 'handshake')
      insist(down.cause instanceof HandshakeError, 'code', 'a failed handshake without its code');
  }

  /** The other side is told why. */
  #lastWords(down: LinkDown): void {
    const splitter = new FrameSplitter();
    splitter.push(Buffer.concat(this.#socket.written));
    let last: string | undefined;
    for (let frame = splitter.next(); frame !== undefined; frame = splitter.next()) {
      last = frame.type === 'goaway' ? payloadOfFrame(frame).toString('utf8') : undefined;
    }
    const text = down.text.slice(0, 40);
    insist(last?.includes('"protocol"') === true, 'last words', `no goaway behind “${text}”`);
  }
}

interface Change {
  readonly self?: Partial<HandshakeOptions['self']>;
  readonly secret?: string;
  readonly nonce?: string;
}

/** Others that may knock: each fails by another rule. */
const OTHERS: readonly Change[] = [
  { self: { versionMin: 60_000, versionMax: 60_001 } },
  { self: { cluster: 'green' } },
  { self: { id: 'somebody' } },
  { self: { incarnation: 'c'.repeat(32) } },
  { self: { role: 'router' } },
  { self: { role: 'node' } },
  { self: { features: ['x', 'y'] } },
  { secret: 'wrong' },
  { secret: 'older' },
  { nonce: NONCES.ours },
];

/** What the other side says until the link is up: its HELLO, and its PROOF for our fixed nonce. */
function wordsOf(isDialer: boolean, change: Change = {}): Buffer[] {
  const ours = helloOf(isDialer ? ROUTER : NODE);
  const theirs = helloOf(isDialer ? NODE : ROUTER);
  const accepts = ['router', 'node'] as const;
  const here = new Handshake({
    side: isDialer ? 'dialer' : 'acceptor',
    self: ours,
    secrets: [SECRET],
    accepts,
    nonce: NONCES.ours,
  });
  const there = new Handshake({
    side: isDialer ? 'acceptor' : 'dialer',
    self: { ...theirs, ...change.self },
    secrets: [change.secret ?? SECRET],
    accepts,
    nonce: change.nonce ?? NONCES.theirs,
  });
  const said: Buffer[] = [];
  const toThere = new FrameSplitter();
  const toHere = new FrameSplitter();
  const speak = (sends: readonly Buffer[]) => {
    for (const bytes of sends) {
      said.push(bytes);
      toHere.push(bytes);
      for (let frame = toHere.next(); frame !== undefined; frame = toHere.next()) listen(here.receive(frame).send);
    }
  };
  const listen = (sends: readonly Buffer[]) => {
    for (const bytes of sends) {
      toThere.push(bytes);
      for (let frame = toThere.next(); frame !== undefined; frame = toThere.next()) speak(there.receive(frame).send);
    }
  };
  listen(here.start().send);
  speak(there.start().send);
  return said;
}
