/** Which sockets still owe an answer. Owns: the requests on each that are not answered yet. Does not know: what is asked.
 *  A client may send requests ahead of their answers, which go out in order. Whatever is written to its socket by another way must not
 *  get among them: an upgrade takes the socket over at once, and a broken request is answered beside the HTTP server.
 *  @see RFC 9112 §9.3.2 */
import type { RequestListener, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

export class Unanswered {
  readonly #responses = new WeakMap<Duplex, Set<ServerResponse>>();

  /** @returns the listener, with its requests kept until their answers have left */
  keeping(listener: RequestListener): RequestListener {
    return (request, response) => {
      const open = this.#responses.get(request.socket) ?? new Set();
      this.#responses.set(request.socket, open.add(response));
      response.once('close', () => open.delete(response));
      listener(request, response);
    };
  }

  /** Whether any answer is still to come. */
  has(socket: Duplex): boolean {
    return (this.#responses.get(socket)?.size ?? 0) > 0;
  }

  /** Whether an answer to what is being read now would come before another's, or into the middle of one. */
  isAhead(socket: Duplex): boolean {
    const open = [...(this.#responses.get(socket) ?? [])];
    return open.some(({ req, headersSent }) => req.complete || headersSent);
  }
}
