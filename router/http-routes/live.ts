/** What happens, as it happens: this router's events, the stream of the cluster, and a room listened to from outside.
 *  A stream is read with `fetch`, which can show a token; a browser's EventSource cannot. */
import { BellhopError } from '../../shared/errors.ts';
import { EVENT_KINDS } from '../events.ts';
import { numberFrom, ok, roomFrom } from '../http-answer.ts';
import type { Route, RouteRequest } from '../http-api.ts';
import type { Live } from '../live/live.ts';
import { count, integer, list, moment, named, object, oneOf, text } from '../openapi/schema.ts';

const LIMIT = 100;
const LIMIT_MAX = 1_000;
const HISTORY_MAX = 100;
const EVENTS = 'text/event-stream; charset=utf-8';

const EVENT = named(
  'Event',
  object(
    {
      id: count('grows by one with each event of this router'),
      at: moment('when it was seen'),
      kind: oneOf(EVENT_KINDS),
    },
    {
      node: text(),
      incarnation: text('the life of the node, or of the router'),
      room: text(),
      from: text('the node that had the room'),
      to: text('the node that has it now'),
      epoch: count('of the new owner'),
      router: text(),
      why: text(),
    },
  ),
);

export const liveRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/v1/events',
    doc: {
      tag: 'Cluster',
      summary: 'What this router has seen happen',
      text: 'All workers of a router tell the same. `GET /stream` tells it as it happens.',
      query: {
        after: {
          doc: 'Only what has a higher id: the `next` of the page before.',
          schema: { ...integer(), minimum: 0 },
        },
        limit: {
          doc: `At most so many, ${LIMIT} where it is not given; more than ${LIMIT_MAX} means ${LIMIT_MAX}.`,
          schema: { ...integer(), minimum: 1 },
        },
      },
      answers: {
        200: { doc: 'Oldest first.', schema: object({ events: list(EVENT), next: count('the id to go on from') }) },
      },
      errors: ['bad_request', 'not_found'],
    },
    answer: (request) => {
      const after = numberFrom(request.query, 'after', 0, 0, Number.MAX_SAFE_INTEGER);
      return ok(liveOf(request).events.after(after, numberFrom(request.query, 'limit', LIMIT, 1, LIMIT_MAX)));
    },
  },
  {
    method: 'GET',
    path: '/api/v1/stream',
    doc: {
      tag: 'Cluster',
      summary: 'The cluster as it happens',
      text: 'Server-Sent Events: `snapshot`, then `tick` each second, `event` and `missed`; docs/dashboard.md has their shapes.',
      query: { rooms: { doc: '`1`: with `rooms`, which node holds which rooms.', schema: text() } },
      answers: { 200: { doc: 'It ends with the connection.', contentType: 'text/event-stream' } },
      errors: ['not_found'],
    },
    answer: (request) => {
      const live = liveOf(request);
      live.check();
      const withRooms = request.query.get('rooms') === '1';
      return { status: 200, contentType: EVENTS, stream: (response) => live.listen(response, withRooms) };
    },
  },
  {
    method: 'GET',
    path: '/api/v1/rooms/:room/tail',
    doc: {
      tag: 'Rooms',
      summary: 'What is said in the room, as it is said',
      text: 'Server-Sent Events: `owner`, `message`, `skipped`, `reset`, `end`; docs/dashboard.md has their shapes. The listener is no member.',
      query: {
        history: {
          doc: `So many of the last messages first, at most ${HISTORY_MAX}; 0 where it is not given.`,
          schema: { ...integer(), minimum: 0 },
        },
      },
      answers: { 200: { doc: 'It ends with the connection.', contentType: 'text/event-stream' } },
      errors: ['bad_request', 'bad_room', 'not_found'],
    },
    answer: (request) => {
      const { tails } = liveOf(request);
      const room = roomFrom(request.params['room'] ?? '');
      const history = numberFrom(request.query, 'history', 0, 0, HISTORY_MAX);
      tails.check(room);
      return { status: 200, contentType: EVENTS, stream: (response) => tails.listen(room, response, history) };
    },
  },
];

function liveOf({ live }: RouteRequest): Live {
  if (live === undefined) throw new BellhopError('not_found', 'there is no such path');
  return live;
}
