import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { propagation, ROOT_CONTEXT, type TextMapPropagator, trace } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FakeApiPorts } from './fake-api-ports.ts';
import { httpApi } from './http-api.ts';

const PARENT = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  traceFlags: 1,
  isRemote: true,
};

/** Knows one caller. */
const propagator: TextMapPropagator = {
  inject: () => undefined,
  extract: (context, carrier, getter) =>
    getter.get(carrier, 'traceparent') === undefined ? context : trace.setSpanContext(ROOT_CONTEXT, PARENT),
  fields: () => ['traceparent'],
};

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
let server: Server;
let base = '';

beforeAll(async () => {
  trace.setGlobalTracerProvider(provider);
  propagation.setGlobalPropagator(propagator);
  server = createServer(httpApi({ ports: new FakeApiPorts(), registry: new Registry() }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  trace.disable();
  propagation.disable();
  await provider.shutdown();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

it('a request to the API is a span named by its route, a child of its caller’s; probes are none', async () => {
  await fetch(`${base}/livez`);
  await fetch(`${base}/api/v1/nodes`, { headers: { traceparent: '00-a-b-01' } });
  await fetch(`${base}/api/v1/rooms/a-room-that-nobody-has`);
  await fetch(`${base}/api/v1/no-such-path`);
  const spans = exporter.getFinishedSpans();
  expect(spans.map(({ name, attributes }) => [name, attributes['http.response.status_code']])).toEqual([
    ['GET /api/v1/nodes', 200],
    ['GET /api/v1/rooms/:room', 404],
    ['GET', 404],
  ]);
  expect(spans.map((span) => [span.spanContext().traceId === PARENT.traceId, span.parentSpanContext?.spanId])).toEqual([
    [true, PARENT.spanId],
    [false, undefined],
    [false, undefined],
  ]);
  for (const { attributes } of spans) expect(JSON.stringify(attributes)).not.toContain('a-room-that');
});
