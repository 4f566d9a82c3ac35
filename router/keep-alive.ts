/** Finds clients whose connection died without a word. Owns: when each client is pinged and when its answer is overdue.
 *  Does not know: sockets.
 *
 *  One wheel for all clients: a client's slot follows from its handle, every tick pings one slot and looks at the slot that was
 *  pinged `pongTimeoutMs` ago. So pings are spread evenly and a client costs one entry in a set, no timer.
 *  Time is counted in ticks that ran, not in milliseconds that passed: after the process stood still, pongs lie unread in its
 *  sockets, and between two ticks the event loop reads them.
 *  Invariant: each client is pinged once a round; one that answers is never reported. */
import type { Client } from './client-record.ts';

export interface KeepAliveOptions {
  readonly pingIntervalMs: number;
  /** Must be shorter than `pingIntervalMs`. */
  readonly pongTimeoutMs: number;
  readonly tickMs: number;
}

/** Ticks made up for when some were late; the others are let go. */
const CATCH_UP_TICKS_MAX = 2;

export class KeepAlive {
  readonly #slots: Set<Client>[];
  readonly #pongTicks: number;
  readonly #tickMs: number;
  #tick = 0;
  #lastMs: number | undefined;

  constructor(options: KeepAliveOptions) {
    const slots = Math.max(2, Math.round(options.pingIntervalMs / options.tickMs));
    this.#slots = Array.from({ length: slots }, () => new Set());
    this.#pongTicks = Math.min(slots - 1, Math.max(1, Math.ceil(options.pongTimeoutMs / options.tickMs)));
    this.#tickMs = options.tickMs;
  }

  add(client: Client): void {
    this.#slotAt(client.handle).add(client);
  }

  remove(client: Client): void {
    this.#slotAt(client.handle).delete(client);
  }

  /** To be called every `tickMs`. Calls `ping` for clients whose turn it is and `expire` for those that did not answer. A client
   *  that is not read from, or that takes nothing, is neither pinged nor reported: it is watched by other means. */
  tick(nowMs: number, ping: (client: Client) => void, expire: (client: Client) => void): void {
    this.#lastMs ??= nowMs - this.#tickMs;
    const due = Math.floor((nowMs - this.#lastMs) / this.#tickMs);
    if (due <= 0) return;
    this.#lastMs += due * this.#tickMs;
    for (let i = 0; i < Math.min(due, CATCH_UP_TICKS_MAX); i++) this.#step(ping, expire);
  }

  #step(ping: (client: Client) => void, expire: (client: Client) => void): void {
    this.#tick += 1;
    for (const client of this.#slotAt(this.#tick - this.#pongTicks)) {
      if (client.awaitingPong && isHeard(client)) expire(client);
    }
    for (const client of this.#slotAt(this.#tick)) {
      if (!isHeard(client)) continue;
      client.awaitingPong = true;
      ping(client);
    }
  }

  #slotAt(position: number): Set<Client> {
    const count = this.#slots.length;
    const slot = this.#slots[((position % count) + count) % count];
    if (slot === undefined) throw new RangeError(`no slot at ${position}`);
    return slot;
  }
}

function isHeard(client: Client): boolean {
  return client.reading && client.backlogBytes === 0;
}
