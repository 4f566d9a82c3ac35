/** Who is in a room. Owns: the two ways to know it: the projection in Redis (usual; may lag its owner by a write-behind batch) and
 *  the owner's own memory (`?source=owner`). */
import { BellhopError } from '../../shared/errors.ts';
import { isSessionId } from '../../shared/ids.ts';
import type { ApiPorts } from '../api-ports.ts';
import { QUESTION_MS, within } from '../ask.ts';
import { cursorFrom, cursorTo, numberFrom, ok, roomFrom } from '../http-answer.ts';
import type { Route } from '../http-api.ts';
import { readPresence } from '../node-answers.ts';
import { NEXT, NODE_ERRORS, PAGE } from '../openapi/route-doc.ts';
import { anything, count, flag, list, moment, nullable, object, oneOf, text } from '../openapi/schema.ts';

const LIMIT = 500;
const LIMIT_MAX = 1_000;

interface Seated {
  readonly session: string;
  readonly user: string;
  readonly since: number;
  readonly meta?: unknown;
}

interface UserEntry {
  readonly user: string;
  readonly sessions: string[];
  since: number;
  meta?: unknown;
}

export const presenceRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/v1/rooms/:room/presence',
    doc: {
      tag: 'Rooms',
      summary: 'Who is in a room',
      text: 'A room that nobody is in is empty, not missing.',
      query: {
        source: {
          doc: '`projection`, the usual one, is what Redis has: it may lag its owner by a tenth of a second, and can be read while a room has no owner. `owner` asks the owner.',
          schema: oneOf(['projection', 'owner']),
        },
        ...PAGE(500, 1_000),
      },
      answers: {
        200: {
          doc: 'By user, sessions of one page of the room.',
          schema: object(
            {
              room: text(),
              epoch: nullable(count('of the owner who says so; null where none ever did')),
              source: oneOf(['projection', 'owner']),
              asOf: nullable(moment('as of when this is true')),
              settling: flag('the owner is dead and not replaced yet: members are as it left them'),
              count: count('sessions in the whole room'),
              users: list(
                object(
                  { user: text(), sessions: list(text()), since: moment('since when the first of them is here') },
                  { meta: anything('what the user’s latest session says of itself') },
                ),
              ),
            },
            { version: count('grows with every change, over changes of owner too; of `owner` only'), ...NEXT },
          ),
        },
      },
      errors: ['bad_request', 'bad_room', 'settling', ...NODE_ERRORS],
    },
    answer: async ({ ports, params, query }) => {
      const room = roomFrom(params['room'] ?? '');
      const source = query.get('source') ?? 'projection';
      const after = cursorFrom(query, isSessionId);
      const limit = numberFrom(query, 'limit', LIMIT, 1, LIMIT_MAX);
      if (source === 'owner') return ok(await fromOwner(ports, room, after, limit));
      if (source === 'projection') return ok(await fromProjection(ports, room, after, limit));
      throw new BellhopError('bad_request', 'source is owner or projection');
    },
  },
];

async function fromProjection(
  ports: ApiPorts,
  room: string,
  after: string | undefined,
  limit: number,
): Promise<unknown> {
  const { head, count, members } = await within(
    QUESTION_MS,
    ports.directory.call('readPresence', { room, limit, ...(after === undefined ? {} : { after }) }),
  );
  const last = members.at(-1)?.session;
  // A full page may be the last one: its successor is empty then, which is cheaper than reading one more each time.
  const isMore = members.length === limit && count > limit;
  return {
    room,
    epoch: head?.epoch ?? null,
    source: 'projection',
    asOf: head?.asOf ?? null,
    settling: head !== undefined && count > 0 && !isLiving(ports, head.node, head.incarnation),
    count,
    users: byUser(members.map(({ session, member: { user, since, meta } }) => ({ session, user, since, meta }))),
    ...(isMore && last !== undefined ? { next: cursorTo(last) } : {}),
  };
}

/** A room that nobody owns has nobody in it. */
async function fromOwner(ports: ApiPorts, room: string, after: string | undefined, limit: number): Promise<unknown> {
  const asked = { limit, ...(after === undefined ? {} : { cursor: after }) };
  try {
    const { result } = await within(QUESTION_MS, ports.callOwner(room, 'presence', asked, { open: false }));
    const { epoch, count, version, members, next } = readPresence(result);
    return {
      room,
      epoch,
      source: 'owner',
      asOf: Date.now(),
      settling: false,
      count,
      version,
      users: byUser(members),
      ...(next === undefined ? {} : { next: cursorTo(next) }),
    };
  } catch (error) {
    if (!(error instanceof BellhopError) || error.code !== 'not_found') throw error;
    return { room, epoch: null, source: 'owner', asOf: Date.now(), settling: false, count: 0, users: [] };
  }
}

function isLiving(ports: ApiPorts, node: string, incarnation: string): boolean {
  return ports.nodes().some(({ record }) => {
    const isHolder = record.state === 'active' || record.state === 'draining';
    return isHolder && record.node === node && record.incarnation === incarnation;
  });
}

/** One entry a user, with all of the page's sessions. `since` is the first join, `meta` what the latest session said. */
function byUser(members: readonly Seated[]): UserEntry[] {
  const users = new Map<string, UserEntry & { latest: number }>();
  for (const { session, user, since, meta } of members) {
    const entry = users.get(user);
    if (entry === undefined) {
      users.set(user, { user, sessions: [session], since, latest: since, ...(meta === undefined ? {} : { meta }) });
      continue;
    }
    entry.sessions.push(session);
    entry.since = Math.min(entry.since, since);
    if (since >= entry.latest && meta !== undefined) {
      entry.meta = meta;
      entry.latest = since;
    }
  }
  return [...users.values()].map(({ latest: _latest, ...entry }) => entry);
}
