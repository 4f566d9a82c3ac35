/** Messages of a room: a backend's publish, and the reading of the last ones. A publish that timed out may have been made: the
 *  same request with the same Idempotency-Key finds out, and makes it no second time. */
import { BellhopError } from '../../shared/errors.ts';
import { QUESTION_MS, within } from '../ask.ts';
import { numberFrom, ok, readSpeech, roomFrom } from '../http-answer.ts';
import type { Route } from '../http-api.ts';
import { readMessages, readPublished } from '../node-answers.ts';

const LIMIT = 100;
const LIMIT_MAX = 1_000;
const KEY = /^[\x21-\x7e]{1,128}$/;
/** A room may have to be claimed first. */
const PUBLISH_MS = 6_000;

export const messageRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/api/v1/rooms/:room/messages',
    answer: async ({ ports, params, header, body }) => {
      const room = roomFrom(params['room'] ?? '');
      const key = header('idempotency-key');
      if (key !== undefined && !KEY.test(key)) {
        throw new BellhopError('bad_request', 'Idempotency-Key has 1–128 visible ASCII characters');
      }
      const { data, from } = readSpeech(await body());
      const args = { data, from, ...(key === undefined ? {} : { key }) };
      const { result } = await within(PUBLISH_MS, ports.callOwner(room, 'publish', args, { open: true }));
      const { seq, epoch } = readPublished(result);
      return ok({ seq, epoch });
    },
  },
  {
    method: 'GET',
    path: '/api/v1/rooms/:room/messages',
    answer: async ({ ports, params, query }) => {
      const room = roomFrom(params['room'] ?? '');
      const after = numberFrom(query, 'after', 0, 0, Number.MAX_SAFE_INTEGER);
      const limit = numberFrom(query, 'limit', LIMIT, 1, LIMIT_MAX);
      const asked = ports.callOwner(room, 'messages', { after, limit }, { open: false });
      const { messages, head } = readMessages((await within(QUESTION_MS, asked)).result);
      return ok({ messages, head });
    },
  },
];
