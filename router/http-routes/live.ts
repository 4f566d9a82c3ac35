/** What happens, as it happens: this router's events, the stream of the cluster, and a room listened to from outside.
 *  A stream is read with `fetch`, which can show a token; a browser's EventSource cannot. */
import { BellhopError } from '../../shared/errors.ts';
import { numberFrom, ok, roomFrom } from '../http-answer.ts';
import type { Route, RouteRequest } from '../http-api.ts';
import type { Live } from '../live/live.ts';

const LIMIT = 100;
const LIMIT_MAX = 1_000;
const HISTORY_MAX = 100;

export const liveRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/v1/events',
    answer: (request) => {
      const after = numberFrom(request.query, 'after', 0, 0, Number.MAX_SAFE_INTEGER);
      return ok(liveOf(request).events.after(after, numberFrom(request.query, 'limit', LIMIT, 1, LIMIT_MAX)));
    },
  },
  {
    method: 'GET',
    path: '/api/v1/stream',
    answer: (request) => {
      const live = liveOf(request);
      live.check();
      const withRooms = request.query.get('rooms') === '1';
      return { status: 200, contentType: EVENTS, stream: (response) => void live.listen(response, withRooms) };
    },
  },
  {
    method: 'GET',
    path: '/api/v1/rooms/:room/tail',
    answer: (request) => {
      const { tails } = liveOf(request);
      const room = roomFrom(request.params['room'] ?? '');
      const history = numberFrom(request.query, 'history', 0, 0, HISTORY_MAX);
      tails.check(room);
      return { status: 200, contentType: EVENTS, stream: (response) => tails.listen(room, response, history) };
    },
  },
];

const EVENTS = 'text/event-stream; charset=utf-8';

function liveOf({ live }: RouteRequest): Live {
  if (live === undefined) throw new BellhopError('not_found', 'there is no such path');
  return live;
}
