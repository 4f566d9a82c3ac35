/** Tickets and revocations, in memory. Owns: the same decisions, in the same order, as the scripts of the same names. Does not know:
 *  connections. */
import type { TicketGrant } from '../rights-operations.ts';
import { type Executors, unexpired } from './state.ts';

type Rights = Pick<Executors, 'putTicket' | 'takeTicket' | 'revoke' | 'readRevoked'>;

export const rightsExecutors: Rights = {
  putTicket({ ticket, grant, lifeMs }, { state, nowMs }) {
    if (unexpired(state.tickets, ticket, nowMs) !== undefined) return { kind: 'exists' };
    state.tickets.set(ticket, { at: nowMs, json: JSON.stringify(grant), expireAtMs: nowMs + lifeMs });
    return { kind: 'kept', at: nowMs };
  },

  takeTicket({ ticket }, { state, nowMs }) {
    const kept = unexpired(state.tickets, ticket, nowMs);
    if (kept === undefined) return { kind: 'absent' };
    state.tickets.delete(ticket);
    return { kind: 'taken', at: kept.at, grant: JSON.parse(kept.json) as TicketGrant };
  },

  revoke({ user, keepMs, marksMax }, { state: { revoked }, nowMs }) {
    for (const [marked, at] of revoked) if (at < nowMs - keepMs) revoked.delete(marked);
    if (!revoked.has(user) && revoked.size >= marksMax) return { kind: 'full' };
    const at = Math.max(nowMs, lastOf(revoked) + 1);
    // The map's order is that of the marks.
    revoked.delete(user);
    revoked.set(user, at);
    return { kind: 'revoked', at };
  },

  readRevoked({ after, limit }, { state: { revoked } }) {
    const found = Array.from(revoked, ([user, at]) => ({ user, at })).filter(({ at }) => at > after);
    return { last: { at: Math.max(0, lastOf(revoked)) }, revoked: found.slice(0, limit) };
  },
};

function lastOf(revoked: ReadonlyMap<string, number>): number {
  let last = -1;
  for (const at of revoked.values()) last = at;
  return last;
}
