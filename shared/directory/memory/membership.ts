/** The operations on nodes, certificates and routers, in memory. Owns: the same decisions, in the same order, as the scripts of the
 *  same names. Does not know: time, connections. */
import {
  type ExecuteContext,
  type Executors,
  nodeRecord,
  routerRecord,
  type State,
  type StoredNode,
  sorted,
} from './state.ts';

/** Records of nodes that are dead or have left. */
const DEAD_KEPT = 100;

type Membership = Pick<
  Executors,
  | 'readCluster'
  | 'createHistory'
  | 'register'
  | 'heartbeat'
  | 'setState'
  | 'leave'
  | 'certify'
  | 'standing'
  | 'registerRouter'
  | 'refreshRouter'
  | 'removeRouter'
>;

export const membershipExecutors: Membership = {
  readCluster({ known }, { state, runId }) {
    const { gen, ver } = state;
    const common = { runId, gen, ver, beats: Object.fromEntries(sorted(state.beats)) };
    if (known !== undefined && known.gen === gen && known.ver === ver) return common;
    return {
      ...common,
      nodes: sorted(state.nodes).map(([node, stored]) => nodeRecord(node, stored)),
      routers: sorted(state.routers).map(([router, stored]) => routerRecord(router, stored)),
      pins: sorted(state.pins).map(([, pin]) => pin),
    };
  },

  createHistory({ gen }, { state }) {
    if (state.gen !== undefined) return { kind: 'exists', gen: state.gen };
    state.gen = gen;
    return { kind: 'created' };
  },

  register({ record, runId, newGen }, { state, runId: run }) {
    if (runId !== run) return { kind: 'other-run', runId: run };
    state.gen ??= newGen;
    const { gen } = state;
    const { node, incarnation, state: nodeState, weight, ...rest } = record;
    if (state.certs.has(incarnation)) return { kind: 'certified' };
    const standing = state.nodes.get(node);
    if (standing !== undefined) {
      const certified = isCertified(state, standing);
      if (standing.incarnation === incarnation) {
        return certified ? { kind: 'certified' } : { kind: 'registered', gen, ver: state.ver, first: false };
      }
      if (!certified) {
        const counter = counterOf(state, node, standing.incarnation);
        return { kind: 'living', incarnation: standing.incarnation, counter, gen };
      }
    }
    state.nodes.set(node, { incarnation, state: nodeState, weight, rest: JSON.stringify(rest) });
    state.beats.set(node, { incarnation, counter: 0, load: { rooms: 0, sessions: 0 } });
    forgetDead(state);
    return { kind: 'registered', gen, ver: ++state.ver, first: standing === undefined && !state.hasForgotten };
  },

  heartbeat({ node, incarnation, runId, gen, load, view }, { state, runId: run }) {
    if (runId !== run) return { kind: 'other-run', runId: run };
    if (state.gen === undefined) return { kind: 'empty' };
    if (gen !== state.gen) return { kind: 'other-gen', gen: state.gen };
    const standing = state.nodes.get(node);
    if (standing === undefined) return { kind: state.certs.has(incarnation) ? 'dead' : 'absent' };
    if (standing.incarnation !== incarnation || isCertified(state, standing)) return { kind: 'dead' };
    const counter = counterOf(state, node, incarnation) + 1;
    const { rooms, sessions } = load;
    state.beats.set(node, {
      incarnation,
      counter,
      load: { rooms, sessions },
      ...(view === undefined ? {} : { view }),
    });
    return { kind: 'ok', counter, ver: state.ver };
  },

  setState({ node, incarnation, state: nodeState, weight, runId }, { state, runId: run }) {
    if (runId !== run) return { kind: 'other-run', runId: run };
    const standing = living(state, node, incarnation);
    if (standing === undefined) return { kind: 'refused' };
    state.nodes.set(node, { ...standing, state: nodeState, weight: weight ?? standing.weight });
    return { kind: 'ok', ver: ++state.ver };
  },

  leave({ node, incarnation, runId }, context) {
    const { state, runId: run } = context;
    if (runId !== run) return { kind: 'other-run', runId: run };
    const standing = living(state, node, incarnation);
    if (standing === undefined) return { kind: 'refused' };
    state.nodes.set(node, { ...standing, state: 'left' });
    writeCertificate(incarnation, context);
    return { kind: 'left', ver: ++state.ver };
  },

  certify({ node, incarnation, by, runId, gen }, context) {
    const { state, runId: run } = context;
    if (runId !== run) return { kind: 'other-run', runId: run };
    if (gen !== state.gen) return { kind: 'other-gen', gen: state.gen };
    if (state.certs.has(incarnation)) return { kind: 'already' };
    const standing = state.nodes.get(node);
    if (standing === undefined) return { kind: 'absent' };
    if (standing.incarnation !== incarnation || isCertified(state, standing)) return { kind: 'already' };
    if (by.kind === 'patience') {
      const counter = counterOf(state, node, incarnation);
      if (counter !== by.counter) return { kind: 'moved', counter };
    }
    state.nodes.set(node, { ...standing, state: 'dead' });
    writeCertificate(incarnation, context);
    return { kind: 'certified', ver: ++state.ver };
  },

  standing({ node, incarnation }, { state, runId }) {
    const common = { runId, gen: state.gen };
    if (living(state, node, incarnation) !== undefined) return { ...common, standing: 'living' };
    const certified = state.nodes.has(node) || state.certs.has(incarnation);
    return { ...common, standing: certified ? 'certified' : 'unknown' };
  },

  registerRouter({ record }, { state }) {
    const { router, incarnation, counter, sessions, ...rest } = record;
    state.routers.set(router, { incarnation, counter, sessions, rest: JSON.stringify(rest) });
    return { kind: 'ok', ver: ++state.ver };
  },

  refreshRouter({ router, incarnation, counter, sessions }, { state }) {
    const standing = state.routers.get(router);
    if (standing?.incarnation !== incarnation) return { kind: 'absent' };
    state.routers.set(router, { ...standing, counter, sessions });
    return { kind: 'ok' };
  },

  removeRouter({ router, incarnation, counter }, { state }) {
    const standing = state.routers.get(router);
    if (standing?.incarnation !== incarnation || (counter !== undefined && counter !== standing.counter)) {
      return { kind: 'changed' };
    }
    state.routers.delete(router);
    return { kind: 'removed', ver: ++state.ver };
  },
};

function isCertified(state: State, standing: StoredNode): boolean {
  return standing.state === 'dead' || standing.state === 'left' || state.certs.has(standing.incarnation);
}

/** The record of this very incarnation, while it is neither dead nor has left. */
function living(state: State, node: string, incarnation: string): StoredNode | undefined {
  const standing = state.nodes.get(node);
  return standing?.incarnation === incarnation && !isCertified(state, standing) ? standing : undefined;
}

/** @see lua/register.lua */
function forgetDead(state: State): void {
  if (state.nodes.size <= DEAD_KEPT) return;
  const dead = [...state.nodes].filter(([, stored]) => stored.state === 'dead' || stored.state === 'left');
  const numbered = dead.map(([node, stored]) => ({ node, number: state.certs.get(stored.incarnation) ?? 0 }));
  numbered.sort((a, b) => a.number - b.number || (a.node < b.node ? -1 : 1));
  for (const { node } of numbered.slice(0, Math.max(0, numbered.length - DEAD_KEPT))) {
    state.nodes.delete(node);
    state.beats.delete(node);
    state.hasForgotten = true;
  }
}

function counterOf(state: State, node: string, incarnation: string): number {
  const beat = state.beats.get(node);
  return beat?.incarnation === incarnation ? beat.counter : 0;
}

/** @see lua/lib/certificate.lua */
function writeCertificate(incarnation: string, { state, certsMax }: ExecuteContext): void {
  state.certs.set(incarnation, ++state.certificates);
  if (state.certs.size <= certsMax) return;
  const oldest = state.certificates - Math.floor(certsMax * 0.9);
  for (const [each, number] of state.certs) if (number <= oldest) state.certs.delete(each);
}
