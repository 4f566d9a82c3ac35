/** Which sockets still owe an answer. Owns: the count of requests on each that are not answered yet. Does not know: what is asked.
 *  A client may send requests ahead of their answers, which go out in order. An upgrade takes the socket over at once, so the answer
 *  to a request before it would end up among the bytes of the upgraded connection. */
import type { RequestListener } from 'node:http';
import type { Duplex } from 'node:stream';

export class Unanswered {
  readonly #counts = new WeakMap<Duplex, number>();

  /** @returns the listener, with its requests counted until their answers have left */
  counting(listener: RequestListener): RequestListener {
    return (request, response) => {
      const { socket } = request;
      this.#add(socket, 1);
      response.once('close', () => this.#add(socket, -1));
      listener(request, response);
    };
  }

  has(socket: Duplex): boolean {
    return (this.#counts.get(socket) ?? 0) > 0;
  }

  #add(socket: Duplex, change: 1 | -1): void {
    this.#counts.set(socket, (this.#counts.get(socket) ?? 0) + change);
  }
}
