/** How the projections, presence and users, travel to Redis. Owns: the order of KEYS and ARGV of each script, and the text form of
 *  members and sessions. Does not know: connections. They are no authority: what is none of them in there is passed over, so that one
 *  such field does not keep a room from opening, or end whoever reads it.
 *
 *  A read takes the whole hash and sorts it here: Redis has no order among fields. A room of 10,000 members is about 2 MB; a room's
 *  own limit on members is the bound. */
import type { PresenceMember, UserSession } from '../directory.ts';
import {
  amount,
  headAndJson,
  list,
  number,
  object,
  type Plans,
  pairs,
  readable,
  scriptRequest,
  text,
  unknownReply,
} from '../plan.ts';

type Projections = Pick<Plans, 'writePresence' | 'readPresence' | 'writeUser' | 'readUser'>;

/** The field of a presence hash that holds its head; no session is called so. */
const HEAD_FIELD = '*';

export const projectionPlans: Projections = {
  writePresence: {
    connection: 'bulk',
    request({ room, epoch, incarnation, node, asOf, set, remove, replace, expireMs }, { keys }) {
      const head = [String(epoch), incarnation, node, String(asOf)];
      const members = Object.entries(set).flatMap(([session, member]) => [session, JSON.stringify(member)]);
      return scriptRequest(
        'write-presence',
        [keys.room(room).presence],
        [...head, String(expireMs), replace ? '1' : '0', String(remove.length), ...remove, ...members],
      );
    },
    parse(raw) {
      const [kind, epoch] = list(raw);
      if (kind === 'written') return { kind };
      return kind === 'stale' ? { kind, epoch: number(epoch) } : unknownReply(kind);
    },
  },
  readPresence: {
    connection: 'bulk',
    request: ({ room }, { keys }) => scriptRequest('read-hash', [keys.room(room).presence], []),
    parse(raw, { after, limit }) {
      const fields = pairs(raw);
      const members = fields.filter(([field]) => field !== HEAD_FIELD);
      const page: { session: string; member: PresenceMember }[] = [];
      // A page that is not full is the last one: what is passed over does not count for it.
      for (const [session, member] of members) {
        if (page.length >= limit) break;
        if (after !== undefined && session <= after) continue;
        page.push(...readable(() => ({ session, member: parseMember(member) })));
      }
      return {
        head: parseHead(fields.find(([field]) => field === HEAD_FIELD)?.[1]),
        count: members.length,
        members: page,
      };
    },
  },
  writeUser: {
    connection: 'bulk',
    request({ user, set, remove, expireMs }, { keys }) {
      const removals = remove.flatMap(({ session, epoch }) => [session, String(epoch)]);
      const sets = Object.entries(set).flatMap(([session, at]) => {
        const { epoch, ...rest } = at;
        return [session, String(epoch), JSON.stringify(rest)];
      });
      return scriptRequest(
        'write-user',
        [keys.user(user)],
        [String(expireMs), String(remove.length), ...removals, ...sets],
      );
    },
    parse(raw) {
      const [kind, stale] = list(raw);
      return kind === 'written' ? { kind, stale: number(stale) } : unknownReply(kind);
    },
  },
  readUser: {
    connection: 'bulk',
    request: ({ user }, { keys }) => scriptRequest('read-hash', [keys.user(user)], []),
    parse: (raw) => ({
      sessions: pairs(raw).flatMap(([session, entry]) => readable(() => ({ session, at: parseSession(entry) }))),
    }),
  },
};

function parseMember(member: string): PresenceMember {
  const { user, node, router, since, meta } = object(JSON.parse(member));
  return {
    ...{ user: text(user), node: text(node), router: text(router), since: amount(since) },
    ...(meta === undefined ? {} : { meta }),
  };
}

function parseSession(entry: string): UserSession {
  const { words, json } = headAndJson(entry);
  const { room, node, incarnation, router, since } = json;
  return {
    ...{ room: text(room), node: text(node), incarnation: text(incarnation), router: text(router) },
    ...{ epoch: number(words[0]), since: amount(since) },
  };
}

function parseHead(head: string | undefined) {
  if (head === undefined) return undefined;
  const [epoch, incarnation, node, asOf] = head.split(' ');
  return { epoch: number(epoch), incarnation: text(incarnation), node: text(node), asOf: number(asOf) };
}
