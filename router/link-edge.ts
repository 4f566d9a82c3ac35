/** A router's links: one dialler to each node it is to keep a link to, and the questions asked over them. Owns: dialling, the
 *  answers awaited, and holding back what lay in the sockets while this process stood still. Does not know: rooms.
 *  Invariant: after the loop stood still for `STALL_MS`, nothing is told before a fresh poll was answered or has failed: the nodes
 *  that speak in those bytes may have been certified meanwhile.
 *  @see DESIGN §4 Routers */
import type { Instant } from '../shared/clock.ts';
import { BellhopError, isErrorCode } from '../shared/errors.ts';
import type { LinkConnection } from '../shared/link/connection.ts';
import { parseAddress } from '../shared/link/dial.ts';
import { LinkDialer } from '../shared/link/dialer.ts';
import type { LinkIdentity } from '../shared/link/handshake.ts';
import type { LinkMessage, Pong, Return } from '../shared/link/messages.ts';
import { LinkEncodeError } from '../shared/link/protocol-error.ts';
import { isTlsFault, type TlsFiles } from '../shared/tls-files.ts';
import type { Holder } from './route.ts';

/** A pause of the event loop after which the view is read anew before anything is forwarded. */
const STALL_MS = 1_000;
const CALLS_MAX = 10_000;
/** Data waiting for one node from which on its clients are not read from. */
const PRESSED_BYTES = 4_194_304;

export interface RouterLinksOptions {
  readonly self: LinkIdentity;
  readonly secrets: readonly string[];
  readonly now: () => Instant;
  /** What this node is told that asks how this router does. */
  readonly pulse: (at: Holder) => Pick<Pong, 'loopDelayUs' | 'redis'>;
  readonly linkUp: (at: Holder) => void;
  readonly linkDown: (at: Holder) => void;
  readonly linkDrained: (at: Holder) => void;
  readonly linkPressed?: (at: Holder, isPressed: boolean) => void;
  /** A client's frame is larger than its node takes. Called in a later turn. */
  readonly undeliverable?: (handle: number) => void;
  /** Whether clients take what is written to them: while they do not, nodes are granted no more. */
  readonly takes?: () => boolean;
  /** Bytes of data that a node may send ahead of what was taken here. */
  readonly windowBytes?: number;
  /** Speaks TLS on every link. */
  readonly tls?: TlsFiles | undefined;
  readonly message: (at: Holder, message: LinkMessage) => void;
  /** Calls back after a poll sent from now on. */
  readonly afterFreshPoll: (done: () => void) => void;
  readonly roundTrip: (ms: number) => void;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

interface Kept {
  readonly at: Holder;
  readonly address: string;
  readonly dialer: LinkDialer;
  full: boolean;
}

interface Awaited {
  readonly incarnation: string;
  readonly done: (result: Return['result']) => void;
  readonly timer: NodeJS.Timeout;
}

export class RouterLinks {
  readonly #options: RouterLinksOptions;
  readonly #kept = new Map<string, Kept>();
  readonly #awaited = new Map<number, Awaited>();
  #calls = 0;
  #aliveMs: number;
  #held = false;

  constructor(options: RouterLinksOptions) {
    this.#options = options;
    this.#aliveMs = options.now().monoMs;
  }

  /** Links that are up. */
  get up(): number {
    let count = 0;
    for (const { dialer } of this.#kept.values()) if (dialer.link !== undefined) count++;
    return count;
  }

  /** Bytes queued on all links. */
  get backlogBytes(): number {
    let bytes = 0;
    for (const { dialer } of this.#kept.values()) bytes += dialer.link?.queuedBytes ?? 0;
    return bytes;
  }

  isUp(incarnation: string): boolean {
    return this.#kept.get(incarnation)?.dialer.link !== undefined;
  }

  keep(at: Holder, address: string): void {
    const known = this.#kept.get(at.incarnation);
    if (known?.address === address) return;
    if (known !== undefined) this.drop(at);
    const to = parseAddress(address);
    if (to === undefined) return this.#options.log('node has no usable address', { node: at.node, address });
    const { self, secrets, pulse, takes, windowBytes, tls } = this.#options;
    const dialer = new LinkDialer({
      address: to,
      handshake: { self, secrets, accepts: ['node'], expect: { id: at.node, incarnation: at.incarnation } },
      pulse: () => pulse(at),
      takes,
      tls,
      ...(windowBytes === undefined ? {} : { windowBytes }),
      pressedBytes: PRESSED_BYTES,
      events: {
        onUp: () => this.#options.linkUp(at),
        onMessage: (link, message) => this.#take(at, link, message),
        onPong: (_link, sample) => this.#options.roundTrip(sample.rttMs),
        onIdle: () => this.#drained(at),
        onPressed: (_link, isPressed) => this.#options.linkPressed?.(at, isPressed),
        onDown: (_link, down) => {
          if (down.code === 'handshake' || isTlsFault(down.cause))
            this.#options.log('link refused', { node: at.node, why: down.text });
          if (!down.wasUp) return;
          this.#fail(at.incarnation);
          this.#options.linkDown(at);
        },
      },
    });
    this.#kept.set(at.incarnation, { at, address, dialer, full: false });
    dialer.start();
  }

  drop(at: Holder): void {
    const kept = this.#kept.get(at.incarnation);
    if (kept === undefined) return;
    this.#kept.delete(at.incarnation);
    void kept.dialer.stop();
    this.#fail(at.incarnation);
  }

  send(incarnation: string, message: LinkMessage): boolean {
    const kept = this.#kept.get(incarnation);
    const link = kept?.dialer.link;
    if (kept === undefined || link === undefined) return false;
    try {
      if (link.send(message)) return true;
    } catch (error) {
      if (!(error instanceof LinkEncodeError) || message.type !== 'client-frame') throw error;
      this.#options.log('a message cannot be sent', { node: kept.at.node, why: error.message });
      setImmediate(() => this.#options.undeliverable?.(message.session));
      return false;
    }
    kept.full = true;
    return false;
  }

  /** Asks a node one question.
   *  @throws BellhopError the node's own, or `unavailable` or `timeout` (retryable) */
  call(incarnation: string, op: string, args: unknown, timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = ++this.#calls % 0xffff_ffff;
      try {
        if (this.#awaited.size >= CALLS_MAX || !this.send(incarnation, { type: 'call', id, op, args })) {
          reject(new BellhopError('unavailable', 'there is no link to the node'));
          return;
        }
      } catch (error) {
        const isTooLarge = error instanceof LinkEncodeError && error.code === 'too-large';
        reject(isTooLarge ? new BellhopError('payload_too_large', 'the request is too large for a link') : error);
        return;
      }
      const timer = setTimeout(() => {
        this.#awaited.delete(id);
        reject(new BellhopError('timeout', 'the node did not answer in time'));
      }, timeoutMs);
      const done = (result: Return['result']) => {
        if ('ok' in result) return resolve(result.ok);
        const { code, message } = result.error;
        reject(new BellhopError(isErrorCode(code) ? code : 'internal', message));
      };
      this.#awaited.set(id, { incarnation, done, timer });
    });
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#kept.values()].map(({ dialer }) => dialer.stop()));
    for (const { incarnation } of [...this.#awaited.values()]) this.#fail(incarnation);
  }

  /** Called every few tens of milliseconds: says that the loop turns. */
  tick(): void {
    const { monoMs } = this.#options.now();
    if (monoMs - this.#aliveMs > STALL_MS) this.#holdBack();
    this.#aliveMs = monoMs;
    for (const { dialer } of this.#kept.values()) dialer.link?.renewCredit();
  }

  #take(at: Holder, link: LinkConnection, message: LinkMessage): void {
    if (this.#options.now().monoMs - this.#aliveMs > STALL_MS) this.#holdBack();
    if (this.#held) {
      // Told again by `resume`: what is decoded and not told stays in the link.
      link.pause();
      this.#later.push({ at, message });
      return;
    }
    this.#tell(at, message);
  }

  /** What arrived in the turn in which a stall was noticed: at most what the sockets' one chunk each held. */
  #later: { readonly at: Holder; readonly message: LinkMessage }[] = [];

  #tell(at: Holder, message: LinkMessage): void {
    if (message.type === 'return') this.#answered(message);
    else this.#options.message(at, message);
  }

  #holdBack(): void {
    this.#aliveMs = this.#options.now().monoMs;
    if (this.#held) return;
    this.#held = true;
    for (const { dialer } of this.#kept.values()) dialer.link?.pause();
    this.#options.log('the event loop stood still', {});
    this.#options.afterFreshPoll(() => {
      this.#held = false;
      const later = this.#later;
      this.#later = [];
      for (const { at, message } of later) if (this.#kept.has(at.incarnation)) this.#tell(at, message);
      for (const { dialer } of this.#kept.values()) dialer.link?.resume();
    });
  }

  #drained(at: Holder): void {
    const kept = this.#kept.get(at.incarnation);
    if (kept?.full !== true) return;
    kept.full = false;
    this.#options.linkDrained(at);
  }

  #answered(message: Return): void {
    const awaited = this.#awaited.get(message.id);
    if (awaited === undefined) return;
    this.#awaited.delete(message.id);
    clearTimeout(awaited.timer);
    awaited.done(message.result);
  }

  #fail(incarnation: string): void {
    for (const [id, awaited] of this.#awaited) {
      if (awaited.incarnation !== incarnation) continue;
      this.#awaited.delete(id);
      clearTimeout(awaited.timer);
      awaited.done({ error: { code: 'link_lost', message: 'the link to the node broke', retryable: true } });
    }
  }
}
