/** Those who listen to Server-Sent Events. Owns: their responses, how many there may be, and the end of one that reads too slowly.
 *  Does not know: what is told.
 *  Invariant: a listener never holds back another, or the router: what waits for one is bounded, and beyond the bound it is cut off
 *  (it comes back by itself, and begins with a fresh snapshot).
 *  @see https://html.spec.whatwg.org/multipage/server-sent-events.html */
import type { ServerResponse } from 'node:http';
import { BellhopError } from '../../shared/errors.ts';

/** Waiting for one listener: several snapshots of a large cluster. */
const BACKLOG_BYTES_MAX = 8 * 1_048_576;
const LISTENERS_MAX = 64;
/** A line that says nothing keeps proxies from ending a stream in which nothing happens. */
const COMMENT_EVERY_MS = 15_000;

export interface Listener {
  /** @param data  JSON text, without a line break */
  send(event: string, data: string): void;
  end(): void;
  readonly isEnded: boolean;
}

export class Listeners {
  readonly #max: number;
  readonly #backlogBytesMax: number;
  readonly #all = new Set<Listener>();

  constructor(max: number = LISTENERS_MAX, backlogBytesMax: number = BACKLOG_BYTES_MAX) {
    this.#max = max;
    this.#backlogBytesMax = backlogBytesMax;
  }

  get size(): number {
    return this.#all.size;
  }

  /** @throws BellhopError too_many, retryable: there is no room for another */
  check(): void {
    if (this.#all.size >= this.#max) {
      throw new BellhopError('too_many', 'too many listeners at once', { retryAfterMs: 5_000 });
    }
  }

  /** Begins a stream. @param ended  called once, when the listener has gone or was cut off */
  add(response: ServerResponse, ended: () => void): Listener {
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      // Told to nginx, which would gather it otherwise.
      'X-Accel-Buffering': 'no',
    });
    response.flushHeaders();
    // An answer that waits behind another one on its socket does not hear of the socket's end.
    const { socket } = response.req;
    const write = (text: string): void => {
      if (listener.isEnded) return;
      if (response.writableLength > this.#backlogBytesMax) socket.destroy();
      else response.write(text);
    };
    const comments = setInterval(() => write(':\n\n'), COMMENT_EVERY_MS);
    const listener: Listener = {
      send: (event, data) => write(`event: ${event}\ndata: ${data}\n\n`),
      end: () => void response.end(),
      get isEnded() {
        return socket.destroyed || response.writableEnded;
      },
    };
    this.#all.add(listener);
    const gone = () => {
      socket.off('close', gone);
      if (!this.#all.delete(listener)) return;
      clearInterval(comments);
      ended();
    };
    socket.once('close', gone);
    response.once('close', gone);
    return listener;
  }

  each(tell: (listener: Listener) => void): void {
    for (const listener of this.#all) tell(listener);
  }

  /** Ends every stream. */
  close(): void {
    for (const listener of this.#all) listener.end();
  }
}
