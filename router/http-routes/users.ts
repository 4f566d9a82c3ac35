/** Users: where they are, a message to them, the end of their sessions. Owns: the comparing of what Redis says of a user with what
 *  the owners of the rooms say. Redis is written behind, so a session counts once its room's owner confirms it; one whose owner
 *  could not be asked is shown as not confirmed rather than left out, since its client may well be connected. */
import { BellhopError } from '../../shared/errors.ts';
import type { ApiPorts } from '../api-ports.ts';
import { askEach, QUESTION_MS, within } from '../ask.ts';
import { ok, readSpeech, userFrom } from '../http-answer.ts';
import type { Route } from '../http-api.ts';
import { readFlag, readSessions } from '../node-answers.ts';
import { BODY_ERRORS, INCOMPLETE, OPERATOR } from '../openapi/route-doc.ts';
import { always, anything, count, list, moment, nullable, object, text } from '../openapi/schema.ts';
import { audited, operatorOf } from './audit.ts';

interface Located {
  readonly session: string;
  readonly room: string;
  readonly node: string;
  readonly router: string;
  readonly since: number;
  readonly confirmed: boolean;
}

interface Whereabouts {
  readonly sessions: readonly Located[];
  /** Nodes that should have confirmed some and did not answer. */
  readonly incomplete: readonly string[];
}

export const userRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/v1/users/:user',
    doc: {
      tag: 'Users',
      summary: 'Where a user is',
      query: { empty: { doc: '`1`: a user without a session is an empty list, and no `not_found`.', schema: text() } },
      answers: {
        200: {
          doc: 'Sessions in any room, sorted by id, each confirmed by its room’s owner.',
          schema: object(
            {
              user: text(),
              sessions: list(
                object(
                  {
                    session: text(),
                    room: text(),
                    node: text('the room’s owner'),
                    router: text('where the client is connected'),
                    since: moment('of the first join'),
                  },
                  { confirmed: always(false, 'the owner could not be asked') },
                ),
              ),
            },
            INCOMPLETE,
          ),
        },
      },
      errors: ['bad_user', 'not_found'],
    },
    answer: async ({ ports, params, query }) => {
      const user = userFrom(params['user'] ?? '');
      const { sessions, incomplete } = await find(ports, user, query.get('empty') === '1');
      return ok({
        user,
        sessions: sessions.map(({ session, room, node, router, since, confirmed }) => ({
          ...{ session, room, node, router, since },
          ...(confirmed ? {} : { confirmed }),
        })),
        ...(incomplete.length > 0 ? { incomplete } : {}),
      });
    },
  },
  {
    method: 'POST',
    path: '/api/v1/users/:user/messages',
    doc: {
      tag: 'Users',
      summary: 'Send a user a direct message, wherever they are',
      text: 'It is neither numbered nor kept.',
      body: object({ data: anything() }, { from: nullable(text('the user on whose behalf it is said')) }),
      answers: {
        200: {
          doc: 'To how many it went.',
          schema: object({ user: text(), sessions: count('found'), delivered: count('sent to') }, INCOMPLETE),
        },
      },
      errors: ['bad_user', 'not_found', ...BODY_ERRORS],
    },
    scopes: ['publish'],
    answer: async ({ ports, params, body }) => {
      const user = userFrom(params['user'] ?? '');
      const { data, from } = readSpeech(await body());
      const { sessions } = await find(ports, user);
      const delivered = await tellEach(sessions, async ({ room, session }) => {
        const { result } = await ports.callOwner(room, 'direct', { session, from, data }, { open: false });
        return readFlag(result, 'delivered');
      });
      return ok({ user, sessions: sessions.length, delivered: delivered.done, ...incompleteOf(delivered.failed) });
    },
  },
  {
    method: 'DELETE',
    path: '/api/v1/users/:user/sessions',
    doc: {
      tag: 'Users',
      summary: 'Disconnect a user wherever they are',
      headers: OPERATOR,
      answers: {
        200: {
          doc: 'How many sessions were closed.',
          schema: object({ user: text(), sessions: count('found'), closed: count() }, INCOMPLETE),
        },
      },
      errors: ['bad_request', 'bad_user', 'not_found'],
    },
    answer: async (request) => {
      const { ports, params } = request;
      const user = userFrom(params['user'] ?? '');
      const by = operatorOf(request);
      const { sessions } = await find(ports, user);
      const closed = await tellEach(sessions, async ({ room, session }) => {
        const { result } = await ports.callOwner(room, 'kick', { session }, { open: false });
        return readFlag(result, 'closed');
      });
      const detail = `${closed.done} of ${sessions.length} sessions`;
      const headers = await audited(request, { by, action: 'disconnect', user, detail });
      const body = { user, sessions: sessions.length, closed: closed.done, ...incompleteOf(closed.failed) };
      return { ...ok(body), headers };
    },
  },
];

function incompleteOf(nodes: readonly string[]): { readonly incomplete?: readonly string[] } {
  return nodes.length > 0 ? { incomplete: nodes } : {};
}

/** @throws BellhopError not_found where the user has no session, unless that is an answer too */
async function find(ports: ApiPorts, user: string, mayBeEmpty = false): Promise<Whereabouts> {
  const recorded = (await within(QUESTION_MS, ports.directory.call('readUser', { user }))).sessions;
  const rooms = new Map<string, (typeof recorded)[number][]>();
  for (const entry of recorded) {
    const list = rooms.get(entry.at.room);
    if (list === undefined) rooms.set(entry.at.room, [entry]);
    else list.push(entry);
  }
  const answers = await askEach([...rooms], async ([room, entries]) => {
    const sessions = entries.map(({ session }) => session);
    const { node, result } = await ports.callOwner(room, 'confirm', { sessions }, { open: false });
    return { node, present: readSessions(result) };
  });
  const located: Located[] = [];
  const incomplete = new Set<string>();
  for (const answer of answers) {
    const [room, entries] = answer.item;
    // Nobody owns the room: then nobody is in it, whatever Redis still remembers.
    if (!answer.ok && answer.error.code === 'not_found') continue;
    for (const { session, at } of entries) {
      const { router, since } = at;
      if (answer.ok) {
        const { node, present } = answer.value;
        if (present.has(session)) located.push({ session, room, node, router, since, confirmed: true });
      } else {
        incomplete.add(at.node);
        located.push({ session, room, node: at.node, router, since, confirmed: false });
      }
    }
  }
  if (located.length === 0 && !mayBeEmpty) throw new BellhopError('not_found', 'this user has no session');
  located.sort((a, b) => (a.session < b.session ? -1 : 1));
  return { sessions: located, incomplete: [...incomplete].sort() };
}

/** Tells every session something. A session that is gone by now is neither done nor failed. */
async function tellEach(
  sessions: readonly Located[],
  tell: (session: Located) => Promise<boolean>,
): Promise<{ readonly done: number; readonly failed: readonly string[] }> {
  const answers = await askEach(sessions, tell);
  const failed = new Set<string>();
  let done = 0;
  for (const answer of answers) {
    if (answer.ok) done += answer.value ? 1 : 0;
    else if (answer.error.code !== 'not_found') failed.add(answer.item.node);
  }
  return { done, failed: [...failed].sort() };
}
