/** How what operators order travels to Redis: pins and the audit log. Owns: the order of KEYS and ARGV of each script, and the text
 *  form of an entry. Does not know: connections. */
import { AUDIT_MAX, type AuditEntry, type Order, PINS_MAX } from '../orders.ts';
import { list, number, object, type Plans, readable, scriptRequest, text, unknownReply } from '../plan.ts';

type Orders = Pick<Plans, 'setPin' | 'removePin' | 'appendAudit' | 'readAudit'>;

export const orderPlans: Orders = {
  setPin: {
    connection: 'control',
    request: ({ pin: { room, ...rest } }, { keys: { cluster } }) =>
      scriptRequest('set-pin', [cluster.meta, cluster.pins], [room, JSON.stringify(rest), String(PINS_MAX)]),
    parse(raw) {
      const [kind, ver] = list(raw);
      if (kind === 'ok') return { kind, ver: number(ver) };
      return kind === 'full' ? { kind } : unknownReply(kind);
    },
  },
  removePin: {
    connection: 'control',
    request: ({ pinned }, { keys: { cluster } }) => scriptRequest('remove-pin', [cluster.meta, cluster.pins], [pinned]),
    parse(raw) {
      const [kind, ver] = list(raw);
      if (kind === 'ok') return { kind, ver: number(ver) };
      return kind === 'absent' ? { kind } : unknownReply(kind);
    },
  },
  appendAudit: {
    connection: 'bulk',
    request: ({ entry }, { keys: { cluster } }) =>
      scriptRequest('append-audit', [cluster.meta, cluster.audit], [JSON.stringify(entry), String(AUDIT_MAX)]),
    parse(raw) {
      const [id] = list(raw);
      return { id: number(id) };
    },
  },
  readAudit: {
    connection: 'bulk',
    request: ({ after, limit }, { keys: { cluster } }) =>
      scriptRequest('read-audit', [cluster.audit], [after === undefined ? '' : String(after), String(limit)]),
    parse(raw) {
      const flat = list(raw);
      const entries: AuditEntry[] = [];
      for (let i = 0; i + 2 < flat.length; i += 3) {
        const at = { id: number(flat[i]), at: number(flat[i + 1]) };
        entries.push(...readable(() => ({ ...parseOrder(text(flat[i + 2])), ...at })));
      }
      return { entries };
    },
  },
};

function parseOrder(json: string): Order {
  const { by, action, ...rest } = object(JSON.parse(json));
  const about = (['node', 'room', 'user', 'detail'] as const).flatMap((name) =>
    rest[name] === undefined ? [] : [[name, text(rest[name])] as const],
  );
  return { by: text(by), action: text(action), ...Object.fromEntries(about) };
}
