/** How the operations on nodes, certificates and routers travel to Redis. Owns: the order of KEYS and ARGV of each script, and the
 *  text form of a node, a router and a beat. Does not know: connections. */
import type { Beat, NodeRecord, NodeState, RouterGroup, RouterRecord } from '../directory.ts';
import type { Pin } from '../orders.ts';
import {
  amount,
  headAndJson,
  list,
  number,
  object,
  optional,
  type Plans,
  pairs,
  readable,
  scriptRequest,
  text,
  unknownReply,
} from '../plan.ts';
import type { RecordGuard, SealedRecord } from '../record-guard.ts';

type Membership = Pick<
  Plans,
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

const STATES: ReadonlySet<string> = new Set(['active', 'draining', 'dead', 'left'] satisfies NodeState[]);
/** Stands before a signature. */
const SEAL = '~';
/** `incarnation state weight[~signature]`, a line `~signature` where it is signed, and JSON. */
const STORED_NODE = /^(\S+) (\S+) ([^\s~]+)(?:~([\w-]+))?\n(?:~([\w-]+)\n)?([\s\S]*)$/;

const otherRun = (runId: unknown) => ({ kind: 'other-run', runId: text(runId) }) as const;
const otherGen = (gen: unknown) => ({ kind: 'other-gen', gen: optional(gen) }) as const;

export const membershipPlans: Membership = {
  readCluster: {
    connection: 'control',
    request: ({ known }, { keys: { cluster } }) =>
      scriptRequest(
        'read-cluster',
        [cluster.meta, cluster.nodes, cluster.beats, cluster.routers, cluster.pins],
        [known?.gen ?? '', known === undefined ? '' : String(known.ver)],
      ),
    parse(raw, _args, { guard }) {
      const [runId, gen, ver, beats, nodes, routers, pins] = list(raw);
      if (nodes !== undefined) guard?.begin();
      return {
        runId: text(runId),
        gen: optional(gen),
        ver: number(ver),
        beats: Object.fromEntries(pairs(beats).map(([node, beat]) => [node, parseBeat(beat)])),
        ...(nodes === undefined
          ? {}
          : { nodes: pairs(nodes).flatMap(([node, record]) => believed(node, record, guard) ?? []) }),
        ...(routers === undefined
          ? {}
          : { routers: pairs(routers).map(([router, record]) => parseRouter(router, record)) }),
        ...(pins === undefined ? {} : { pins: pairs(pins).flatMap(([room, pin]) => parsePin(room, pin)) }),
      };
    },
  },
  createHistory: {
    connection: 'control',
    request: ({ gen }, { keys: { cluster } }) => scriptRequest('create-history', [cluster.meta], [gen]),
    parse(raw) {
      const [kind, gen] = list(raw);
      if (kind === 'created') return { kind };
      if (kind === 'exists') return { kind, gen: text(gen) };
      return unknownReply(kind);
    },
  },
  register: {
    connection: 'control',
    request({ record, runId, newGen }, { keys: { cluster }, guard }) {
      const { node, incarnation, state, weight, ...rest } = record;
      return scriptRequest(
        'register',
        [cluster.meta, cluster.nodes, cluster.beats, cluster.certs],
        [runId, newGen, node, incarnation, state, ...sealed(node, incarnation, weight, rest, guard)],
        { runIdAt: 0, confirmed: true },
      );
    },
    parse(raw) {
      const [kind, a, b, c] = list(raw);
      if (kind === 'registered') return { kind, gen: text(a), ver: number(b), first: c === '1' };
      if (kind === 'living') return { kind, incarnation: text(a), counter: number(b), gen: text(c) };
      if (kind === 'certified') return { kind };
      if (kind === 'other-run') return otherRun(a);
      return unknownReply(kind);
    },
  },
  heartbeat: {
    connection: 'control',
    request: ({ node, incarnation, runId, gen, load, view }, { keys: { cluster } }) =>
      scriptRequest(
        'heartbeat',
        [cluster.meta, cluster.nodes, cluster.beats, cluster.certs],
        [runId, gen, node, incarnation, [load.rooms, load.sessions, ...(view === undefined ? [] : [view])].join(',')],
        { runIdAt: 0, confirmed: true },
      ),
    parse(raw) {
      const [kind, a, b] = list(raw);
      if (kind === 'ok') return { kind, counter: number(a), ver: number(b) };
      if (kind === 'dead' || kind === 'absent' || kind === 'empty') return { kind };
      if (kind === 'other-gen') return otherGen(a);
      if (kind === 'other-run') return otherRun(a);
      return unknownReply(kind);
    },
  },
  setState: {
    connection: 'control',
    request: ({ node, incarnation, state, weight, runId }, { keys: { cluster }, guard }) =>
      scriptRequest(
        'set-state',
        [cluster.meta, cluster.nodes, cluster.certs],
        [runId, node, incarnation, state, weight === undefined ? '' : sealedWeight(node, incarnation, weight, guard)],
        { runIdAt: 0 },
      ),
    parse(raw) {
      const [kind, a] = list(raw);
      if (kind === 'ok') return { kind, ver: number(a) };
      if (kind === 'refused') return { kind };
      if (kind === 'other-run') return otherRun(a);
      return unknownReply(kind);
    },
  },
  leave: {
    connection: 'control',
    request: ({ node, incarnation, runId }, { keys: { cluster }, certsMax }) =>
      scriptRequest(
        'leave',
        [cluster.meta, cluster.nodes, cluster.certs],
        [runId, node, incarnation, String(certsMax)],
        {
          runIdAt: 0,
          confirmed: true,
        },
      ),
    parse(raw) {
      const [kind, a] = list(raw);
      if (kind === 'left') return { kind, ver: number(a) };
      if (kind === 'refused') return { kind };
      if (kind === 'other-run') return otherRun(a);
      return unknownReply(kind);
    },
  },
  certify: {
    connection: 'control',
    request({ node, incarnation, by, runId, gen }, { keys: { cluster }, certsMax }) {
      const counter = by.kind === 'patience' ? String(by.counter) : '';
      const how = by.kind === 'patience' ? 'patience' : `proof ${by.how}`;
      return scriptRequest(
        'certify',
        [cluster.meta, cluster.nodes, cluster.beats, cluster.certs],
        [runId, gen, node, incarnation, counter, how, String(certsMax)],
        { runIdAt: 0, confirmed: true },
      );
    },
    parse(raw) {
      const [kind, a] = list(raw);
      if (kind === 'certified') return { kind, ver: number(a) };
      if (kind === 'already' || kind === 'absent') return { kind };
      if (kind === 'moved') return { kind, counter: number(a) };
      if (kind === 'other-gen') return otherGen(a);
      if (kind === 'other-run') return otherRun(a);
      return unknownReply(kind);
    },
  },
  standing: {
    connection: 'control',
    request: ({ node, incarnation }, { keys: { cluster } }) =>
      scriptRequest('standing', [cluster.meta, cluster.nodes, cluster.certs], [node, incarnation]),
    parse(raw) {
      const [runId, gen, standing] = list(raw);
      if (standing !== 'living' && standing !== 'certified' && standing !== 'unknown') return unknownReply(standing);
      return { runId: text(runId), gen: optional(gen), standing };
    },
  },
  registerRouter: {
    connection: 'control',
    request({ record }, { keys: { cluster } }) {
      const { router, incarnation, counter, sessions, ...rest } = record;
      return scriptRequest(
        'register-router',
        [cluster.meta, cluster.routers],
        [router, incarnation, String(counter), String(sessions), JSON.stringify(rest)],
      );
    },
    parse(raw) {
      const [kind, ver] = list(raw);
      return kind === 'ok' ? { kind, ver: number(ver) } : unknownReply(kind);
    },
  },
  refreshRouter: {
    connection: 'control',
    request: ({ router, incarnation, counter, sessions }, { keys: { cluster } }) =>
      scriptRequest('refresh-router', [cluster.routers], [router, incarnation, String(counter), String(sessions)]),
    parse(raw) {
      const [kind] = list(raw);
      return kind === 'ok' || kind === 'absent' ? { kind } : unknownReply(kind);
    },
  },
  removeRouter: {
    connection: 'control',
    request: ({ router, incarnation, counter }, { keys: { cluster } }) =>
      scriptRequest(
        'remove-router',
        [cluster.meta, cluster.routers],
        [router, incarnation, counter === undefined ? '' : String(counter)],
      ),
    parse(raw) {
      const [kind, ver] = list(raw);
      if (kind === 'removed') return { kind, ver: number(ver) };
      return kind === 'changed' ? { kind } : unknownReply(kind);
    },
  },
};

function parseBeat(beat: string): Beat {
  const [, incarnation, counter, rooms, sessions, view] = /^([^:]+):(\d+):(\d+),(\d+)(?:,(\d+))?$/.exec(beat) ?? [];
  return {
    incarnation: text(incarnation),
    counter: number(counter),
    load: { rooms: number(rooms), sessions: number(sessions) },
    ...(view === undefined ? {} : { view: number(view) }),
  };
}

/** The last two arguments of `register`. Signed, the weight is `weight~signature`, and the JSON has a line `~signature` before it: both
 *  are opaque to scripts. */
function sealed(
  node: string,
  incarnation: string,
  weight: number,
  rest: object,
  guard: RecordGuard | undefined,
): [weight: string, rest: string] {
  const json = JSON.stringify(rest);
  const seal = guard === undefined ? '' : `${SEAL}${guard.seal(node, incarnation, json)}\n`;
  return [sealedWeight(node, incarnation, weight, guard), `${seal}${json}`];
}

function sealedWeight(node: string, incarnation: string, weight: number, guard: RecordGuard | undefined): string {
  const plain = String(weight);
  return guard === undefined ? plain : `${plain}${SEAL}${guard.sealWeight(node, incarnation, plain)}`;
}

function takeApart(node: string, record: string): SealedRecord {
  const [, incarnation, state, weight, weightSeal, seal, json] = STORED_NODE.exec(record) ?? [];
  return {
    node,
    incarnation: text(incarnation),
    state: text(state),
    weight: text(weight),
    weightSeal,
    seal,
    json: text(json),
  };
}

function believed(node: string, record: string, guard: RecordGuard | undefined): NodeRecord | undefined {
  const take = () => takeApart(node, record);
  const parse = () => parseNode(take());
  return guard === undefined ? parse() : guard.open(node, record, take, parse);
}

function parseNode({ node, incarnation, state, weight, json }: SealedRecord): NodeRecord {
  const rest: unknown = JSON.parse(json);
  if (typeof rest !== 'object' || rest === null) throw new TypeError('expected an object');
  if (!STATES.has(state)) throw new TypeError('expected a state');
  const said = rest as Omit<NodeRecord, 'node' | 'incarnation' | 'state' | 'weight'>;
  return { ...said, node, incarnation, state: state as NodeState, weight: number(weight) };
}

/** Unlike a node's it is not signed. One that is none is not passed over: nodes have to ask every router. What is only shown may be
 *  missing, or of the type of another version.
 *  @throws TypeError that names it */
function parseRouter(router: string, record: string): RouterRecord {
  try {
    const { words, json } = headAndJson(record);
    const [incarnation, counter, sessions] = words;
    const { url, version, timings, host, pid, startedAt, acceptRate, workerOf } = json;
    const { fenceMs, deadMs } = object(timings);
    return {
      ...{ router, incarnation: text(incarnation), counter: number(counter), sessions: number(sessions) },
      ...{ url: shown(url, ''), version: shown(version, ''), host: shown(host, '') },
      ...{ pid: shown(pid, 0), startedAt: shown(startedAt, 0) },
      timings: { fenceMs: amount(fenceMs), deadMs: amount(deadMs) },
      ...(acceptRate === undefined ? {} : { acceptRate: amount(acceptRate) }),
      ...(workerOf === undefined ? {} : { workerOf: parseGroup(object(workerOf)) }),
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TypeError(`the record of router ${JSON.stringify(router).slice(0, 200)}: ${why}`, { cause: error });
  }
}

function shown<T extends string | number>(value: unknown, otherwise: T): T {
  return typeof value === typeof otherwise ? (value as T) : otherwise;
}

function parseGroup({ router, incarnation, pid }: Readonly<Record<string, unknown>>): RouterGroup {
  return { router: text(router), incarnation: text(incarnation), pid: amount(pid) };
}

/** A wish of an operator's, and no authority: what is none is passed over. */
function parsePin(room: string, json: string): Pin[] {
  return readable(() => {
    const { node, by, at } = object(JSON.parse(json));
    return { room, node: text(node), by: text(by), at: amount(at) };
  });
}
