/** A router that answers what a test tells it to. Owns: a listener on this machine, and what it was asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  readonly method: string;
  /** Below /api/v1, with its query. */
  readonly path: string;
  readonly body: unknown;
  readonly headers: IncomingMessage['headers'];
}

export type FakeAnswer =
  | { readonly status?: number; readonly body: unknown }
  | { readonly stream: (response: ServerResponse) => void };

export class FakeRouter {
  readonly asked: Asked[] = [];
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  /** @param answer  what to say; undefined: there is no such path */
  static async start(answer: (asked: Asked) => FakeAnswer | undefined): Promise<FakeRouter> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const router = new FakeRouter(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', (request, response) => void router.#respond(request, response, answer));
    return router;
  }

  /** What it was asked, as `METHOD path`. */
  get lines(): string[] {
    return this.asked.map(({ method, path }) => `${method} ${path}`);
  }

  stop(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #respond(
    request: IncomingMessage,
    response: ServerResponse,
    answer: (asked: Asked) => FakeAnswer | undefined,
  ): Promise<void> {
    if (request.url === '/livez') {
      response.end('{}');
      return;
    }
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const asked = {
      method: request.method ?? '',
      path: (request.url ?? '').replace('/api/v1', ''),
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
      headers: request.headers,
    };
    this.asked.push(asked);
    const found = answer(asked) ?? {
      status: 404,
      body: { error: { code: 'not_found', message: 'there is no such path', retryable: false } },
    };
    if ('stream' in found) return found.stream(response);
    response.writeHead(found.status ?? 200, { 'content-type': 'application/json' }).end(JSON.stringify(found.body));
  }
}
