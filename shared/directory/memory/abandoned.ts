/** The operations on abandoned rooms, in memory. Owns: the same decisions as the scripts of the same names. Does not know: connections;
 *  time is an argument. */
import { holds } from './rooms.ts';
import { type Executors, sorted, unexpired } from './state.ts';

export const abandonedExecutors: Pick<Executors, 'scanRooms' | 'expireRoom'> = {
  scanRooms({ cursor, limit }, { state, nowMs }) {
    const from = Number(cursor?.split(':')[1] ?? 0);
    const names = sorted(state.rooms).map(([room]) => room);
    const to = from + Math.max(1, limit);
    const rooms = names.slice(from, to).filter((room) => unexpired(state.rooms, room, nowMs) !== undefined);
    return to < names.length ? { rooms, cursor: `0:${to}` } : { rooms };
  },

  expireRoom({ room, triple, expireMs, runId }, { state, nowMs, runId: run }) {
    if (runId !== run) return { kind: 'other-run', runId: run };
    const stored = unexpired(state.rooms, room, nowMs);
    if (stored === undefined || !holds(stored.record, triple)) return { kind: 'changed' };
    if (stored.expireAtMs !== undefined) return { kind: 'expiring' };
    stored.expireAtMs = nowMs + expireMs;
    return { kind: 'expires' };
  },
};
