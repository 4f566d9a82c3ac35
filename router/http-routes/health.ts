/** Liveness, readiness and metrics. Neither of the first two asks Redis: a router without it goes on serving what it knows. */
import type { Route } from '../http-api.ts';
import { always, object } from '../openapi/schema.ts';

export const healthRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/livez',
    doc: {
      tag: 'Process',
      summary: 'Whether the process answers',
      answers: { 200: { doc: 'It does.', schema: object({ status: always('ok') }) } },
    },
    answer: () => ({ status: 200, body: { status: 'ok' } }),
  },
  {
    method: 'GET',
    path: '/readyz',
    doc: {
      tag: 'Process',
      summary: 'Whether clients should be sent here',
      text: 'False only while the router starts or stops. Neither a node that cannot be reached nor a Redis that is away changes it.',
      answers: {
        200: { doc: 'They should.', schema: object({ status: always('ready') }) },
        503: { doc: 'Not now.', schema: object({ status: always('not ready') }) },
      },
    },
    answer: ({ ports }) =>
      ports.ready() ? { status: 200, body: { status: 'ready' } } : { status: 503, body: { status: 'not ready' } },
  },
  {
    method: 'GET',
    path: '/metrics',
    doc: {
      tag: 'Process',
      summary: 'Metrics for Prometheus',
      text: 'A router of several workers answers for all of them.',
      answers: { 200: { doc: 'In the text format of Prometheus.', contentType: 'text/plain' } },
    },
    answer: async ({ registry }) => ({
      status: 200,
      text: await registry.metrics(),
      contentType: registry.contentType,
    }),
  },
];
