/** Takes links in. Owns: the port, and how many may knock at once. Does not know: what a link is for.
 *  Invariant: at most `unprovenMax` connections that have not proved themselves and `linksMax` in all. What comes beyond
 *  takes the place of the one that has been proving itself for longest, since who knows the secret is done within moments: strangers who
 *  hold connections open keep nobody out. Where all have proved themselves it is cut before a byte of it is read. */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { TLS_VERSION_MIN } from '../tls-files.ts';
import { LINK_DEFAULTS, LinkConnection, type LinkEvents, type LinkOptions } from './connection.ts';
import type { LinkAddress } from './dial.ts';
import { checkHandshake } from './handshake.ts';
import type { Goaway } from './messages.ts';

export const LISTENER_DEFAULTS = {
  /** Connections in the handshake. Each may hold a payload of 4 KiB, for 5 s. */
  unprovenMax: 256,
  linksMax: 4_096,
} as const;

export interface LinkListenerOptions extends LinkOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly unprovenMax?: number;
  readonly linksMax?: number;
  /** A connection was cut because there were too many, or it showed no certificate of the cluster's authority. */
  readonly onRefused?: ((why: 'unproven' | 'links' | 'certificate') => void) | undefined;
}

export class LinkListener {
  readonly #options: LinkListenerOptions;
  readonly #events: LinkEvents;
  readonly #server: Server;
  readonly #links = new Set<LinkConnection>();
  /** Those in the handshake, the oldest first. */
  readonly #unproven = new Set<LinkConnection>();
  /** Takes no connections itself: they are handed to it. */
  readonly #tls: TlsServer | undefined;
  /** Connections that have not finished the handshake of TLS, by where they come from. */
  readonly #securing = new Map<string, Socket>();
  #started: Promise<LinkAddress> | undefined;
  #closed: Promise<void> | undefined;

  /** @throws RangeError or LinkEncodeError for an identity or secrets that cannot be used */
  constructor(options: LinkListenerOptions) {
    checkHandshake(options.handshake);
    this.#options = options;
    const { events } = options;
    this.#events = {
      // Named one by one, since events may be an object with its methods on a prototype.
      onUp: (link) => {
        this.#unproven.delete(link);
        events.onUp?.(link);
      },
      onMessage: (link, message) => events.onMessage(link, message),
      onDropped: (link, message) => events.onDropped?.(link, message),
      onPong: (link, sample) => events.onPong?.(link, sample),
      onIdle: (link) => events.onIdle?.(link),
      onPressed: (link, isPressed) => events.onPressed?.(link, isPressed),
      onLate: (link, ms) => events.onLate?.(link, ms),
      onDown: (link, down) => {
        this.#unproven.delete(link);
        this.#links.delete(link);
        events.onDown(link, down);
      },
    };
    this.#server = createServer((socket) => this.#accept(socket));
    this.#tls = this.#makeTls();
  }

  /** Links that are up. */
  links(): LinkConnection[] {
    return [...this.#links].filter((link) => link.isUp);
  }

  /** Connections that have not proved themselves yet. */
  get unproven(): number {
    return this.#unproven.size + this.#securing.size;
  }

  /** Listens. @returns where
   *  @throws the server's error where the port cannot be had (EADDRINUSE, EACCES); start is not repeated then */
  start(): Promise<LinkAddress> {
    this.#started ??= new Promise((resolve, reject) => {
      const { host, port } = this.#options;
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject);
        // Later errors are of single accepts (EMFILE): the dialer comes again.
        this.#server.on('error', () => {});
        const address = this.#server.address();
        resolve({ host, port: typeof address === 'object' && address !== null ? address.port : port });
      });
    });
    return this.#started;
  }

  /** Takes no more links, and closes each in order, `goaway` last. @returns when every socket is closed */
  close(goaway?: Goaway): Promise<void> {
    this.#closed ??= this.#close(goaway);
    return this.#closed;
  }

  async #close(goaway: Goaway | undefined): Promise<void> {
    // A server that never listened has nothing to close, which it tells as an error.
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    // The server may be done a moment before its last socket has told so.
    for (const socket of this.#securing.values()) socket.destroy();
    this.#securing.clear();
    await Promise.all([closed, ...[...this.#links].map((link) => link.close(goaway))]);
  }

  #accept(socket: Socket): void {
    const { unprovenMax, linksMax, onRefused } = this.#options;
    const isFull = this.#links.size >= (linksMax ?? LISTENER_DEFAULTS.linksMax);
    if (isFull && this.#unproven.size === 0) {
      socket.on('error', () => {});
      socket.destroy();
      onRefused?.('links');
      return;
    }
    if (isFull || this.unproven >= (unprovenMax ?? LISTENER_DEFAULTS.unprovenMax)) {
      this.#cutOldest();
      onRefused?.('unproven');
    }
    if (this.#tls === undefined) return this.#take(socket);
    const from = addressOf(socket);
    this.#securing.set(from, socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      if (this.#securing.get(from) === socket) this.#securing.delete(from);
    });
    this.#tls.emit('connection', socket);
  }

  /** Of those that have not begun with TLS first: the others have shown a certificate. */
  #cutOldest(): void {
    for (const [from, socket] of this.#securing) {
      this.#securing.delete(from);
      socket.destroy();
      return;
    }
    for (const link of this.#unproven) return link.destroy();
  }

  #take(socket: Socket): void {
    const link = new LinkConnection(socket, 'acceptor', { ...this.#options, events: this.#events });
    this.#links.add(link);
    this.#unproven.add(link);
  }

  #makeTls(): TlsServer | undefined {
    const { tls, handshakeMs, onRefused } = this.#options;
    if (tls === undefined) return undefined;
    const required = { requestCert: true, rejectUnauthorized: true, minVersion: TLS_VERSION_MIN } as const;
    const handshakeTimeout = handshakeMs ?? LINK_DEFAULTS.handshakeMs;
    const server = createTlsServer({ ...tls.current, ...required, handshakeTimeout }, (socket) => {
      this.#securing.delete(addressOf(socket));
      this.#take(socket);
    });
    server.on('tlsClientError', (_error, socket) => {
      socket.destroy();
      onRefused?.('certificate');
    });
    tls.onChange((identity) => server.setSecureContext({ ...identity, minVersion: TLS_VERSION_MIN }));
    return server;
  }
}

function addressOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
