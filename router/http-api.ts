/** The HTTP API. Owns: which route answers a request, who may ask, and the limits on asking. Does not know: what a route answers.
 *
 *  With a token every request to /api needs it. Without one the API is open to this machine alone: the connection must have come
 *  in on a loopback address, and be meant for one (`Host`), or a page that rebinds its own name to 127.0.0.1 could ask.
 *  @see DESIGN §8 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { BellhopError } from '../shared/errors.ts';
import { isLoopbackAddress, isLoopbackHost } from './access.ts';
import type { ApiPorts } from './api-ports.ts';
import { answerKill, KILL_PATH } from './development.ts';
import { type Answer, errorAnswer, readBody, send } from './http-answer.ts';
import { auditRoutes } from './http-routes/audit.ts';
import { clusterRoutes } from './http-routes/cluster.ts';
import { explainRoutes } from './http-routes/explain.ts';
import { healthRoutes } from './http-routes/health.ts';
import { liveRoutes } from './http-routes/live.ts';
import { messageRoutes } from './http-routes/messages.ts';
import { moveRoutes } from './http-routes/moves.ts';
import { openApiRoutes } from './http-routes/openapi.ts';
import { presenceRoutes } from './http-routes/presence.ts';
import { roomRoutes } from './http-routes/rooms.ts';
import { userRoutes } from './http-routes/users.ts';
import { webhookRoutes } from './http-routes/webhooks.ts';
import { RequestTrace } from './http-trace.ts';
import type { Live } from './live/live.ts';
import type { RouteDoc } from './openapi/route-doc.ts';
import type { StaticPages } from './static-pages.ts';
import { isOriginAllowed } from './upgrade.ts';

/** What /metrics answers with. */
export type MetricsText = Pick<Registry, 'metrics' | 'contentType'>;

export interface HttpApiOptions {
  readonly ports: ApiPorts;
  /** Undefined: open to this machine alone. */
  readonly apiToken?: string | undefined;
  /** Without a token: open to whoever reaches the port. */
  readonly open?: boolean | undefined;
  readonly registry: MetricsText;
  readonly live?: Live | undefined;
  /** What browsers are served beside the API. */
  readonly pages?: StaticPages | undefined;
  /** In development: kills a node of this cluster. */
  readonly killNode?: ((node: string) => void) | undefined;
  /** Requests answered at once. */
  readonly requestsMax?: number;
  /** Largest body of a request, bytes. */
  readonly bodyBytesMax?: number;
  /** Hears of faults that are nobody's but ours. */
  readonly onFault?: (error: unknown, path: string) => void;
}

/** What a route is given. `params` are the path's segments under `:name`, not decoded. */
export interface RouteRequest {
  readonly ports: ApiPorts;
  readonly registry: MetricsText;
  readonly live: Live | undefined;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly header: (name: string) => string | undefined;
  /** Reads the body, which must be a JSON object. */
  readonly body: () => Promise<Readonly<Record<string, unknown>>>;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Segments; one that begins with a colon stands for any. */
  readonly path: string;
  /** What it says of itself: see openapi/route-doc.ts. */
  readonly doc: RouteDoc;
  readonly answer: (request: RouteRequest) => Promise<Answer> | Answer;
}

const REQUESTS_MAX = 256;
const RETRY_AFTER_MS = 1_000;

/** Every route there is. */
export const ROUTES: readonly Route[] = [
  ...healthRoutes,
  ...roomRoutes,
  ...explainRoutes,
  ...presenceRoutes,
  ...messageRoutes,
  ...userRoutes,
  ...clusterRoutes,
  ...moveRoutes,
  ...auditRoutes,
  ...webhookRoutes,
  ...openApiRoutes(() => ROUTES),
  ...liveRoutes,
];
const TABLE = ROUTES.map((route) => ({ ...route, segments: route.path.split('/') }));

/** Makes the listener that answers every request which is no upgrade. */
export function httpApi(options: HttpApiOptions): RequestListener {
  const { apiToken, requestsMax = REQUESTS_MAX } = options;
  const tokenHash = apiToken === undefined ? undefined : hash(apiToken);
  let running = 0;

  const dispatch = async (request: IncomingMessage, trace: RequestTrace): Promise<Answer> => {
    const target = request.url ?? '';
    const mark = target.indexOf('?');
    const path = mark < 0 ? target : target.slice(0, mark);
    if (path.startsWith('/api/')) {
      checkAccess(request, tokenHash, options.open === true);
      if (tokenHash === undefined) checkOrigin(request);
      if (running > requestsMax) {
        throw new BellhopError('too_many', 'too many requests at once', { retryAfterMs: RETRY_AFTER_MS });
      }
    }
    if (options.killNode !== undefined && path === KILL_PATH) return answerKill(request, options.killNode);
    if (request.method === 'GET' || request.method === 'HEAD') {
      const page = options.pages?.answer(path, request.headers['if-none-match']);
      if (page !== undefined) return page;
    }
    const found = findRoute(path, request.method ?? '');
    if (found.kind === 'answer') return found.answer;
    trace.route(found.route.path);
    return found.route.answer({
      ports: options.ports,
      registry: options.registry,
      live: options.live,
      params: found.params,
      query: new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1)),
      header: (name) => {
        const value = request.headers[name];
        return Array.isArray(value) ? value[0] : value;
      },
      body: () => readBody(request, options.bodyBytesMax),
    });
  };

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    running += 1;
    const trace = new RequestTrace(request);
    let answer: Answer;
    try {
      answer = await trace.run(() => dispatch(request, trace));
    } catch (error) {
      answer = errorAnswer(error);
      if (answer.status === 500) options.onFault?.(error, request.url ?? '');
    } finally {
      running -= 1;
    }
    send(request, response, answer);
    trace.end(answer.status);
  };

  return (request, response) => {
    request.on('error', ignore);
    response.on('error', ignore);
    void respond(request, response);
  };
}

type Found =
  | { readonly kind: 'route'; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  | { readonly kind: 'answer'; readonly answer: Answer };

function findRoute(path: string, method: string): Found {
  const segments = path.split('/');
  const here = TABLE.flatMap((route) => {
    const params = match(route.segments, segments);
    return params === undefined ? [] : [{ route, params }];
  });
  const wanted = method === 'HEAD' ? 'GET' : method;
  const found = here.find(({ route }) => route.method === wanted);
  if (found !== undefined) return { kind: 'route', ...found };
  if (here.length > 0) {
    const methods = here.map(({ route }) => (route.method === 'GET' ? 'GET, HEAD' : route.method));
    const answer = errorAnswer(new BellhopError('method_not_allowed'));
    return { kind: 'answer', answer: { ...answer, headers: { Allow: methods.join(', ') } } };
  }
  if (segments.length === 3 && segments[1] === 'rooms') {
    const answer = errorAnswer(new BellhopError('upgrade_required'));
    return { kind: 'answer', answer: { ...answer, headers: { Upgrade: 'websocket', Connection: 'upgrade, close' } } };
  }
  throw new BellhopError('not_found', 'there is no such path');
}

function match(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  for (const [i, part] of pattern.entries()) {
    const segment = segments[i] ?? '';
    if (part.startsWith(':')) {
      if (segment === '') return undefined;
      params[part.slice(1)] = segment;
    } else if (part !== segment) {
      return undefined;
    }
  }
  return params;
}

/** Where no token is asked for, a page of another origin may not change anything, whatever its browser lets it send. Who is no browser
 *  names no origin. */
function checkOrigin({ method, headers }: IncomingMessage): void {
  const { origin, host } = headers;
  if (method === 'GET' || method === 'HEAD' || origin === undefined) return;
  if (isOriginAllowed(origin, host ?? '', undefined)) return;
  throw new BellhopError('not_allowed', 'a page of another origin may not do this');
}

function checkAccess(request: IncomingMessage, tokenHash: Buffer | undefined, open: boolean): void {
  if (tokenHash !== undefined) {
    const given = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    // Hashes have one length, so that the time taken tells nothing about the token, its length included.
    if (given === undefined || !timingSafeEqual(hash(given), tokenHash)) {
      throw new BellhopError('not_authenticated', 'the API token is missing or wrong');
    }
    return;
  }
  if (open) return;
  if (!isLoopbackAddress(request.socket.localAddress ?? '') || !isLoopbackHost(request.headers.host ?? '')) {
    throw new BellhopError('not_allowed', 'without an API token the API answers this machine only');
  }
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** A request whose client went away ends in the route's own fault, or in nobody's. */
function ignore(): void {}
