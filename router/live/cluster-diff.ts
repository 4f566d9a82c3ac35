/** What has changed in the cluster between two looks at this router's view of it. Owns: the last look, and which change is which
 *  event. Does not know: polls, sockets, who wants to know. */
import type { NodeRecord, RouterRecord } from '../../shared/directory/directory.ts';
import type { EventReport } from '../events.ts';
import { describeRouters } from '../workers/describe-routers.ts';

export interface ClusterLook {
  readonly nodes: readonly NodeRecord[];
  readonly routers: readonly RouterRecord[];
  readonly redis: 'unknown' | 'answered' | 'failed';
  /** Which history of Redis is in force; undefined before the first answer. */
  readonly runId: string | undefined;
}

type Change = Omit<EventReport, 'at'>;

export class ClusterDiff {
  readonly #nodes = new Map<string, NodeRecord>();
  #routers = new Map<string, string>();
  #redis: ClusterLook['redis'] = 'unknown';
  /** A router that starts has not reached it yet: that is no loss. */
  #isRedisMissed = false;
  #runId: string | undefined;

  /** What is new since the last look. The first one finds everything that is there. */
  look({ nodes, routers, redis, runId }: ClusterLook): readonly Change[] {
    return [...this.#ofRedis(redis, runId), ...this.#ofNodes(nodes), ...this.#ofRouters(routers)];
  }

  #ofRedis(redis: ClusterLook['redis'], runId: string | undefined): Change[] {
    const before = { redis: this.#redis, runId: this.#runId };
    this.#redis = redis;
    this.#runId = runId ?? before.runId;
    const changes: Change[] = [];
    if (redis === 'failed' && before.redis === 'answered') {
      this.#isRedisMissed = true;
      changes.push({ kind: 'redis.away' });
    }
    if (redis === 'answered' && this.#isRedisMissed) {
      this.#isRedisMissed = false;
      changes.push({ kind: 'redis.back' });
    }
    if (runId !== undefined && before.runId !== undefined && runId !== before.runId) {
      changes.push({ kind: 'redis.history', why: `run ${runId.slice(0, 12)}` });
    }
    return changes;
  }

  #ofNodes(nodes: readonly NodeRecord[]): Change[] {
    const changes: Change[] = [];
    for (const record of nodes) {
      const before = this.#nodes.get(record.node);
      if (before === record) continue;
      this.#nodes.set(record.node, record);
      if (before?.incarnation === record.incarnation) {
        if (before.state !== record.state) changes.push(ofState(record, before));
        continue;
      }
      // Its predecessor's end was not seen by itself: whoever takes a name has had its last life certified.
      if (before !== undefined && (before.state === 'active' || before.state === 'draining')) {
        const { node, incarnation } = before;
        changes.push({ kind: 'node.lost', node, incarnation, why: 'another life has taken its place' });
      }
      if (record.state !== 'dead' && record.state !== 'left') changes.push(ofState(record, undefined));
    }
    const listed = new Set(nodes.map(({ node }) => node));
    for (const [node, { incarnation, state }] of this.#nodes) {
      if (listed.has(node)) continue;
      this.#nodes.delete(node);
      if (state !== 'active' && state !== 'draining') continue;
      changes.push({
        kind: 'node.lost',
        node,
        incarnation,
        why: 'Redis has lost its record, and it has not come back',
      });
    }
    return changes;
  }

  #ofRouters(records: readonly RouterRecord[]): Change[] {
    const seen = new Map(describeRouters(records).map(({ router, incarnation }) => [router, incarnation]));
    const changes: Change[] = [];
    for (const [router, incarnation] of seen) {
      if (this.#routers.get(router) !== incarnation) changes.push({ kind: 'router.joined', router, incarnation });
    }
    for (const [router, incarnation] of this.#routers) {
      if (!seen.has(router)) changes.push({ kind: 'router.left', router, incarnation });
    }
    this.#routers = seen;
    return changes;
  }
}

function ofState({ node, incarnation, state }: NodeRecord, before: NodeRecord | undefined): Change {
  switch (state) {
    case 'active':
      return {
        kind: 'node.joined',
        node,
        incarnation,
        ...(before === undefined ? {} : { why: 'its drain was undone' }),
      };
    case 'draining':
      return { kind: 'node.draining', node, incarnation };
    case 'left':
      return { kind: 'node.left', node, incarnation };
    case 'dead':
      return { kind: 'node.lost', node, incarnation, why: 'certified dead' };
    default:
      return state satisfies never;
  }
}
