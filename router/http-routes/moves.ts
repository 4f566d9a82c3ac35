/** Planned moves: drains, pins, what moves now and what is hot. Owns: the reading of orders, and the merging of what nodes answer.
 *  Does not know: how a room moves; its owner does.
 *  @see docs/moves.md */
import type { Pin } from '../../shared/directory/orders.ts';
import { BellhopError } from '../../shared/errors.ts';
import { isNodeId } from '../../shared/ids.ts';
import type { ApiPorts, NodeView } from '../api-ports.ts';
import { askEach, QUESTION_MS, within } from '../ask.ts';
import { type Answer, numberFrom, ok, roomFrom } from '../http-answer.ts';
import type { Route, RouteRequest } from '../http-api.ts';
import { readDrain, readHot, readMoves } from '../node-answers.ts';
import { audited, operatorOf } from './audit.ts';
import * as doc from './moves-doc.ts';

const HOT = 10;
const HOT_MAX = 50;

export const moveRoutes: readonly Route[] = [
  { method: 'POST', path: '/api/v1/nodes/:node/drain', doc: doc.DRAIN_DOC, answer: drain },
  {
    method: 'GET',
    path: '/api/v1/nodes/:node/drain',
    doc: doc.DRAIN_STATUS_DOC,
    answer: async ({ ports, params }) => {
      const { record } = livingNode(ports, params['node'] ?? '');
      const status = await ports.callNode(record.node, 'drain-status', {}, QUESTION_MS);
      if (status === null) throw new BellhopError('not_found', 'this node has not been drained');
      return ok(readDrain(status));
    },
  },
  {
    method: 'DELETE',
    path: '/api/v1/nodes/:node/drain',
    doc: doc.UNDRAIN_DOC,
    answer: async (request) => {
      const { record } = livingNode(request.ports, request.params['node'] ?? '');
      const { node } = record;
      const by = operatorOf(request);
      const status = await request.ports.callNode(node, 'undrain', { by }, QUESTION_MS);
      if (status === null) throw new BellhopError('not_found', 'this node is not drained');
      const { moved, left, ...rest } = readDrain(status);
      const detail = `${moved} rooms moved, ${left} left`;
      const headers = await audited(request, { by, action: 'undrain', node, detail });
      return { ...ok({ ...rest, moved, left }), headers };
    },
  },
  { method: 'POST', path: '/api/v1/rooms/:room/move', doc: doc.MOVE_DOC, answer: move },
  {
    method: 'DELETE',
    path: '/api/v1/rooms/:room/pin',
    doc: doc.UNPIN_DOC,
    answer: async (request) => {
      const room = roomFrom(request.params['room'] ?? '');
      const by = operatorOf(request);
      const reply = await within(QUESTION_MS, request.ports.directory.call('removePin', { pinned: room }));
      if (reply.kind === 'absent') throw new BellhopError('not_found', 'this room is not pinned');
      const headers = await audited(request, { by, action: 'unpin', room });
      return { ...ok({ room, pinned: false }), headers };
    },
  },
  {
    method: 'GET',
    path: '/api/v1/pins',
    doc: doc.PINS_DOC,
    answer: async ({ ports }) => {
      const { pins = [] } = await within(QUESTION_MS, ports.directory.call('readCluster', {}));
      return ok({ pins: pins.map((pin) => ({ ...pin, ...pinTrouble(ports, pin) })) });
    },
  },
  { method: 'GET', path: '/api/v1/moves', doc: doc.MOVES_DOC, answer: async ({ ports }) => ok(await moves(ports)) },
  {
    method: 'GET',
    path: '/api/v1/hot',
    doc: doc.HOT_DOC,
    answer: async ({ ports, query }) => ok(await hot(ports, numberFrom(query, 'limit', HOT, 1, HOT_MAX))),
  },
];

const isLiving = ({ record }: NodeView): boolean => record.state === 'active' || record.state === 'draining';

function livingNode(ports: ApiPorts, node: string): NodeView {
  const view = ports.nodes().find(({ record }) => record.node === node);
  if (view === undefined) throw new BellhopError('not_found', 'there is no such node');
  if (!isLiving(view)) throw new BellhopError('conflict', `node ${view.record.node} is ${view.record.state}`);
  return view;
}

function living(ports: ApiPorts): NodeView[] {
  return ports
    .nodes()
    .filter(isLiving)
    .sort((a, b) => (a.record.node < b.record.node ? -1 : 1));
}

async function drain(request: RouteRequest): Promise<Answer> {
  const { ports, params } = request;
  const { record } = livingNode(ports, params['node'] ?? '');
  const { node } = record;
  const by = operatorOf(request);
  const body = await request.body();
  const order = {
    deadlineMs: numberOf(body, 'deadlineMs'),
    roomsPerSecond: numberOf(body, 'roomsPerSecond'),
    dryRun: flagOf(body, 'dryRun', false),
    leave: flagOf(body, 'leave', false),
  };
  const other = order.dryRun ? undefined : await otherDrain(ports, node);
  if (other !== undefined) throw new BellhopError('conflict', `node ${other} is being drained`);
  const status = readDrain(await ports.callNode(node, 'drain', { ...order, by }, QUESTION_MS));
  if (order.dryRun) return ok(status);
  const detail = `${status.rooms} rooms at ${status.roomsPerSecond} a second${order.leave ? ', then it leaves' : ''}`;
  const headers = await audited(request, { by, action: 'drain', node, detail });
  return { status: 202, body: status, headers };
}

/** Another node whose drain is under way. Nodes are asked, since what was polled may be older than the last order.
 *  @throws BellhopError unavailable where one does not say: a cluster in which a node is silent is not to be drained further */
async function otherDrain(ports: ApiPorts, node: string): Promise<string | undefined> {
  const others = living(ports).filter(({ record }) => record.node !== node);
  const answers = await askEach(others, ({ record }) => ports.callNode(record.node, 'drain-status', {}, QUESTION_MS));
  let silent: string | undefined;
  for (const answer of answers) {
    const { record } = answer.item;
    if (!answer.ok) silent ??= record.node;
    else if (answer.value !== null && ['running', 'paused', 'late'].includes(readDrain(answer.value).state))
      return record.node;
  }
  if (silent === undefined) return undefined;
  throw new BellhopError('unavailable', `node ${silent} does not say whether it is being drained`);
}

async function move(request: RouteRequest): Promise<Answer> {
  const { ports, params } = request;
  const room = roomFrom(params['room'] ?? '');
  const by = operatorOf(request);
  const body = await request.body();
  const { node: to } = body;
  if (typeof to !== 'string' || !isNodeId(to)) throw new BellhopError('bad_request', 'node must be the name of a node');
  const pinned = flagOf(body, 'pin', true);
  const view = ports.nodes().find(({ record }) => record.node === to);
  if (view === undefined) throw new BellhopError('not_found', 'there is no such node');
  if (view.record.state !== 'active')
    throw new BellhopError('conflict', `node ${view.record.node} is ${view.record.state}`);
  if (!ports.placementOrder(room).some(({ node }) => node === to))
    throw new BellhopError('conflict', 'the node takes no rooms of this kind');
  if (pinned) {
    const pin: Pin = { room, node: to, by, at: Date.now() };
    const reply = await within(QUESTION_MS, ports.directory.call('setPin', { pin }));
    if (reply.kind === 'full') throw new BellhopError('conflict', 'as many rooms are pinned as may be');
  }
  let from: string | null = null;
  try {
    const answer = await within(QUESTION_MS, ports.callOwner(room, 'move', { node: to }, { open: false }));
    from = answer.node;
  } catch (error) {
    // With a pin the room goes there without another word: once it is opened, or its owner can hand it over.
    const isWaiting =
      error instanceof BellhopError && (error.retryable || error.code === 'not_found' || error.code === 'conflict');
    if (!pinned || !isWaiting) throw error;
  }
  const detail = `${from === null ? '' : `from ${from}, `}${pinned ? 'pinned' : 'not pinned'}`;
  const headers = await audited(request, { by, action: 'move', room, node: to, detail });
  return { status: 202, body: { room, from, to, pinned }, headers };
}

/** Why a pin is not followed. */
function pinTrouble(ports: ApiPorts, { node }: Pin): { readonly why?: string } {
  const state = ports.nodes().find(({ record }) => record.node === node)?.record.state;
  if (state === 'active') return {};
  return {
    why: `${state === undefined ? 'there is no such node' : `the node is ${state}`}: placement decides meanwhile`,
  };
}

async function moves(ports: ApiPorts): Promise<unknown> {
  const answers = await askEach(living(ports), async ({ record }) =>
    readMoves(await ports.callNode(record.node, 'moves', {}, QUESTION_MS)),
  );
  const told = answers.flatMap((answer) => (answer.ok ? [answer] : []));
  const busy =
    told.find(({ value }) => value.state === 'running') ?? told.find(({ value }) => value.state === 'paused');
  const incomplete = answers.flatMap((answer) => (answer.ok ? [] : [answer.item.record.node]));
  return {
    state: busy?.value.state ?? 'idle',
    ...(busy?.value.why === undefined ? {} : { why: busy.value.why }),
    nodes: told.map(({ item: { record }, value }) => ({ node: record.node, share: shareOf(record), ...value })),
    ...(incomplete.length > 0 ? { incomplete } : {}),
  };
}

/** Part of its weight that a node has taken so far. */
function shareOf({ weight, weightGoal }: NodeView['record']): number {
  return weightGoal === undefined || weightGoal === 0 ? 1 : Math.round((weight / weightGoal) * 100) / 100;
}

async function hot(ports: ApiPorts, limit: number): Promise<unknown> {
  const answers = await askEach(living(ports), async ({ record }) =>
    readHot(await ports.callNode(record.node, 'hot', { limit }, QUESTION_MS)),
  );
  const told = answers.flatMap((answer) => (answer.ok ? [answer] : []));
  const all = told.flatMap(({ item, value }) => value.rooms.map((one) => ({ node: item.record.node, ...one })));
  const measures = ['messagesPerSecond', 'bytesPerSecond', 'members'] as const;
  const tops = measures.flatMap((by) => [...all].sort((a, b) => b[by] - a[by]).slice(0, limit));
  const rooms = [...new Map(tops.map((one) => [one.room, one])).values()].sort(
    (a, b) => b.messagesPerSecond - a.messagesPerSecond || b.members - a.members || (a.room < b.room ? -1 : 1),
  );
  const incomplete = answers.flatMap((answer) => (answer.ok ? [] : [answer.item.record.node]));
  const nodes = told.map(({ item: { record, beat }, value: { rooms: _rooms, ...rates } }) => ({
    node: record.node,
    rooms: beat?.load.rooms ?? 0,
    sessions: beat?.load.sessions ?? 0,
    ...rates,
  }));
  nodes.sort((a, b) => b.messagesPerSecond - a.messagesPerSecond || (a.node < b.node ? -1 : 1));
  return { rooms, nodes, ...(incomplete.length > 0 ? { incomplete } : {}) };
}

function numberOf(body: Readonly<Record<string, unknown>>, key: string): number | undefined {
  const value = body[key];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value > 0))
    throw new BellhopError('bad_request', `${key} must be a number above 0`);
  return value;
}

function flagOf(body: Readonly<Record<string, unknown>>, key: string, fallback: boolean): boolean {
  const value = body[key];
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') throw new BellhopError('bad_request', `${key} must be true or false`);
  return value;
}
