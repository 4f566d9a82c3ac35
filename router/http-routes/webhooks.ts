/** How webhooks fare. Owns: the sum over the nodes that send them. An endpoint fails where it fails for any node. */
import { askEach, QUESTION_MS } from '../ask.ts';
import { ok } from '../http-answer.ts';
import type { Route } from '../http-api.ts';
import { type EndpointSummary, readEndpoints } from '../node-answers.ts';
import { INCOMPLETE } from '../openapi/route-doc.ts';
import { count, list, moment, named, object, oneOf, text } from '../openapi/schema.ts';

/** From the best to the worst: the worst of two nodes counts. */
const STATES = ['ok', 'failing', 'off'] as const;

const ENDPOINT = named(
  'WebhookEndpoint',
  object(
    {
      url: text('without user, password and query'),
      state: oneOf(STATES, '`off`: the receiver answered 410; the worst of all nodes counts'),
      queued: count('events that wait or are under way'),
      delivered: count('events that arrived since the nodes started'),
      failed: count('attempts that failed'),
      dropped: count('events given up, by a bound of bytes or age'),
    },
    { lastError: text('what the last failed attempt met'), lastAt: moment('when was last tried') },
  ),
);

export const webhookRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/v1/webhooks',
    doc: {
      tag: 'Cluster',
      summary: 'How webhooks fare',
      text: 'One entry for each `--webhook-url`, summed over the nodes. What is told to receivers, and how, is on the page of webhooks.',
      answers: { 200: { doc: 'Sorted by URL.', schema: object({ endpoints: list(ENDPOINT) }, INCOMPLETE) } },
    },
    answer: async ({ ports }) => {
      const nodes = ports
        .nodes()
        .filter(({ record }) => record.state === 'active' || record.state === 'draining')
        .map(({ record }) => record.node);
      const answers = await askEach(nodes, async (node) =>
        readEndpoints(await ports.callNode(node, 'webhooks', {}, QUESTION_MS)),
      );
      const endpoints = new Map<string, EndpointSummary>();
      for (const one of answers.flatMap((answer) => (answer.ok ? answer.value : []))) {
        const other = endpoints.get(one.url);
        endpoints.set(one.url, other === undefined ? one : sum(other, one));
      }
      const incomplete = answers.flatMap((answer) => (answer.ok ? [] : [answer.item]));
      return ok({
        endpoints: [...endpoints.values()].sort((a, b) => (a.url < b.url ? -1 : 1)),
        ...(incomplete.length > 0 ? { incomplete } : {}),
      });
    },
  },
];

function sum(a: EndpointSummary, b: EndpointSummary): EndpointSummary {
  const [earlier, later] = (a.lastAt ?? 0) <= (b.lastAt ?? 0) ? [a, b] : [b, a];
  const lastError = later.lastError ?? earlier.lastError;
  const lastAt = later.lastAt ?? earlier.lastAt;
  return {
    url: a.url,
    state: STATES.indexOf(a.state) >= STATES.indexOf(b.state) ? a.state : b.state,
    queued: a.queued + b.queued,
    delivered: a.delivered + b.delivered,
    failed: a.failed + b.failed,
    dropped: a.dropped + b.dropped,
    ...(lastError === undefined ? {} : { lastError }),
    ...(lastAt === undefined ? {} : { lastAt }),
  };
}
