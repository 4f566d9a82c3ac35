/** How the operations on abandoned rooms travel to Redis. Owns: the order of KEYS and ARGV of each script, and the cursor that leads through
 *  all primaries: `primary:cursor of its SCAN`. Does not know: connections, which primary is which. */
import { list, type Plans, scriptRequest, text, unknownReply } from '../plan.ts';
import { keptKeys } from './rooms.ts';

export const abandonedPlans: Pick<Plans, 'scanRooms' | 'expireRoom'> = {
  scanRooms: {
    connection: 'bulk',
    request({ cursor, limit }, { keys }) {
      const { primary, at } = placeOf(cursor);
      return { ...scriptRequest('scan-rooms', [], [at, keys.ownersPattern, String(limit)]), primary };
    },
    parse(raw, { cursor }, { keys, primaries }) {
      const [next, found] = list(raw);
      const { primary } = placeOf(cursor);
      const rooms = list(found).flatMap((key) => keys.roomOf(text(key)) ?? []);
      if (next !== '0') return { rooms, cursor: `${primary}:${text(next)}` };
      return primary + 1 < primaries() ? { rooms, cursor: `${primary + 1}:0` } : { rooms };
    },
  },
  expireRoom: {
    connection: 'bulk',
    request: ({ room, triple, expireMs, runId }, { keys }) =>
      scriptRequest(
        'expire-room',
        keptKeys(keys, room),
        [runId, triple.incarnation, String(triple.epoch), triple.nonce, String(expireMs)],
        { runIdAt: 0 },
      ),
    parse(raw) {
      const [kind, runId] = list(raw);
      if (kind === 'expires' || kind === 'expiring' || kind === 'changed') return { kind };
      return kind === 'other-run' ? { kind, runId: text(runId) } : unknownReply(kind);
    },
  },
};

function placeOf(cursor = '0:0'): { readonly primary: number; readonly at: string } {
  const [primary = '0', at = '0'] = cursor.split(':');
  return { primary: Number(primary), at };
}
