/** Tickets for clients, and the revoking of what a user was given. Owns: the reading of what a backend asks for. Does not know: how a
 *  client shows a ticket, how routers learn of a revocation. */
import { REVOKED_MAX, type TicketGrant } from '../../shared/directory/rights-operations.ts';
import { BellhopError } from '../../shared/errors.ts';
import { isRoomPattern, isUserId } from '../../shared/ids.ts';
import { within } from '../ask.ts';
import { ok, userFrom } from '../http-answer.ts';
import type { Route, RouteRequest } from '../http-api.ts';
import { BODY_ERRORS } from '../openapi/route-doc.ts';
import { count, integer, list, moment, object, text } from '../openapi/schema.ts';
import { issueTicket } from '../rights/tickets.ts';
import { audited, operatorOf } from './audit.ts';

const LIFE_MS = 30_000;
const LIFE_MS_MAX = 300_000;
const PATTERNS_MAX = 100;
const WRITE_MS = 2_000;

export const rightsRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/api/v1/tickets',
    doc: {
      tag: 'Users',
      summary: 'A single-use ticket, with which a client enters rooms as a user',
      text: 'The client shows it once, as `?ticket=`. Shown in vain, for another room or from another origin, it is spent as well. Where clients name themselves there are none (`conflict`).',
      body: object(
        { user: text(), rooms: list(text(), 'patterns of the rooms that it opens, 1–100') },
        {
          publish: list(text(), 'patterns of the rooms in which something may be said; by default all that it opens'),
          origin: text('origin of the only page that may show it, as browsers write it'),
          ttlMs: { ...integer('how long it can be used; 30,000 by default'), minimum: 1, maximum: LIFE_MS_MAX },
        },
      ),
      answers: {
        201: {
          doc: 'The ticket. Nobody can read it again.',
          schema: object({ ticket: text('43 characters of base64url'), expiresInMs: count() }),
        },
      },
      errors: ['bad_user', 'conflict', ...BODY_ERRORS],
    },
    // Its bearer hears and says what the ticket names.
    scopes: ['read', 'publish'],
    answer: async (request) => {
      checkAuthenticates(request);
      const body = await request.body();
      const grant = readGrant(body);
      const lifeMs = readLife(body);
      const ticket = await within(WRITE_MS, issueTicket(request.ports.directory, grant, lifeMs));
      return { status: 201, body: { ticket, expiresInMs: lifeMs } };
    },
  },
  {
    method: 'POST',
    path: '/api/v1/users/:user/revoke',
    doc: {
      tag: 'Users',
      summary: 'Revoke what a user was given',
      text: 'Tokens and tickets issued to the user up to now are refused, and every session that was let in by one is closed within 5 s, at whichever router. What is issued later counts. Times in tokens are whole seconds: one of the same second is refused too, and so is one without `iat`. Where clients name themselves there is nothing to revoke (`conflict`).',
      answers: {
        200: { doc: 'It is revoked.', schema: object({ user: text(), at: moment('by Redis’ clock') }) },
      },
      errors: ['bad_request', 'bad_user', 'conflict'],
    },
    answer: async (request) => {
      checkAuthenticates(request);
      const { ports, params, rights } = request;
      const user = userFrom(params['user'] ?? '');
      const by = operatorOf(request);
      const mark = { user, keepMs: rights.tokenLifeMsMax, marksMax: REVOKED_MAX };
      const reply = await within(WRITE_MS, ports.directory.call('revoke', mark));
      if (reply.kind === 'full') throw new BellhopError('too_many', 'too many users are revoked at this time');
      return { ...ok({ user, at: reply.at }), headers: await audited(request, { by, action: 'revoke', user }) };
    },
  },
];

function checkAuthenticates({ rights }: Pick<RouteRequest, 'rights'>): void {
  if (!rights.authenticates) throw new BellhopError('conflict', 'without authentication users name themselves');
}

function readGrant(body: Readonly<Record<string, unknown>>): TicketGrant {
  const { user, origin } = body;
  if (typeof user !== 'string' || !isUserId(user)) throw new BellhopError('bad_user');
  const rooms = readPatterns(body, 'rooms');
  if (rooms === undefined || rooms.length === 0) throw new BellhopError('bad_request', 'rooms must name one or more');
  const publish = readPatterns(body, 'publish');
  if (origin !== undefined && !(typeof origin === 'string' && isOrigin(origin))) {
    throw new BellhopError('bad_request', 'origin must be one as browsers write it, e.g. https://example.org');
  }
  return {
    user,
    rooms,
    ...(publish === undefined ? {} : { publish }),
    ...(origin === undefined ? {} : { origin }),
  };
}

function readPatterns(body: Readonly<Record<string, unknown>>, name: string): readonly string[] | undefined {
  const given = body[name];
  if (given === undefined) return undefined;
  const isList = Array.isArray(given) && given.length <= PATTERNS_MAX;
  const patterns = isList ? given.filter((one): one is string => typeof one === 'string' && isRoomPattern(one)) : [];
  if (!isList || patterns.length !== given.length) {
    throw new BellhopError('bad_request', `${name} must be a list of at most ${PATTERNS_MAX} patterns of room ids`);
  }
  return patterns;
}

function isOrigin(text: string): boolean {
  return text.length <= 256 && URL.canParse(text) && new URL(text).origin === text;
}

function readLife({ ttlMs = LIFE_MS }: Readonly<Record<string, unknown>>): number {
  if (Number.isSafeInteger(ttlMs) && Number(ttlMs) >= 1 && Number(ttlMs) <= LIFE_MS_MAX) return Number(ttlMs);
  throw new BellhopError('bad_request', `ttlMs must be a whole number from 1 to ${LIFE_MS_MAX}`);
}
