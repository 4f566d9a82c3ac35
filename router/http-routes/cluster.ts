/** Nodes and routers, as this router sees them. No question is asked: all of it was read with the last poll. */
import { BellhopError } from '../../shared/errors.ts';
import type { NodeView } from '../api-ports.ts';
import { ok } from '../http-answer.ts';
import type { Route } from '../http-api.ts';
import { describeNode } from '../live/describe-node.ts';
import {
  count,
  decimal,
  flag,
  integer,
  list,
  moment,
  named,
  nullable,
  object,
  oneOf,
  text,
} from '../openapi/schema.ts';
import { describeRouters } from '../workers/describe-routers.ts';

export const NODE = named(
  'Node',
  object(
    {
      node: text('its id'),
      incarnation: text('this life of it'),
      state: oneOf(['active', 'draining', 'dead', 'left']),
      rooms: count('rooms it holds, as of its last heartbeat'),
      sessions: count('sessions seated there'),
      pid: integer(),
      host: text(),
      link: text('where routers and other nodes dial it'),
      linked: flag('whether the link of the router asked is up'),
      weight: { ...decimal('its share of rooms'), minimum: 0 },
      version: text(),
      heartbeatAgeMs: nullable(count('how long its counter has stood still, by the clock of the router asked')),
      startedAt: moment('since when it runs'),
      programs: list(object({ pattern: text(), program: text() }), 'what it runs'),
    },
    { attends: text('the server that it stands beside') },
  ),
);

const ROUTER = named(
  'Router',
  object({
    router: text('its id'),
    incarnation: text('this life of it'),
    url: text(),
    version: text(),
    host: text(),
    pid: integer('of the parent, where there are several workers'),
    startedAt: moment('since when it runs'),
    workers: count('processes that it consists of'),
    sessions: count('clients that it holds'),
  }),
);

export const clusterRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/v1/nodes',
    doc: {
      tag: 'Cluster',
      summary: 'All nodes, as the router asked sees them',
      answers: { 200: { doc: 'Sorted by id.', schema: object({ nodes: list(NODE) }) } },
    },
    answer: ({ ports }) => ok({ nodes: [...ports.nodes()].sort(byName).map(describeNode) }),
  },
  {
    method: 'GET',
    path: '/api/v1/nodes/:node',
    doc: {
      tag: 'Cluster',
      summary: 'One node',
      answers: { 200: { doc: 'The node.', schema: NODE } },
      errors: ['not_found'],
    },
    answer: ({ ports, params }) => {
      const view = ports.nodes().find(({ record }) => record.node === params['node']);
      if (view === undefined) throw new BellhopError('not_found', 'there is no such node');
      return ok(describeNode(view));
    },
  },
  {
    method: 'GET',
    path: '/api/v1/routers',
    doc: {
      tag: 'Cluster',
      summary: 'All routers',
      answers: {
        200: { doc: 'Sorted by id; one entry each, however many workers.', schema: object({ routers: list(ROUTER) }) },
      },
    },
    answer: ({ ports }) => ok({ routers: describeRouters(ports.routers()) }),
  },
];

function byName(a: NodeView, b: NodeView): number {
  return a.record.node < b.record.node ? -1 : 1;
}
