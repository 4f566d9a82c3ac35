/** How what webhooks have to tell travels to Redis. Owns: the order of KEYS and ARGV of each script. Does not know: connections, what an
 *  event says. */
import type { OutboxId } from '../outbox.ts';
import { list, number, type Plans, pairs, scriptRequest, text, unknownReply } from '../plan.ts';

/** The field of `told` that holds the epoch of who wrote last; no session is called so. */
const HEAD_FIELD = '*';

export const outboxPlans: Pick<Plans, 'openOutbox' | 'writeOutbox' | 'trimOutbox' | 'writeTellers' | 'readTellers'> = {
  openOutbox: {
    connection: 'bulk',
    request({ room, epoch, expireMs }, { keys }) {
      const { told, outbox } = keys.room(room);
      return scriptRequest('open-outbox', [told, outbox], [String(epoch), String(expireMs)]);
    },
    parse(raw) {
      const [kind, a, events] = list(raw);
      if (kind === 'stale') return { kind, epoch: number(a) };
      if (kind !== 'open') return unknownReply(kind);
      const told = pairs(a).filter(([session]) => session !== HEAD_FIELD);
      const flat = list(events).map(text);
      return {
        kind,
        told: told.map(([session, user]) => ({ session, user })),
        events: flat.flatMap((id, i) => (i % 2 === 0 ? [{ id: parseId(id), json: flat[i + 1] ?? '' }] : [])),
      };
    },
  },
  writeOutbox: {
    connection: 'bulk',
    request({ room, epoch, expireMs, eventsMax, events }, { keys }) {
      const { told, outbox } = keys.room(room);
      const args = events.flatMap(({ id, change, json }) => [
        `${id.epoch}-${id.number}`,
        ...(change === undefined ? ['', '', ''] : [change.present ? '+' : '-', change.session, change.user]),
        json ?? '',
      ]);
      return scriptRequest(
        'write-outbox',
        [told, outbox],
        [String(epoch), String(expireMs), String(eventsMax), ...args],
      );
    },
    parse(raw) {
      const [kind, a] = list(raw);
      if (kind === 'written') return { kind, dropped: number(a) };
      return kind === 'stale' ? { kind, epoch: number(a) } : unknownReply(kind);
    },
  },
  trimOutbox: {
    connection: 'bulk',
    request({ room, upTo, expireMs }, { keys }) {
      const { told, outbox } = keys.room(room);
      return scriptRequest('trim-outbox', [told, outbox], [String(upTo.epoch), String(upTo.number), String(expireMs)]);
    },
    parse(raw) {
      const [kind, left] = list(raw);
      return kind === 'trimmed' ? { kind, left: number(left) } : unknownReply(kind);
    },
  },
  writeTellers: {
    connection: 'bulk',
    request: ({ incarnation, add, drop }, { keys }) =>
      scriptRequest('write-tellers', [keys.cluster.tellers], [incarnation, String(add.length), ...add, ...drop]),
    parse(raw) {
      const [kind] = list(raw);
      return kind === 'written' ? { kind } : unknownReply(kind);
    },
  },
  readTellers: {
    connection: 'bulk',
    request: (_args, { keys }) => scriptRequest('read-hash', [keys.cluster.tellers], []),
    parse: (raw) => ({ tellers: pairs(raw).map(([room, incarnation]) => ({ room, incarnation })) }),
  },
};

function parseId(id: string): OutboxId {
  const [epoch, last] = id.split('-');
  return { epoch: number(epoch), number: number(last) };
}
