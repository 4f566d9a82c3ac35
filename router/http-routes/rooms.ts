/** Rooms: their list, one of them, its end. Owns: the merging of what the nodes list. There is no index of rooms to
 *  keep true: who holds a room is asked, and what could not be asked is named in `incomplete`. */
import { BellhopError } from '../../shared/errors.ts';
import { isRoomId } from '../../shared/ids.ts';
import type { ApiPorts, NodeView, RoomSummary } from '../api-ports.ts';
import { askEach, QUESTION_MS, within } from '../ask.ts';
import { cursorFrom, cursorTo, numberFrom, ok, roomFrom } from '../http-answer.ts';
import type { Route } from '../http-api.ts';
import { readFlag, readRooms, readSummary } from '../node-answers.ts';
import { INCOMPLETE, NEXT, NODE_ERRORS, OPERATOR, PAGE } from '../openapi/route-doc.ts';
import { always, count, list, moment, named, object, text } from '../openapi/schema.ts';
import { audited, operatorOf } from './audit.ts';

const LIMIT = 100;
const LIMIT_MAX = 1_000;

export const HELD = {
  node: text('its owner'),
  incarnation: text('of the owner'),
  epoch: count('grows with every change of owner'),
  head: count('seq of its last message'),
  sessions: count('members'),
  since: moment('since when this owner holds it'),
  program: text('what runs it'),
} as const;
const ROOM = named('Room', object({ room: text('its id'), ...HELD }));
export const roomRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/v1/rooms',
    doc: {
      tag: 'Rooms',
      summary: 'Rooms that are held now',
      text: 'Owners are asked, so nothing is listed that nobody holds. Pages are sorted by id.',
      query: { prefix: { doc: 'Rooms whose ids begin so.', schema: text() }, ...PAGE(100, 1_000) },
      answers: { 200: { doc: 'One page.', schema: object({ rooms: list(ROOM) }, { ...NEXT, ...INCOMPLETE }) } },
      errors: ['bad_request'],
    },
    answer: async ({ ports, query }) => {
      const prefix = query.get('prefix') ?? '';
      if (prefix !== '' && !isRoomId(prefix)) throw new BellhopError('bad_request', 'prefix must begin like a room id');
      return ok(
        await listRooms(ports, prefix, cursorFrom(query, isRoomId), numberFrom(query, 'limit', LIMIT, 1, LIMIT_MAX)),
      );
    },
  },
  {
    method: 'GET',
    path: '/api/v1/rooms/:room',
    doc: {
      tag: 'Rooms',
      summary: 'One room, as its owner has it',
      answers: { 200: { doc: 'The room.', schema: ROOM } },
      errors: ['bad_room', 'not_found', 'settling', ...NODE_ERRORS],
    },
    answer: async ({ ports, params }) => {
      const room = roomFrom(params['room'] ?? '');
      const { node, incarnation, result } = await within(
        QUESTION_MS,
        ports.callOwner(room, 'room', {}, { open: false }),
      );
      if (result === null) throw new BellhopError('not_found', 'nobody owns this room');
      return ok(describeRoom(readSummary(result), node, incarnation));
    },
  },
  {
    method: 'DELETE',
    path: '/api/v1/rooms/:room',
    doc: {
      tag: 'Rooms',
      summary: 'Close a room',
      headers: OPERATOR,
      text: 'Its clients are disconnected with 1000 and the owner lets go of it. Whoever comes next opens it anew; its log stays for a day.',
      answers: { 200: { doc: 'It was closed.', schema: object({ room: text(), closed: always(true) }) } },
      errors: ['bad_request', 'bad_room', 'not_found', 'settling', ...NODE_ERRORS],
    },
    answer: async (request) => {
      const { ports, params } = request;
      const room = roomFrom(params['room'] ?? '');
      const by = operatorOf(request);
      const { node, result } = await within(QUESTION_MS, ports.callOwner(room, 'close-room', {}, { open: false }));
      if (!readFlag(result, 'closed')) throw new BellhopError('not_found', 'nobody owns this room');
      const headers = await audited(request, { by, action: 'close', room, node });
      return { ...ok({ room, closed: true }), headers };
    },
  },
];

/** Nodes that may hold rooms. */
function holders(ports: ApiPorts): string[] {
  const isHolder = ({ record }: NodeView): boolean => record.state === 'active' || record.state === 'draining';
  return ports
    .nodes()
    .filter(isHolder)
    .map(({ record }) => record.node)
    .sort();
}

function describeRoom(summary: RoomSummary, node: string, incarnation: string): unknown {
  const { room, epoch, head, sessions, since, program } = summary;
  return { room, node, incarnation, epoch, head, sessions, since, program };
}

async function listRooms(ports: ApiPorts, prefix: string, after: string | undefined, limit: number): Promise<unknown> {
  const asked = { ...(prefix === '' ? {} : { prefix }), ...(after === undefined ? {} : { cursor: after }), limit };
  const incarnations = new Map(ports.nodes().map(({ record }) => [record.node, record.incarnation]));
  const answers = await askEach(holders(ports), async (node) =>
    readRooms(await ports.callNode(node, 'rooms', asked, QUESTION_MS)),
  );
  const incomplete: string[] = [];
  const found = new Map<string, { readonly summary: RoomSummary; readonly node: string }>();
  let horizon: string | undefined;
  for (const answer of answers) {
    if (!answer.ok) {
      incomplete.push(answer.item);
      continue;
    }
    const { rooms, next } = answer.value;
    for (const summary of rooms) {
      const other = found.get(summary.room);
      // During a handover two nodes may name a room; the higher epoch is the later owner.
      if (other === undefined || other.summary.epoch < summary.epoch)
        found.set(summary.room, { summary, node: answer.item });
    }
    if (next !== undefined && (horizon === undefined || next < horizon)) horizon = next;
  }
  // Beyond the end of the shortest page that goes on, rooms of that node would be passed over.
  const reached = [...found.values()]
    .filter(({ summary }) => horizon === undefined || summary.room <= horizon)
    .sort((a, b) => (a.summary.room < b.summary.room ? -1 : 1));
  const page = reached.slice(0, limit);
  const last = page.at(-1)?.summary.room ?? horizon;
  const goesOn = reached.length > page.length || horizon !== undefined;
  return {
    rooms: page.map(({ summary, node }) => describeRoom(summary, node, incarnations.get(node) ?? '')),
    ...(goesOn && last !== undefined && last !== after ? { next: cursorTo(last) } : {}),
    ...(incomplete.length > 0 ? { incomplete } : {}),
  };
}
