/** A node's sockets: the links that routers and other nodes dial, and those it dials for a handover. Owns: the numbers that the core
 *  knows links by. Does not know: what is said on them.
 *  Invariant: the core hears `linkUp`, then messages, then `linkDown`, each number once. */
import type { Instant } from '../shared/clock.ts';
import { LINK_DEFAULTS, type LinkConnection, type LinkEvents, type LinkOptions } from '../shared/link/connection.ts';
import { dialLink, type LinkAddress, parseAddress } from '../shared/link/dial.ts';
import type { LinkIdentity } from '../shared/link/handshake.ts';
import { LinkListener } from '../shared/link/listener.ts';
import type { PongSample } from '../shared/link/liveness.ts';
import type { Call, LinkMessage, Pong } from '../shared/link/messages.ts';
import { LinkEncodeError } from '../shared/link/protocol-error.ts';
import type { TlsFiles } from '../shared/tls-files.ts';
import type { LinkPeer } from './links.ts';

export interface LinkEdgeOptions {
  readonly self: LinkIdentity;
  readonly secrets: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly gateOpen: () => boolean;
  readonly pulse: () => Pick<Pong, 'loopDelayUs' | 'redis'>;
  readonly now: () => Instant;
  readonly linkUp: (link: number, peer: LinkPeer) => void;
  readonly linkDown: (link: number) => void;
  readonly pong: (link: number, sample: PongSample) => void;
  readonly linkDrained: (link: number) => void;
  readonly linkPressed?: (link: number, isPressed: boolean) => void;
  /** Bytes of data that a router may send ahead of what was taken. */
  readonly windowBytes?: number;
  /** Speaks TLS on every link. */
  readonly tls?: TlsFiles | undefined;
  readonly message: (link: number, message: LinkMessage) => void;
  readonly call: (link: number, call: Call) => void;
  readonly dropped: (link: number, message: LinkMessage) => void;
  /** The messages of this loop turn have been told. */
  readonly turnEnd: () => void;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** Queued for a router, above which its clients' frames are taken no faster than they come now. */
const QUEUED_BYTES_MAX = LINK_DEFAULTS.queueBytesMax / 2;

export class LinkEdge {
  readonly #options: LinkEdgeOptions;
  readonly #listener: LinkListener;
  readonly #byNumber = new Map<number, LinkConnection>();
  readonly #numbers = new WeakMap<LinkConnection, number>();
  /** Links whose queue was full when last written to. */
  readonly #full = new Set<number>();
  #next = 0;
  #turnDue = false;

  constructor(options: LinkEdgeOptions) {
    this.#options = options;
    const { host, port } = options;
    this.#listener = new LinkListener({ host, port, ...this.#linkOptions(['router', 'node']) });
  }

  /** @returns where routers can dial */
  start(): Promise<LinkAddress> {
    return this.#listener.start();
  }

  /** @param lane  the room it is said of, whose messages keep their order */
  send(number: number, message: LinkMessage, lane?: string): boolean {
    const link = this.#byNumber.get(number);
    if (link === undefined) return false;
    try {
      if (link.send(message, lane)) return true;
    } catch (error) {
      if (!(error instanceof LinkEncodeError)) throw error;
      this.#options.log('a message cannot be sent', { type: message.type, why: error.message });
      if (message.type === 'return') {
        const fault = { code: 'payload_too_large', message: 'the answer is too large', retryable: false };
        return link.send({ type: 'return', id: message.id, result: { error: fault } });
      }
      // A defect here or in a program, never a reason to end the node: the routers at this link show their cursors again.
      this.#options.dropped(number, message);
      return true;
    }
    this.#full.add(number);
    return false;
  }

  /** Grants what was withheld, where it can be taken by now. To be called every few tens of milliseconds. */
  renewCredit(): void {
    for (const link of this.#byNumber.values()) link.renewCredit();
  }

  /** Bytes queued on all links. */
  get backlogBytes(): number {
    let bytes = 0;
    for (const link of this.#byNumber.values()) bytes += link.queuedBytes;
    return bytes;
  }

  ping(number: number): void {
    this.#byNumber.get(number)?.ping();
  }

  lanes(number: number): ReadonlyMap<unknown, unknown> | undefined {
    return this.#byNumber.get(number)?.lanes;
  }

  dropQueued(number: number, predicate: (message: LinkMessage) => boolean): readonly LinkMessage[] {
    return this.#byNumber.get(number)?.dropQueued(predicate) ?? [];
  }

  afterHandedOver(numbers: readonly number[], done: () => void): void {
    const links = numbers.flatMap((number) => this.#byNumber.get(number) ?? []);
    for (const link of links) link.flush();
    void Promise.all(links.map((link) => link.whenHandedOver())).then(() => done());
  }

  dial(node: string, incarnation: string, address: string): number {
    const number = ++this.#next;
    const to = parseAddress(address);
    if (to === undefined) {
      setImmediate(() => this.#options.linkDown(number));
      return number;
    }
    const options = this.#linkOptions(['node']);
    const link = dialLink(to, { ...options, handshake: { ...options.handshake, expect: { id: node, incarnation } } });
    this.#numbers.set(link, number);
    this.#byNumber.set(number, link);
    return number;
  }

  /** Lets what is queued leave, then ends every link. */
  async closeAll(): Promise<void> {
    await Promise.all([
      this.#listener.close({ type: 'goaway', reason: 'closing', text: 'the node ends' }),
      ...[...this.#byNumber.values()].map((link) => link.close()),
    ]);
  }

  #linkOptions(accepts: readonly ('router' | 'node')[]): LinkOptions {
    const { self, secrets, gateOpen, pulse } = this.#options;
    const events: LinkEvents = {
      onUp: (link) => {
        const number = this.#numbers.get(link) ?? ++this.#next;
        this.#numbers.set(link, number);
        this.#byNumber.set(number, link);
        const { peer } = link;
        if (peer !== undefined) this.#options.linkUp(number, peer);
      },
      onMessage: (link, message) => this.#take(link, message),
      onDropped: (link, message) => {
        const number = this.#numbers.get(link);
        if (number !== undefined) this.#options.dropped(number, message);
      },
      onPong: (link, sample) => {
        const number = this.#numbers.get(link);
        if (number !== undefined) this.#options.pong(number, sample);
      },
      onIdle: (link) => {
        const number = this.#numbers.get(link);
        if (number !== undefined && this.#full.delete(number)) this.#options.linkDrained(number);
      },
      onPressed: (link, isPressed) => {
        const number = this.#numbers.get(link);
        if (number !== undefined) this.#options.linkPressed?.(number, isPressed);
      },
      onLate: (_link, ms) => this.#options.log('output left late after its gate check', { ms: Math.round(ms) }),
      onDown: (link, down) => {
        const number = this.#numbers.get(link);
        if (number === undefined) return;
        this.#byNumber.delete(number);
        this.#full.delete(number);
        if (down.code === 'protocol') this.#options.log('link broke the rules', { text: down.text });
        this.#options.linkDown(number);
      },
    };
    const { windowBytes, tls } = this.#options;
    return {
      handshake: { self, secrets, accepts },
      tls,
      events,
      gate: () => gateOpen(),
      pulse,
      // Clients of a router that does not keep up with what is said to it are slowed down in what they say themselves.
      takes: (link) => link.queuedBytes < QUEUED_BYTES_MAX,
      ...(windowBytes === undefined ? {} : { windowBytes }),
    };
  }

  #take(link: LinkConnection, message: LinkMessage): void {
    const number = this.#numbers.get(link);
    if (number === undefined) return;
    // Before what the message brings asks for the end of the turn: acks leave with what was answered, not in a batch of their own.
    if (!this.#turnDue) {
      this.#turnDue = true;
      setImmediate(() => {
        this.#turnDue = false;
        this.#options.turnEnd();
      });
    }
    if (message.type === 'call') this.#options.call(number, message);
    else this.#options.message(number, message);
  }
}
