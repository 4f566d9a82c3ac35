/** Messages of a room: a backend's publish, and the reading of its log, or in a relay room of the last ones. A publish that timed out may have been made: the
 *  same request with the same Idempotency-Key finds out, and makes it no second time. */
import { DirectoryError } from '../../shared/directory/directory.ts';
import { BellhopError } from '../../shared/errors.ts';
import type { ApiPorts } from '../api-ports.ts';
import { QUESTION_MS, within } from '../ask.ts';
import { numberFrom, ok, readSpeech, roomFrom } from '../http-answer.ts';
import type { Route } from '../http-api.ts';
import { readMessages, readPublished } from '../node-answers.ts';
import { BODY_ERRORS, NODE_ERRORS } from '../openapi/route-doc.ts';
import { anything, count, integer, list, moment, named, nullable, object, text } from '../openapi/schema.ts';

const LIMIT = 100;
const LIMIT_MAX = 1_000;
const KEY = /^[\x21-\x7e]{1,128}$/;
/** Of data in one answer. */
const LOG_BYTES_MAX = 4 * 1_048_576;
/** A room may have to be claimed first. */
const PUBLISH_MS = 6_000;

const MESSAGE = named(
  'Message',
  object(
    {
      seq: count('its number in the room: 1, 2, 3 … without a gap'),
      tag: text('the history under which it was numbered'),
      from: nullable(text('the user; null where the room’s program or a nameless backend speaks')),
      session: nullable(text('the session; null where a program or a backend speaks')),
      at: moment('when it was numbered'),
      data: anything('as it was published'),
    },
    { id: integer('the sender’s own number of it'), type: text('`message`') },
  ),
);

export const messageRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/api/v1/rooms/:room/messages',
    doc: {
      tag: 'Rooms',
      summary: 'Publish in a room as a backend',
      text: 'A room that nobody owns is opened for it. After a `timeout` the same request with the same Idempotency-Key finds out what became of it, and makes it no second time.',
      headers: {
        'Idempotency-Key': {
          doc: '1–128 visible ASCII characters, the same for a repetition.',
          schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,128}$' },
        },
      },
      body: object({ data: anything('what is said') }, { from: nullable(text('the user on whose behalf it is said')) }),
      answers: {
        200: {
          doc: 'It is in the room.',
          schema: object({ seq: count('its number'), epoch: count('of the owner that took it') }),
        },
      },
      errors: [
        ...['bad_room', 'bad_user', 'too_large', 'outcome_unknown', 'settling', 'room_full', 'unsupported'],
        ...BODY_ERRORS,
        ...NODE_ERRORS,
      ] as const,
    },
    scopes: ['publish'],
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
    doc: {
      tag: 'Rooms',
      summary: 'What was said in a room',
      text: 'Of a durable room its log, owned or not; of a relay room what its owner has in memory.',
      query: {
        after: { doc: 'Messages with a higher seq only.', schema: count() },
        limit: {
          doc: 'At most so many, 100 where it is not given; more than 1,000 means 1,000.',
          schema: { ...integer(), minimum: 1 },
        },
      },
      answers: {
        200: {
          doc: 'In order.',
          schema: object({ messages: list(MESSAGE), head: count('seq of the room’s last message') }),
        },
      },
      errors: ['bad_request', 'bad_room', 'not_found', 'settling', 'unsupported', ...NODE_ERRORS],
    },
    answer: async ({ ports, params, query }) => {
      const room = roomFrom(params['room'] ?? '');
      const after = numberFrom(query, 'after', 0, 0, Number.MAX_SAFE_INTEGER);
      const limit = numberFrom(query, 'limit', LIMIT, 1, LIMIT_MAX);
      const logged = await readLogged(ports, room, after, limit);
      if (logged !== undefined) return ok(logged);
      const asked = ports.callOwner(room, 'messages', { after, limit }, { open: false });
      const { messages, head, whole } = readMessages((await within(QUESTION_MS, asked)).result);
      if (!whole) {
        throw new BellhopError('redis_unavailable', 'part of what was said is in the log, which cannot be read now');
      }
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
