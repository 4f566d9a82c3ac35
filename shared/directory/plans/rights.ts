/** How tickets and revocations travel to Redis. Owns: the order of KEYS and ARGV of each script. Does not know: connections, what a
 *  ticket opens. */

import { list, number, object, type Plans, scriptRequest, text, unknownReply } from '../plan.ts';
import type { TicketGrant } from '../rights-operations.ts';

type Rights = Pick<Plans, 'putTicket' | 'takeTicket' | 'revoke' | 'readRevoked'>;

export const rightsPlans: Rights = {
  putTicket: {
    connection: 'bulk',
    request: ({ ticket, grant, lifeMs }, { keys }) =>
      scriptRequest('put-ticket', [keys.ticket(ticket)], [JSON.stringify(grant), String(lifeMs)]),
    parse(raw) {
      const [kind, at] = list(raw);
      if (kind === 'kept') return { kind, at: number(at) };
      return kind === 'exists' ? { kind } : unknownReply(kind);
    },
  },
  takeTicket: {
    connection: 'bulk',
    request: ({ ticket }, { keys }) => scriptRequest('take-ticket', [keys.ticket(ticket)], []),
    parse(raw) {
      const [kind, at, json] = list(raw);
      if (kind === 'taken') return { kind, at: number(at), grant: parseGrant(text(json)) };
      return kind === 'absent' ? { kind } : unknownReply(kind);
    },
  },
  revoke: {
    connection: 'bulk',
    request: ({ user, keepMs, marksMax }, { keys: { cluster } }) =>
      scriptRequest('revoke', [cluster.revoked], [user, String(keepMs), String(marksMax)]),
    parse(raw) {
      const [kind, at] = list(raw);
      if (kind === 'revoked') return { kind, at: number(at) };
      return kind === 'full' ? { kind } : unknownReply(kind);
    },
  },
  readRevoked: {
    connection: 'bulk',
    request: ({ after, limit }, { keys: { cluster } }) =>
      scriptRequest('read-revoked', [cluster.revoked], [String(after), String(limit)]),
    parse(raw) {
      const [last, ...flat] = list(raw);
      const revoked: { user: string; at: number }[] = [];
      for (let i = 0; i + 1 < flat.length; i += 2) revoked.push({ user: text(flat[i]), at: number(flat[i + 1]) });
      return { last: { at: number(last) }, revoked };
    },
  },
};

function parseGrant(json: string): TicketGrant {
  const { user, rooms, publish, origin } = object(JSON.parse(json));
  return {
    ...{ user: text(user), rooms: list(rooms).map(text) },
    ...(publish === undefined ? {} : { publish: list(publish).map(text) }),
    ...(origin === undefined ? {} : { origin: text(origin) }),
  };
}
