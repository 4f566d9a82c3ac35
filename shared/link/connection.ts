/** One link: the edge around a socket, either side. Owns: the handshake's deadline, what is told and in which order, heartbeats,
 *  and how the link ends. Does not know: rooms, sessions, when queued messages leave (hand-over.ts), or whether to dial again
 *  (dialer.ts).
 *
 *  Invariants: `onDown` is called exactly once, and nothing after it. No error of the socket is ever uncaught. Behind `onDown`
 *  no timer is left but the one that bounds the last words. Every wait ends: with its cause, or when the link is down. */
import type { Socket } from 'node:net';
import { type Clock, systemClock } from '../clock.ts';
import { jittered, type RandomSource, systemRandom } from '../random.ts';
import type { TlsFiles } from '../tls-files.ts';
import { ReceiveCredit, SendCredit } from './credit.ts';
import { FrameDecoder } from './decode.ts';
import { encode, prepare } from './encode.ts';
import { U32_MAX, UNPROVEN_PAYLOAD_MAX } from './frame-header.ts';
import { FrameSplitter } from './frame-splitter.ts';
import { HandOver } from './hand-over.ts';
import { Handshake, HandshakeError, type HandshakeOptions, type HandshakeStep, type LinkPeer } from './handshake.ts';
import { Liveness, type PongSample } from './liveness.ts';
import {
  FRAME_PAYLOAD_MAX,
  type Goaway,
  isData,
  isGated,
  LINK_FEATURES,
  type LinkFeature,
  type LinkMessage,
  type Pong,
} from './messages.ts';
import { type Allowance, type LaneKey, UNLIMITED } from './outgoing.ts';
import { LinkEncodeError, LinkProtocolError } from './protocol-error.ts';
import { splitMessage } from './split.ts';
import { systemTimers, type Timers } from './timers.ts';

export const LINK_DEFAULTS = {
  /** From the first moment of the socket, connecting included, until the link is up. */
  handshakeMs: 5_000,
  /** Between two PINGs, jittered. */
  heartbeatMs: 1_000,
  /** Without a byte for this long the link is cut. */
  silentMs: 5_000,
  /** A graceful close that takes longer is cut short. */
  closeMs: 2_000,
  /** Bytes of messages queued beyond which `send` refuses data. */
  queueBytesMax: 33_554_432,
  /** Bytes beyond that for what is not data: an operator is heard on a link that is full. */
  controlBytesMax: 8_388_608,
  /** Bytes of data queued from which on the link counts as pressed, until a quarter of it is left. */
  pressedBytes: 16_777_216,
  /** Bytes of data that the other side may send ahead of what was taken here. */
  windowBytes: 4_194_304,
} as const;

/** How long a GOAWAY may take to leave before the socket is destroyed. */
const LAST_WORDS_MS = 1_000;
/** How a link ended. `closed`: by us. `ended`: by the other side, in order. `reset`: the socket failed. `unreachable`: it never
 *  connected. `silent`: nothing was heard. `protocol`: the other side broke the rules. `handshake`: see the cause. */
export type LinkDownCode = 'closed' | 'ended' | 'reset' | 'unreachable' | 'silent' | 'protocol' | 'handshake';

export interface LinkDown {
  readonly code: LinkDownCode;
  readonly text: string;
  /** Whether the link had been up: only then anything was sent or received. */
  readonly wasUp: boolean;
  /** `handshake`: HandshakeError; `protocol`: LinkProtocolError; `reset` and `unreachable`: the socket's error. */
  readonly cause?: Error | undefined;
}

/** What a link tells. Callbacks may call the link back, also to close it. */
export interface LinkEvents {
  /** The other side is proven: `link.peer` says who it is. Messages may be sent. */
  onUp?(link: LinkConnection): void;
  /** Every message but those of the handshake and of the heartbeat, in order. */
  onMessage(link: LinkConnection, message: LinkMessage): void;
  /** The gate was shut when this message's turn came: it will not be sent. */
  onDropped?(link: LinkConnection, message: LinkMessage): void;
  onPong?(link: LinkConnection, sample: PongSample): void;
  /** Everything queued has been handed to the kernel. */
  onIdle?(link: LinkConnection): void;
  /** Much data is queued: its senders should pause. False: little is left of it. */
  onPressed?(link: LinkConnection, isPressed: boolean): void;
  /** A batch left `ms` after its gate check: more than the timings allow for. */
  onLate?(link: LinkConnection, ms: number): void;
  /** The last call. What is still queued is lost. */
  onDown(link: LinkConnection, down: LinkDown): void;
}

export interface LinkOptions {
  /** Who we are, the secrets, and whom we take; `side` and `nonce` are the connection's own. */
  readonly handshake: Omit<HandshakeOptions, 'side' | 'nonce'>;
  readonly events: LinkEvents;
  /** Whether a gated message may leave now. Asked for each, at the moment it is handed over. Absent: always. */
  readonly gate?: ((message: LinkMessage) => boolean) | undefined;
  /** What to answer a PING with; called once an answer, when it is given. */
  readonly pulse?: ((link: LinkConnection) => Pick<Pong, 'loopDelayUs' | 'redis'>) | undefined;
  /** Whether more data can be taken now; asked when a grant is due, and by `renewCredit`. Absent: always. */
  readonly takes?: ((link: LinkConnection) => boolean) | undefined;
  /** Speaks TLS, both sides with a certificate of one authority. */
  readonly tls?: Pick<TlsFiles, 'current' | 'onChange'> | undefined;
  /** What is named in our HELLO, besides what `handshake.self` names. */
  readonly features?: readonly LinkFeature[];
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: RandomSource;
  readonly handshakeMs?: number;
  readonly heartbeatMs?: number;
  readonly silentMs?: number;
  readonly closeMs?: number;
  readonly queueBytesMax?: number;
  readonly controlBytesMax?: number;
  readonly pressedBytes?: number;
  readonly windowBytes?: number;
}

type Phase =
  | { readonly kind: 'handshake'; readonly handshake: Handshake; readonly splitter: FrameSplitter }
  | { readonly kind: 'up'; readonly decoder: FrameDecoder; readonly peer: LinkPeer; readonly liveness: Liveness }
  /** We close: nothing new is queued, what is queued still leaves, what comes is still told. */
  | { readonly kind: 'closing'; readonly decoder: FrameDecoder; readonly peer: LinkPeer }
  | { readonly kind: 'down' };

const NOTHING = Buffer.alloc(0);

export class LinkConnection {
  readonly side: 'dialer' | 'acceptor';
  readonly #socket: Socket;
  readonly #options: LinkOptions;
  readonly #limits: { readonly [K in keyof typeof LINK_DEFAULTS]: number };
  readonly #events: LinkEvents;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #random: RandomSource;
  #phase: Phase;
  #peer: LinkPeer | undefined;
  #connected = false;

  readonly #out: HandOver;
  /** Undefined where the other side does not know of credit. */
  #sendCredit: SendCredit | undefined;
  #receiveCredit: ReceiveCredit | undefined;
  #takesFragments = false;
  #isPressed = false;

  /** Decoded, and not told yet because reading was paused. At most what one chunk held. */
  #inbox: LinkMessage[] = [];
  #paused = false;
  #telling = false;
  #ended = false;

  #cancelTimer: () => void = () => {};
  #closing: Promise<void> | undefined;

  /** Takes over a socket: connected (an acceptor's), or connecting (a dialer's).
   *  @throws RangeError or LinkEncodeError for an identity or secrets that cannot be used; see `checkHandshake` */
  constructor(socket: Socket, side: 'dialer' | 'acceptor', options: LinkOptions) {
    socket.on('error', (error: Error) => this.#onError(error));
    this.side = side;
    this.#socket = socket;
    this.#options = options;
    this.#limits = {
      handshakeMs: options.handshakeMs ?? LINK_DEFAULTS.handshakeMs,
      heartbeatMs: options.heartbeatMs ?? LINK_DEFAULTS.heartbeatMs,
      silentMs: options.silentMs ?? LINK_DEFAULTS.silentMs,
      closeMs: options.closeMs ?? LINK_DEFAULTS.closeMs,
      queueBytesMax: options.queueBytesMax ?? LINK_DEFAULTS.queueBytesMax,
      controlBytesMax: options.controlBytesMax ?? LINK_DEFAULTS.controlBytesMax,
      pressedBytes: options.pressedBytes ?? LINK_DEFAULTS.pressedBytes,
      windowBytes: options.windowBytes ?? LINK_DEFAULTS.windowBytes,
    };
    this.#events = options.events;
    this.#clock = options.clock ?? systemClock;
    this.#timers = options.timers ?? systemTimers;
    this.#random = options.random ?? systemRandom;
    this.#out = this.#makeOut(socket, options);
    const { self } = options.handshake;
    const features = [...self.features, ...(options.features ?? LINK_FEATURES)];
    const nonce = this.#random.hex(16);
    const handshake = new Handshake({ ...options.handshake, self: { ...self, features }, side, nonce });
    this.#phase = { kind: 'handshake', handshake, splitter: new FrameSplitter(UNPROVEN_PAYLOAD_MAX) };

    socket.on('close', () => this.#onClose());
    socket.on('end', () => this.#onEnd());
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.setNoDelay(true);
    this.#setTimer(this.#limits.handshakeMs, () => this.#expire());
    if (socket.connecting) socket.once('connect', () => this.#begin());
    else this.#begin();
  }

  /** Who is at the other end, once the link was up. */
  get peer(): LinkPeer | undefined {
    return this.#peer;
  }

  get isUp(): boolean {
    return this.#phase.kind === 'up';
  }

  /** Bytes queued and not handed to the kernel. */
  get queuedBytes(): number {
    return this.#out.bytes;
  }

  /** Whether a message larger than one frame can be sent. */
  get takesFragments(): boolean {
    return this.#takesFragments;
  }

  /** Whether data waits for the other side's credit. */
  get awaitsCredit(): boolean {
    return this.#sendCredit?.isShort ?? false;
  }

  /** Keys whose messages wait behind a large one, or for credit; undefined where there are none. */
  get lanes(): ReadonlyMap<LaneKey, unknown> | undefined {
    return this.#out.lanes;
  }

  /** Address of the other end, for logs. */
  get remote(): string {
    return `${this.#socket.remoteAddress ?? '?'}:${this.#socket.remotePort ?? '?'}`;
  }

  /** Queues a message. An OPEN or ACKS too large for a frame is cut into several.
   *  Its buffers must not be changed until it was handed over.
   *  @param lane  what the message keeps its order with, should some of it have to wait; by default a client's frames with their
   *  session, and everything else that is said of seats and rooms with all such
   *  @returns false where nothing was queued: the link is not up, or more than `queueBytesMax` would be queued
   *  @throws LinkEncodeError for what the protocol, or the other side, cannot carry; the link is not affected */
  send(message: LinkMessage, lane: LaneKey | undefined = laneOf(message)): boolean {
    if (this.#phase.kind !== 'up') return false;
    const isControl = !isData(message);
    const roomBytes = this.#limits.queueBytesMax - this.#out.bytes + (isControl ? this.#limits.controlBytesMax : 0);
    if (message.type !== 'open' && message.type !== 'acks') {
      const prepared = prepare(message);
      if (!isControl && prepared.frames > 1 && !this.#takesFragments) {
        throw new LinkEncodeError('too-large', `the other side takes no ${message.type} of more than one frame`);
      }
      if (prepared.bytes > roomBytes) return false;
      this.#out.push(prepared, lane);
      if (!isControl && !this.#isPressed && this.#out.dataBytes >= this.#limits.pressedBytes) this.#press(true);
      return true;
    }
    const pieces = splitMessage(message).map(prepare);
    if (pieces.reduce((bytes, piece) => bytes + piece.bytes, 0) > roomBytes) return false;
    for (const piece of pieces) this.#out.push(piece, lane);
    return true;
  }

  /** Grants what is due and was withheld, if it can be taken by now. */
  renewCredit(): void {
    if (this.#phase.kind !== 'up' || this.#paused || this.#inbox.length > 0) return;
    const bytes = this.#receiveCredit?.due() ?? 0;
    if (bytes > 0) this.#out.grant(bytes);
  }

  /** How many queued messages `predicate` names. */
  queued(predicate: (message: LinkMessage) => boolean): number {
    return this.#out.count(predicate);
  }

  /** Takes back the queued messages that `predicate` names; they are returned, not reported as dropped. */
  dropQueued(predicate: (message: LinkMessage) => boolean): LinkMessage[] {
    const dropped = this.#out.drop(predicate);
    this.#easePressure();
    return dropped;
  }

  /** Hands a batch over now, rather than at the end of this turn. Does nothing while one is in flight. */
  flush(): void {
    this.#out.flush();
  }

  /** Waits until everything queued up to now has been taken by the kernel, or was taken back or dropped.
   *  @returns false where the link went down first: some of it may not have left */
  whenHandedOver(): Promise<boolean> {
    return this.#out.whenHandedOver();
  }

  /** Asks now whether the other side is there, besides the regular heartbeat; `onPong` brings the answer. */
  ping(): boolean {
    const phase = this.#phase;
    if (phase.kind !== 'up') return false;
    return this.#out.pushBeat(prepare({ type: 'ping', seq: phase.liveness.ask(this.#clock.now()) }));
  }

  /** Stops reading: nothing more is told until `resume`, and the other side's bytes wait in the kernel. */
  pause(): void {
    if (this.#paused || this.#phase.kind === 'down') return;
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused || this.#phase.kind === 'down') return;
    this.#paused = false;
    if (this.#phase.kind === 'up') this.#phase.liveness.heard(this.#clock.now());
    this.#socket.resume();
    this.#tell();
  }

  /** Closes in order: what is queued leaves first, then `goaway`, then the stream ends. Bounded by `closeMs`.
   *  @returns when the socket is closed; the same promise each time
   *  @throws LinkEncodeError where the text of `goaway` is too long; the link is not affected */
  close(goaway?: Goaway): Promise<void> {
    const lastWords = goaway === undefined ? undefined : prepare(goaway);
    this.#closing ??= new Promise((resolve) => {
      if (this.#socket.closed) resolve();
      else this.#socket.once('close', () => resolve());
      const phase = this.#phase;
      if (phase.kind === 'handshake') this.destroy();
      if (phase.kind !== 'up') return;
      this.#phase = { kind: 'closing', decoder: phase.decoder, peer: phase.peer };
      if (lastWords !== undefined) this.#out.push(lastWords);
      this.#setTimer(this.#limits.closeMs, () => this.destroy());
      // What is still unread must not keep the other side from ending.
      this.resume();
      if (this.#out.isIdle) this.#socket.end();
      else this.#out.flush();
    });
    return this.#closing;
  }

  /** Cuts the link at once. What is queued is lost. */
  destroy(): void {
    this.#down({ code: 'closed', text: 'closed here' });
    this.#cancelTimer();
    this.#socket.destroy();
  }

  // Handshake

  #begin(): void {
    this.#connected = true;
    if (this.#phase.kind === 'handshake') this.#step(this.#phase.handshake.start());
  }

  #expire(): void {
    if (this.#phase.kind === 'handshake') this.#step(this.#phase.handshake.expire());
  }

  #step(step: HandshakeStep): void {
    if (step.kind === 'failed') {
      const { error } = step;
      if (!this.#connected) this.#fail({ code: 'unreachable', text: 'no connection in time', cause: error }, NOTHING);
      else this.#fail({ code: 'handshake', text: error.message, cause: error }, Buffer.concat(step.send));
      return;
    }
    for (const bytes of step.send) this.#socket.write(bytes);
    if (step.kind === 'done' && this.#phase.kind === 'handshake') this.#rise(this.#phase.splitter, step.peer);
  }

  #rise(splitter: FrameSplitter, peer: LinkPeer): void {
    splitter.payloadMax = FRAME_PAYLOAD_MAX;
    const liveness = new Liveness(this.#limits.heartbeatMs, this.#limits.silentMs, this.#clock.now());
    this.#peer = peer;
    this.#takesFragments = peer.features.includes('fragments' satisfies LinkFeature);
    this.#phase = { kind: 'up', decoder: new FrameDecoder(splitter, this.#takesFragments), peer, liveness };
    if (peer.features.includes('credit' satisfies LinkFeature)) {
      this.#sendCredit = new SendCredit();
      this.#receiveCredit = new ReceiveCredit(this.#limits.windowBytes, () => this.#options.takes?.(this) ?? true);
      this.renewCredit();
    }
    this.#setTimer(jittered(this.#random, this.#limits.heartbeatMs), () => this.#beat());
    this.#events.onUp?.(this);
  }

  // Input

  #onData(chunk: Buffer): void {
    if (this.#phase.kind === 'handshake') {
      this.#shake(this.#phase.handshake, this.#phase.splitter, chunk);
      // The chunk that completed the handshake may hold messages too: they lie in the splitter, which the decoder reads on.
      if (this.#isDown()) return;
      this.#decode(NOTHING);
    } else {
      this.#decode(chunk);
    }
  }

  #shake(handshake: Handshake, splitter: FrameSplitter, chunk: Buffer): void {
    try {
      splitter.push(chunk);
      while (this.#phase.kind === 'handshake') {
        const frame = splitter.next();
        if (frame === undefined) return;
        this.#step(handshake.receive(frame));
      }
    } catch (error) {
      if (!(error instanceof LinkProtocolError)) throw error;
      this.#step(handshake.broken(error));
    }
  }

  #decode(chunk: Buffer): void {
    const phase = this.#phase;
    if (phase.kind !== 'up' && phase.kind !== 'closing') return;
    if (phase.kind === 'up') phase.liveness.heard(this.#clock.now());
    try {
      const messages = phase.decoder.push(chunk);
      this.#receiveCredit?.received(phase.decoder.takeDataBytes());
      this.#inbox = this.#inbox.length === 0 ? messages : this.#inbox.concat(messages);
    } catch (error) {
      if (!(error instanceof LinkProtocolError)) throw error;
      this.#broke(error);
      return;
    }
    this.#tell();
  }

  /** Tells what was decoded, until reading is paused or the link is down. */
  #tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    let told = 0;
    try {
      while (!this.#paused && !this.#isDown()) {
        const message = this.#inbox[told];
        if (message === undefined) break;
        told += 1;
        this.#take(message);
      }
    } finally {
      // Also where a callback has thrown: nothing is told twice.
      this.#inbox = this.#inbox.slice(told);
      this.#telling = false;
    }
    this.renewCredit();
    if (this.#ended && !this.#paused) this.#onEnd();
  }

  #take(message: LinkMessage): void {
    switch (message.type) {
      case 'ping': {
        if (this.#phase.kind !== 'up') return;
        const { loopDelayUs, redis } = this.#options.pulse?.(this) ?? { loopDelayUs: 0, redis: 'unknown' };
        const delayUs = Math.min(U32_MAX, Math.max(0, Math.round(loopDelayUs)));
        this.#out.pushBeat(prepare({ type: 'pong', seq: message.seq, loopDelayUs: delayUs, redis }));
        return;
      }
      case 'pong': {
        const sentAt = this.#phase.kind === 'up' ? this.#phase.liveness.answered(message.seq) : undefined;
        if (sentAt === undefined) return;
        const rttMs = this.#clock.now().monoMs - sentAt.monoMs;
        this.#events.onPong?.(this, { sentAt, rttMs, loopDelayUs: message.loopDelayUs, redis: message.redis });
        return;
      }
      case 'credit':
        this.#sendCredit?.grant(message.bytes);
        this.#out.replenished();
        return;
      case 'hello':
      case 'proof':
        this.#broke(new LinkProtocolError('out-of-order', `${message.type} came after the handshake`));
        return;
      default:
        this.#events.onMessage(this, message);
    }
  }

  // Output

  #makeOut(socket: Socket, { events, gate }: LinkOptions): HandOver {
    const edge = {
      write: (bytes: Buffer, taken: (error?: Error | null) => void) => {
        socket.write(bytes, taken);
        this.#easePressure();
      },
      passes: (message: LinkMessage) => gate === undefined || !isGated(message) || gate(message),
      onDropped: (message: LinkMessage) => events.onDropped?.(this, message),
      onLate: (ms: number) => events.onLate?.(this, ms),
      onIdle: () => {
        if (this.#phase.kind === 'closing') socket.end();
        else events.onIdle?.(this);
      },
    };
    const allowance: Allowance = { spend: (bytes) => this.#sendCredit?.spend(bytes) ?? UNLIMITED.spend(bytes) };
    return new HandOver(edge, this.#clock, this.#timers, allowance);
  }

  #easePressure(): void {
    if (this.#isPressed && this.#out.dataBytes * 4 < this.#limits.pressedBytes) this.#press(false);
  }

  /** Told when this call is over: whoever hears it may send or take back. */
  #press(isPressed: boolean): void {
    this.#isPressed = isPressed;
    queueMicrotask(() => {
      if (this.#isPressed === isPressed && !this.#isDown()) this.#events.onPressed?.(this, isPressed);
    });
  }

  // Heartbeat

  #beat(): void {
    const phase = this.#phase;
    if (phase.kind !== 'up') return;
    const now = this.#clock.now();
    if (this.#paused) phase.liveness.heard(now);
    const leftMs = phase.liveness.check(now);
    if (leftMs <= 0) {
      this.#fail({ code: 'silent', text: `nothing was heard for ${this.#limits.silentMs} ms` }, NOTHING);
      return;
    }
    this.ping();
    // The end of the silence is met when it comes, not at the heartbeat after it.
    const nextMs = Math.min(jittered(this.#random, this.#limits.heartbeatMs), leftMs);
    this.#setTimer(nextMs, () => this.#beat());
  }

  // Ends

  #onError(error: Error): void {
    const code = this.#connected ? 'reset' : 'unreachable';
    this.#fail({ code, text: error.message, cause: error }, NOTHING);
  }

  /** The other side has ended its stream. What it said before is told first. */
  #onEnd(): void {
    this.#ended = true;
    if (this.#isDown() || this.#paused || this.#inbox.length > 0) return;
    if (this.#phase.kind === 'closing') return;
    const fault = this.#phase.kind === 'handshake' ? new HandshakeError('refused', 'the stream ended') : undefined;
    if (fault === undefined) this.#fail({ code: 'ended', text: 'the other side ended the link' }, NOTHING);
    else this.#fail({ code: 'handshake', text: fault.message, cause: fault }, NOTHING);
  }

  #onClose(): void {
    if (this.#phase.kind === 'closing') this.#down({ code: 'closed', text: 'closed here' });
    else this.#down({ code: 'reset', text: 'the socket closed' });
    this.#cancelTimer();
  }

  #broke(error: LinkProtocolError): void {
    this.#fail({ code: 'protocol', text: `${error.code}: ${error.message}`, cause: error }, encode(error.goaway));
  }

  /** Ends the link, with last words where there are any. They are given a moment; nothing more is read meanwhile. */
  #fail(down: Omit<LinkDown, 'wasUp'>, lastWords: Buffer): void {
    if (this.#isDown()) return;
    if (lastWords.length === 0 || !this.#socket.writable) {
      this.#cancelTimer();
      this.#socket.destroy();
    } else {
      this.#socket.pause();
      this.#setTimer(LAST_WORDS_MS, () => this.#socket.destroy());
      this.#socket.end(lastWords, () => this.#socket.destroy());
    }
    this.#down(down);
  }

  #down(down: Omit<LinkDown, 'wasUp'>): void {
    if (this.#isDown()) return;
    this.#phase = { kind: 'down' };
    this.#out.stop();
    this.#inbox = [];
    this.#events.onDown(this, { ...down, wasUp: this.#peer !== undefined });
  }

  #isDown(): boolean {
    return this.#phase.kind === 'down';
  }

  /** A link has one timer: the handshake's deadline, then the heartbeat, then the bound on its end. */
  #setTimer(ms: number, run: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#timers.after(ms, run);
  }
}

/** What a message keeps its order with where its sender does not say. */
function laneOf(message: LinkMessage): LaneKey | undefined {
  switch (message.type) {
    case 'client-frame':
    case 'close-session':
      return message.session;
    case 'direct':
    case 'cast':
    case 'opened':
    case 'bind':
    case 'moved':
    case 'gone':
    case 'close-client':
      return 'rooms';
    default:
      return undefined;
  }
}
