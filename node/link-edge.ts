/** A node's sockets: the links that routers and other nodes dial, and those it dials for a handover. Owns: the numbers that the core
 *  knows links by. Does not know: what is said on them.
 *  Invariant: the core hears `linkUp`, then messages, then `linkDown`, each number once. */
import type { Instant } from '../shared/clock.ts';
import type { LinkConnection, LinkEvents, LinkOptions } from '../shared/link/connection.ts';
import { dialLink, type LinkAddress, parseAddress } from '../shared/link/dial.ts';
import type { LinkIdentity } from '../shared/link/handshake.ts';
import { LinkListener } from '../shared/link/listener.ts';
import type { Call, LinkMessage, Pong } from '../shared/link/messages.ts';
import { LinkEncodeError } from '../shared/link/protocol-error.ts';
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
  readonly linkDrained: (link: number) => void;
  readonly message: (link: number, message: LinkMessage) => void;
  readonly call: (link: number, call: Call) => void;
  readonly dropped: (link: number, message: LinkMessage) => void;
  /** The messages of this loop turn have been told. */
  readonly turnEnd: () => void;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

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

  send(number: number, message: LinkMessage): boolean {
    const link = this.#byNumber.get(number);
    if (link === undefined) return false;
    try {
      if (link.send(message)) return true;
    } catch (error) {
      if (!(error instanceof LinkEncodeError)) throw error;
      // A defect here or in a program, never a reason to end the node: the routers at this link show their cursors again.
      this.#options.log('a message cannot be sent', { type: message.type, why: error.message });
      this.#options.dropped(number, message);
      return true;
    }
    this.#full.add(number);
    return false;
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
      onIdle: (link) => {
        const number = this.#numbers.get(link);
        if (number !== undefined && this.#full.delete(number)) this.#options.linkDrained(number);
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
    return { handshake: { self, secrets, accepts }, events, gate: () => gateOpen(), pulse };
  }

  #take(link: LinkConnection, message: LinkMessage): void {
    const number = this.#numbers.get(link);
    if (number === undefined) return;
    if (message.type === 'call') this.#options.call(number, message);
    else this.#options.message(number, message);
    if (this.#turnDue) return;
    this.#turnDue = true;
    setImmediate(() => {
      this.#turnDue = false;
      this.#options.turnEnd();
    });
  }
}
