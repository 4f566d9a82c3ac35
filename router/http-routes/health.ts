/** Liveness, readiness and metrics. Neither of the first two asks Redis: a router without it goes on serving what it knows. */
import type { Route } from '../http-api.ts';

export const healthRoutes: readonly Route[] = [
  { method: 'GET', path: '/livez', answer: () => ({ status: 200, body: { status: 'ok' } }) },
  {
    method: 'GET',
    path: '/readyz',
    answer: ({ ports }) =>
      ports.ready() ? { status: 200, body: { status: 'ready' } } : { status: 503, body: { status: 'not ready' } },
  },
  {
    method: 'GET',
    path: '/metrics',
    answer: async ({ registry }) => ({
      status: 200,
      text: await registry.metrics(),
      contentType: registry.contentType,
    }),
  },
];
