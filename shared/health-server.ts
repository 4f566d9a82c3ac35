/** A process' own small HTTP server: liveness, readiness, metrics. Owns: three paths. Does not know: whose they are. */
import { createServer, type Server } from 'node:http';
import type { Registry } from 'prom-client';

export interface HealthOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** False only while starting or draining; neither liveness nor readiness touches Redis. */
  readonly ready: () => boolean;
  readonly registry: Registry;
}

/** Serves `/livez`, `/readyz` and `/metrics`.
 *  @throws the server's error where the port cannot be had */
export function serveHealth(options: HealthOptions): Promise<Server> {
  const { host, port, ready, registry } = options;
  const server = createServer({ headersTimeout: 5_000, requestTimeout: 10_000 }, (request, response) => {
    const answer = (status: number, body: string, type = 'text/plain; charset=utf-8') => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, 'only GET\n');
    switch (request.url) {
      case '/livez':
        return answer(200, 'ok\n');
      case '/readyz':
        return ready() ? answer(200, 'ok\n') : answer(503, 'not ready\n');
      case '/metrics':
        registry.metrics().then(
          (text) => answer(200, text, registry.contentType),
          () => answer(500, 'metrics failed\n'),
        );
        return;
      default:
        return answer(404, 'no such path\n');
    }
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve(server));
  });
}
