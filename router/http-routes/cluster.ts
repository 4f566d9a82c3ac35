/** Nodes and routers, as this router sees them. No question is asked: all of it was read with the last poll. */
import { BellhopError } from '../../shared/errors.ts';
import type { NodeView } from '../api-ports.ts';
import { ok } from '../http-answer.ts';
import type { Route } from '../http-api.ts';
import { describeRouters } from '../workers/describe-routers.ts';

export const clusterRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/v1/nodes',
    answer: ({ ports }) => ok({ nodes: [...ports.nodes()].sort(byName).map(describeNode) }),
  },
  {
    method: 'GET',
    path: '/api/v1/nodes/:node',
    answer: ({ ports, params }) => {
      const view = ports.nodes().find(({ record }) => record.node === params['node']);
      if (view === undefined) throw new BellhopError('not_found', 'there is no such node');
      return ok(describeNode(view));
    },
  },
  {
    method: 'GET',
    path: '/api/v1/routers',
    answer: ({ ports }) => ok({ routers: describeRouters(ports.routers()) }),
  },
];

function byName(a: NodeView, b: NodeView): number {
  return a.record.node < b.record.node ? -1 : 1;
}

function describeNode({ record, beat, heartbeatAgeMs, linked }: NodeView): unknown {
  const { node, incarnation, state, pid, host, link, weight, version, startedAt, programs, attends } = record;
  return {
    node,
    incarnation,
    state,
    rooms: beat?.load.rooms ?? 0,
    sessions: beat?.load.sessions ?? 0,
    pid,
    host,
    link,
    linked,
    weight,
    version,
    heartbeatAgeMs: heartbeatAgeMs === undefined ? null : Math.round(heartbeatAgeMs),
    startedAt,
    programs,
    ...(attends === undefined ? {} : { attends }),
  };
}
