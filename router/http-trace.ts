/** The span of a request to the API. Owns: its name, its attributes, and whose child it is. Does not know: routes, or any SDK.
 *  The caller's `traceparent` is honoured by whatever propagator an SDK brings. What nodes do for it has spans of its own: links carry
 *  no trace. */
import type { IncomingMessage } from 'node:http';
import { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { tracer } from '../shared/tracing.ts';

export class RequestTrace {
  readonly #span: Span | undefined;
  readonly #context = context.active();
  readonly #method: string;

  /** Only of the API: probes and scrapes come every second and tell nothing. */
  constructor({ url = '', method = 'GET', headers }: IncomingMessage) {
    this.#method = method;
    if (!url.startsWith('/api/')) return;
    const from = propagation.extract(this.#context, headers);
    const attributes = { 'http.request.method': method };
    this.#span = tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, from);
    this.#context = trace.setSpan(from, this.#span);
  }

  /** The route is known by now: a path names rooms and users, of which there are too many for a name. */
  route(path: string): void {
    this.#span?.updateName(`${this.#method} ${path}`);
    this.#span?.setAttribute('http.route', path);
  }

  run<T>(work: () => T): T {
    return this.#span === undefined ? work() : context.with(this.#context, work);
  }

  end(status: number): void {
    this.#span?.setAttribute('http.response.status_code', status);
    if (status >= 500) this.#span?.setStatus({ code: SpanStatusCode.ERROR });
    this.#span?.end();
  }
}
