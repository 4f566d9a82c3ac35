/** The HTTP API. Owns: which route answers a request, who may ask, and the limits on asking. Does not know: what a route answers.
 *  @see DESIGN §8 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import type { ApiToken, Scope } from '../shared/api-token.ts';
import { type Clock, systemClock } from '../shared/clock.ts';
import { BellhopError, errorBody } from '../shared/errors.ts';
import { ApiAccess, type Caller } from './api-access.ts';
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
import { rightsRoutes } from './http-routes/rights.ts';
import { roomRoutes } from './http-routes/rooms.ts';
import { userRoutes } from './http-routes/users.ts';
import { webhookRoutes } from './http-routes/webhooks.ts';
import { RequestTrace } from './http-trace.ts';
import type { Live } from './live/live.ts';
import { isLiving } from './membership.ts';
import type { RouteDoc } from './openapi/route-doc.ts';
import { requestFault } from './request-form.ts';
import type { StaticPages } from './static-pages.ts';
import { UnreadAnswers } from './unread-answers.ts';

/** What /metrics answers with. */
export type MetricsText = Pick<Registry, 'metrics' | 'contentType'>;

export interface HttpApiOptions {
  readonly ports: ApiPorts;
  /** None: open to this machine alone. */
  readonly apiTokens?: readonly ApiToken[] | undefined;
  /** Without a token: open to whoever reaches the port. */
  readonly open?: boolean | undefined;
  readonly registry: MetricsText;
  readonly live?: Live | undefined;
  /** What browsers are served beside the API. */
  readonly pages?: StaticPages | undefined;
  /** In development: kills a node of this cluster. */
  readonly killNode?: ((node: string) => void) | undefined;
  /** Questions that one token may ask each second; 0, or nothing, for no limit. */
  readonly readRate?: number | undefined;
  readonly rights?: ClientRights | undefined;
  readonly clock?: Clock | undefined;
  /** Requests answered at once. */
  readonly requestsMax?: number;
  /** Largest body of a request, bytes. */
  readonly bodyBytesMax?: number;
  /** Bounds on answers that nobody takes. */
  readonly unread?: UnreadAnswers;
  /** Hears of faults that are nobody's but ours. */
  readonly onFault?: (error: unknown, path: string) => void;
}

/** What the API has to know of the rights of clients. */
export interface ClientRights {
  /** Whether clients must show a token or ticket. */
  readonly authenticates: boolean;
  /** How long a token may be used at most. */
  readonly tokenLifeMsMax: number;
}

/** What a route is given. `params` are the path's segments under `:name`, not decoded. */
export interface RouteRequest {
  readonly ports: ApiPorts;
  readonly registry: MetricsText;
  readonly live: Live | undefined;
  readonly rights: ClientRights;
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
  /** What a token needs for it, all of them; by default `read` for a GET and `operate` for the rest. */
  readonly scopes?: readonly Scope[];
  readonly answer: (request: RouteRequest) => Promise<Answer> | Answer;
}

const REQUESTS_MAX = 256;
const RETRY_AFTER_MS = 1_000;
const NO_RIGHTS: ClientRights = { authenticates: false, tokenLifeMsMax: 1 };

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
  ...rightsRoutes,
];
const TABLE = ROUTES.map((route) => ({ ...route, segments: route.path.split('/') }));

/** Makes the listener that answers every request which is no upgrade. */
export function httpApi(options: HttpApiOptions): RequestListener {
  const { requestsMax = REQUESTS_MAX, rights = NO_RIGHTS } = options;
  const access = new ApiAccess({
    tokens: options.apiTokens ?? [],
    open: options.open === true,
    readRate: options.readRate ?? 0,
    clock: options.clock ?? systemClock,
  });
  const unread = options.unread ?? new UnreadAnswers();
  let running = 0;

  const dispatch = async (request: IncomingMessage, trace: RequestTrace): Promise<Answer> => {
    const fault = requestFault(request);
    if (fault !== undefined) {
      const { status, code, message } = fault;
      return { status, body: errorBody(code, message), headers: { Connection: 'close' } };
    }
    const target = request.url ?? '';
    const mark = target.indexOf('?');
    const path = mark < 0 ? target : target.slice(0, mark);
    let caller: Caller | undefined;
    if (path.startsWith('/api/')) {
      caller = access.callerOf(request);
      if (running > requestsMax) {
        throw new BellhopError('too_many', 'too many requests at once', { retryAfterMs: RETRY_AFTER_MS });
      }
    }
    if (options.killNode !== undefined && path === KILL_PATH) {
      return answerKill(request, options.killNode, (node) => {
        const { ports } = options;
        return ports.nodes().some(({ record }) => record.node === node && isLiving(record));
      });
    }
    if (request.method === 'GET' || request.method === 'HEAD') {
      const page = options.pages?.answer(path, request.headers['if-none-match']);
      if (page !== undefined) return page;
    }
    const found = findRoute(path, request.method ?? '');
    if (found.kind === 'answer') return found.answer;
    trace.route(found.route.path);
    if (caller !== undefined) access.permit(caller, scopesOf(found.route));
    return found.route.answer({
      ports: options.ports,
      registry: options.registry,
      live: options.live,
      rights,
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
      if (answer.status === 500) options.onFault?.(error, (request.url ?? '').replace(/\?.*$/s, ''));
    } finally {
      running -= 1;
    }
    send(request, response, answer);
    if (answer.stream === undefined) unread.sent(request.socket, response);
    trace.end(answer.status);
  };

  return (request, response) => {
    request.on('error', ignore);
    response.on('error', ignore);
    if (unread.begin(request.socket, response)) void respond(request, response);
  };
}

function scopesOf({ method, scopes }: Route): readonly Scope[] {
  return scopes ?? [method === 'GET' ? 'read' : 'operate'];
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

/** A request whose client went away ends in the route's own fault, or in nobody's. */
function ignore(): void {}
