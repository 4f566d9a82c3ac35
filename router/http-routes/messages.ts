/** Messages of a room: a backend's publish, and the reading of its log, or in a relay room of the last ones. A publish that timed out may have been made: the
 *  same request with the same Idempotency-Key finds out, and makes it no second time. */
import { DirectoryError } from '../../shared/directory/directory.ts';
import { BellhopError } from '../../shared/errors.ts';
import type { ApiPorts } from '../api-ports.ts';
import { QUESTION_MS, within } from '../ask.ts';
import { numberFrom, ok, readSpeech, roomFrom } from '../http-answer.ts';
import type { Route } from '../http-api.ts';
import { readMessages, readPublished } from '../node-answers.ts';

const LIMIT = 100;
const LIMIT_MAX = 1_000;
const KEY = /^[\x21-\x7e]{1,128}$/;
/** Of data in one answer. */
const LOG_BYTES_MAX = 4 * 1_048_576;
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
      const logged = await readLogged(ports, room, after, limit);
      if (logged !== undefined) return ok(logged);
      const asked = ports.callOwner(room, 'messages', { after, limit }, { open: false });
      const { messages, head } = readMessages((await within(QUESTION_MS, asked)).result);
      return ok({ messages, head });
    },
  },
];

/** What a durable room's log holds, owned or not; undefined where nothing was ever logged, as in a relay room, whose owner's memory
 *  is all there is. */
async function readLogged(ports: ApiPorts, room: string, after: number, limit: number): Promise<unknown> {
  const asked = ports.directory.call('readLog', { room, after, limit, bytesMax: LOG_BYTES_MAX });
  const reply = await within(QUESTION_MS, asked).catch((error: unknown) => {
    if (error instanceof DirectoryError || error instanceof BellhopError) return undefined;
    throw error;
  });
  if (reply?.kind !== 'log') return undefined;
  const { record, first, entries } = reply;
  const { head } = record;
  if (first > head) return undefined;
  const messages = entries.map(({ seq, tag, from, session, id, at, data }) => ({
    ...{ seq, tag, from, session: session ?? null, ...(id === undefined ? {} : { id }), at },
    data: JSON.parse(data) as unknown,
  }));
  return { messages, head };
}
