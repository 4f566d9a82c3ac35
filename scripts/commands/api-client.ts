/** The HTTP API as the command line asks it. Owns: requests, their bounds, and what an error answer means to an operator. Does not
 *  know: routes, commands.
 *  Invariant: a request waits at most REQUEST_MS, reads at most BODY_BYTES_MAX, follows no redirect (the token is for one host), and
 *  is made once. */
import { Failure } from './failure.ts';
import { fieldsOf, numberOf } from './fields.ts';
import { type ServerEvent, serverEvents } from './server-events.ts';

export interface ApiClientOptions {
  /** `http://host:port` of a router. */
  readonly url: string;
  readonly token?: string | undefined;
  /** Who asks, for the audit log. */
  readonly operator?: string | undefined;
}

/** An answer that is an error. */
export class ApiFailure extends Failure {
  readonly status: number;
  readonly code: string;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, body: unknown) {
    const error = fieldsOf(fieldsOf(body)['error']);
    const code = typeof error['code'] === 'string' ? error['code'] : `http_${status}`;
    const said = typeof error['message'] === 'string' ? error['message'] : `the router answered ${status}`;
    super(endingOf(status, code), sentenceOf(code, said));
    this.status = status;
    this.code = code;
    this.retryAfterMs = numberOf(error['retryAfterMs']);
  }

  /** Whether the router has no such route: it is of an older version. */
  get isUnknownRoute(): boolean {
    return this.status === 404 && this.message.startsWith('there is no such path');
  }
}

const REQUEST_MS = 15_000;
const BODY_BYTES_MAX = 32 * 1_048_576;
const OPERATOR_CHARS_MAX = 64;

type Query = Readonly<Record<string, string | number | undefined>>;

export class ApiClient {
  readonly url: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor({ url, token, operator }: ApiClientOptions) {
    this.url = url.replace(/\/+$/, '');
    this.#headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(operator === undefined ? {} : { 'x-bellhop-operator': printable(operator) }),
    };
  }

  /** @param path  below /api/v1, its segments made by `segment`
   *  @throws ApiFailure for an error answer, Failure where none comes */
  get(path: string, query: Query = {}): Promise<unknown> {
    return this.#ask('GET', path, query, undefined, {});
  }

  post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<unknown> {
    return this.#ask('POST', path, {}, body, headers);
  }

  delete(path: string): Promise<unknown> {
    return this.#ask('DELETE', path, {}, undefined, {});
  }

  /** Events of a stream, until it ends or `signal` ends it. */
  async *stream(path: string, signal: AbortSignal): AsyncGenerator<ServerEvent> {
    const head = AbortSignal.timeout(REQUEST_MS);
    const ended = new AbortController();
    const onEnd = () => ended.abort();
    head.addEventListener('abort', onEnd);
    signal.addEventListener('abort', onEnd);
    if (signal.aborted) onEnd();
    try {
      const response = await this.#fetch(path, {}, { headers: { accept: 'text/event-stream' }, signal: ended.signal });
      // From here on the stream may be silent for as long as its room is.
      head.removeEventListener('abort', onEnd);
      if (response.status !== 200) throw new ApiFailure(response.status, parsed(await textOf(response)));
      if (response.body !== null) yield* serverEvents(chunksUntil(signal, response.body));
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', onEnd);
      ended.abort();
    }
  }

  async #ask(
    method: string,
    path: string,
    query: Query,
    body: unknown,
    headers: Readonly<Record<string, string>>,
  ): Promise<unknown> {
    const response = await this.#fetch(path, query, {
      method,
      signal: AbortSignal.timeout(REQUEST_MS),
      headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await textOf(response).catch((error: unknown) => {
      throw error instanceof Failure ? error : this.#unreachable(error);
    });
    if (!response.ok) throw new ApiFailure(response.status, parsed(text));
    const value = parsed(text);
    if (value === undefined) throw new Failure('failed', `${this.url} answered with something that is not JSON.`);
    return value;
  }

  async #fetch(
    path: string,
    query: Query,
    init: RequestInit & { headers?: Record<string, string> },
  ): Promise<Response> {
    const asked = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) asked.set(name, String(value));
    const search = asked.toString();
    try {
      return await fetch(`${this.url}/api/v1${path}${search === '' ? '' : `?${search}`}`, {
        ...init,
        redirect: 'error',
        headers: { ...this.#headers, ...init.headers },
      });
    } catch (error) {
      throw this.#unreachable(error);
    }
  }

  #unreachable(error: unknown): Failure {
    return new Failure('wrong', `no router answers at ${this.url}: ${whyOf(error)}.`, error);
  }
}

/** One segment of a path. */
export function segment(text: string): string {
  return encodeURIComponent(text);
}

/** Why a request got no answer, in a few words. */
export function whyOf(error: unknown): string {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string') return at.code;
    if (at.name === 'TimeoutError' || at.name === 'AbortError') return `no answer within ${REQUEST_MS / 1_000} s`;
    if (at.cause === undefined) return at.message;
  }
  return String(error);
}

function endingOf(status: number, code: string): 'absent' | 'wrong' | 'failed' {
  if (code === 'not_found') return 'absent';
  return status >= 400 && status < 500 && status !== 409 && status !== 429 ? 'wrong' : 'failed';
}

function sentenceOf(code: string, said: string): string {
  const sentence = /[.!?]$/.test(said) ? said : `${said}.`;
  if (code === 'not_authenticated') return `${sentence} Give it by BELLHOP_API_TOKEN, --api-token or --api-token-file`;
  return `${sentence.slice(0, -1)} (${code}).`;
}

/** What a body brings until `signal` ends it. Not left to the request's own signal: fetch of Node 20 follows that by a weak reference, so
 *  that it goes unheard once its Request has been collected. */
async function* chunksUntil(signal: AbortSignal, body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  const cancel = () => void reader.cancel().catch(() => undefined);
  signal.addEventListener('abort', cancel);
  if (signal.aborted) cancel();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', cancel);
    cancel();
  }
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > BODY_BYTES_MAX) throw new Failure('failed', `the answer is larger than ${BODY_BYTES_MAX} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function printable(text: string): string {
  return text.replace(/[^\x21-\x7e]/g, '_').slice(0, OPERATOR_CHARS_MAX);
}
