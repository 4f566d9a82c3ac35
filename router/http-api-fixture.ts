/** The HTTP API on a socket, for tests. Owns: a server over ports that a test fills, the asking of it, and that every answer is as its
 *  route describes it. Does not know: any route. */
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { FakeApiPorts } from './fake-api-ports.ts';
import { type HttpApiOptions, httpApi, ROUTES } from './http-api.ts';
import { AnswerChecker } from './openapi/answers-fixture.ts';

export type Json = Record<string, unknown>;

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** Of an answer that is JSON; else empty. */
  readonly body: Json;
}

export interface Question {
  readonly body?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

export class HttpApiBench {
  ports = new FakeApiPorts();
  port = 0;
  /** Also knows which answers were seen, over all starts. */
  readonly checker = new AnswerChecker(ROUTES);
  #server: Server | undefined;

  /** Over fresh ports. */
  start(options: Partial<HttpApiOptions> = {}): Promise<void> {
    this.ports = new FakeApiPorts();
    return this.#listen(options);
  }

  /** Over the same ports, with other options. */
  async restart(options: Partial<HttpApiOptions> = {}): Promise<void> {
    await this.stop();
    await this.#listen(options);
  }

  stop(): Promise<void> {
    const server = this.#server;
    return new Promise((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  }

  /** @throws Error where the answer is not as its route describes it */
  call(method: string, path: string, { body, headers: more }: Question = {}): Promise<Reply> {
    const headers = { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), ...more };
    const { port, checker } = this;
    return new Promise((resolve, reject) => {
      const sent = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const status = response.statusCode ?? 0;
          const contentType = response.headers['content-type'] ?? '';
          const isJson = text !== '' && contentType.startsWith('application/json');
          const faults = checker.faultsOf({ method, path, status, contentType, text });
          if (faults.length > 0) reject(new Error(faults.join('\n')));
          resolve({ status, headers: response.headers, text, body: isJson ? (JSON.parse(text) as Json) : {} });
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  async #listen(options: Partial<HttpApiOptions>): Promise<void> {
    const server = createServer(httpApi({ ports: this.ports, registry: new Registry(), ...options }));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
  }
}

export function errorOf(reply: Reply): unknown {
  return (reply.body['error'] as Json | undefined)?.['code'];
}
