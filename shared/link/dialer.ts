/** Keeps one link to one address until it is stopped. Owns: when to dial again. Does not know: what the link is for, or whether
 *  the address still belongs to anyone: who asked for the link stops it when it does not.
 *  Invariant: one connection or one pause between two at any time; after `stop` neither. */
import { jittered, systemRandom } from '../random.ts';
import type { LinkConnection, LinkDown, LinkEvents, LinkOptions } from './connection.ts';
import { dialLink, type LinkAddress } from './dial.ts';
import { checkHandshake } from './handshake.ts';
import { systemTimers } from './timers.ts';

/** Longest pause before the first redial; it doubles with each failure in a row, up to the last. A pause is between half of the
 *  longest and all of it, so that routers which lost one node together do not dial it together. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 500;

/** What the dialer tells besides the events of each connection. A link that goes down is told by the connection's `onDown`, and a
 *  dial that failed too; `wasUp` tells them apart. */
export interface LinkDialerOptions extends LinkOptions {
  readonly address: LinkAddress;
  /** Dialing again in `pauseMs`. */
  readonly onRedial?: ((down: LinkDown, pauseMs: number) => void) | undefined;
}

export class LinkDialer {
  readonly #options: LinkDialerOptions;
  readonly #events: LinkEvents;
  #link: LinkConnection | undefined;
  #failures = 0;
  #cancelPause: (() => void) | undefined;
  #phase: 'fresh' | 'dialing' | 'stopped' = 'fresh';
  #closed: Promise<void> | undefined;

  /** @throws RangeError or LinkEncodeError for an identity or secrets that cannot be used */
  constructor(options: LinkDialerOptions) {
    checkHandshake(options.handshake);
    this.#options = options;
    const { events } = options;
    this.#events = {
      // Named one by one, since events may be an object with its methods on a prototype.
      onUp: (link) => {
        this.#failures = 0;
        events.onUp?.(link);
      },
      onMessage: (link, message) => events.onMessage(link, message),
      onDropped: (link, message) => events.onDropped?.(link, message),
      onPong: (link, sample) => events.onPong?.(link, sample),
      onIdle: (link) => events.onIdle?.(link),
      onPressed: (link, isPressed) => events.onPressed?.(link, isPressed),
      onLate: (link, ms) => events.onLate?.(link, ms),
      onDown: (link, down) => {
        this.#link = undefined;
        events.onDown(link, down);
        this.#pause(down);
      },
    };
  }

  /** The link while it is up. */
  get link(): LinkConnection | undefined {
    return this.#link?.isUp === true ? this.#link : undefined;
  }

  /** Dials for the first time. Repeating it does nothing. */
  start(): void {
    if (this.#phase !== 'fresh') return;
    this.#phase = 'dialing';
    this.#dial();
  }

  /** Dials at once instead of waiting out the pause: something says that the other side is there. */
  hurry(): void {
    if (this.#cancelPause === undefined) return;
    this.#cancelPause();
    this.#dial();
  }

  /** Dials no more, and closes the link in order where it is up. @returns when it is closed */
  stop(): Promise<void> {
    // First of all: closing may call onDown at once, which must not dial again.
    this.#phase = 'stopped';
    this.#cancelPause?.();
    this.#cancelPause = undefined;
    this.#closed ??= this.#link?.close() ?? Promise.resolve();
    return this.#closed;
  }

  #dial(): void {
    this.#cancelPause = undefined;
    if (this.#phase === 'stopped') return;
    this.#link = dialLink(this.#options.address, { ...this.#options, events: this.#events });
  }

  #pause(down: LinkDown): void {
    // The owner's onDown may have stopped us.
    if (this.#phase === 'stopped') return;
    const longestMs = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.#failures, 10));
    const pauseMs = jittered(this.#options.random ?? systemRandom, longestMs * 0.75, 1 / 3);
    this.#failures += 1;
    this.#options.onRedial?.(down, pauseMs);
    this.#cancelPause = (this.#options.timers ?? systemTimers).after(pauseMs, () => this.#dial());
  }
}
