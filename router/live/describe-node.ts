/** A node as the API shows it. Owns: that shape, and the part of it that changes every second. */
import type { NodeView } from '../api-ports.ts';

/** Everything that the API tells of a node. */
export function describeNode({ record, beat, heartbeatAgeMs, linked }: NodeView): unknown {
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

/** What of it may have changed since a second ago. */
export function describePulse({ record, beat, heartbeatAgeMs, linked }: NodeView): unknown {
  const { node, incarnation, state, weight } = record;
  return {
    ...{ node, incarnation, state, weight, linked },
    rooms: beat?.load.rooms ?? 0,
    sessions: beat?.load.sessions ?? 0,
    heartbeatAgeMs: heartbeatAgeMs === undefined ? null : Math.round(heartbeatAgeMs),
  };
}
