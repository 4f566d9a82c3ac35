/** The projections, presence and users, in memory. Owns: the same decisions as the scripts of the same names. Does not know:
 *  connections; time is an argument. */
import type { PresenceMember, UserSession } from '../directory.ts';
import { type Executors, sorted, unexpired } from './state.ts';

type Projections = Pick<Executors, 'writePresence' | 'readPresence' | 'writeUser' | 'readUser'>;

export const projectionExecutors: Projections = {
  writePresence({ room, epoch, incarnation, node, asOf, set, remove, replace, expireMs }, { state, nowMs }) {
    const stored = unexpired(state.presence, room, nowMs);
    if (stored !== undefined && stored.head.epoch > epoch) return { kind: 'stale', epoch: stored.head.epoch };
    const members = replace || stored === undefined ? new Map<string, string>() : stored.members;
    for (const session of remove) members.delete(session);
    for (const [session, member] of Object.entries(set)) members.set(session, JSON.stringify(member));
    state.presence.set(room, { head: { epoch, incarnation, node, asOf }, members, expireAtMs: nowMs + expireMs });
    return { kind: 'written' };
  },

  readPresence({ room, after, limit }, { state, nowMs }) {
    const stored = unexpired(state.presence, room, nowMs);
    if (stored === undefined) return { head: undefined, count: 0, members: [] };
    const page = sorted(stored.members)
      .filter(([session]) => after === undefined || session > after)
      .slice(0, limit);
    return {
      head: { ...stored.head },
      count: stored.members.size,
      members: page.map(([session, json]) => ({ session, member: JSON.parse(json) as PresenceMember })),
    };
  },

  writeUser({ user, set, remove, expireMs }, { state, nowMs }) {
    const stored = unexpired(state.users, user, nowMs) ?? { sessions: new Map(), expireAtMs: undefined };
    let stale = 0;
    let wrote = false;
    const isStale = (session: string, epoch: number) => (stored.sessions.get(session)?.epoch ?? 0) > epoch;
    for (const { session, epoch } of remove) {
      if (isStale(session, epoch)) stale++;
      else stored.sessions.delete(session);
    }
    for (const [session, at] of Object.entries(set)) {
      if (isStale(session, at.epoch)) {
        stale++;
        continue;
      }
      stored.sessions.set(session, { epoch: at.epoch, json: JSON.stringify(at) });
      wrote = true;
    }
    if (wrote) stored.expireAtMs = nowMs + expireMs;
    if (stored.sessions.size > 0) state.users.set(user, stored);
    else state.users.delete(user);
    return { kind: 'written', stale };
  },

  readUser({ user }, { state, nowMs }) {
    const stored = unexpired(state.users, user, nowMs);
    if (stored === undefined) return { sessions: [] };
    return {
      sessions: sorted(stored.sessions).map(([session, { json }]) => ({
        session,
        at: JSON.parse(json) as UserSession,
      })),
    };
  },
};
