/** What webhooks have to tell, in memory. Owns: the same decisions as the scripts of the same names. Does not know: connections; time is
 *  an argument. */
import type { OutboxId } from '../outbox.ts';
import { type ExecuteContext, type Executors, type StoredOutbox, sorted, unexpired } from './state.ts';

export const outboxExecutors: Pick<
  Executors,
  'openOutbox' | 'writeOutbox' | 'trimOutbox' | 'writeTellers' | 'readTellers'
> = {
  openOutbox({ room, epoch, expireMs }, context) {
    const stored = storedOf(room, context);
    if (stored.epoch > epoch) return { kind: 'stale', epoch: stored.epoch };
    keep(room, stored, epoch, expireMs, context);
    return {
      kind: 'open',
      told: sorted(stored.told).map(([session, user]) => ({ session, user })),
      events: stored.events.map(({ id, json }) => ({ id: { ...id }, json })),
    };
  },

  writeOutbox({ room, epoch, expireMs, eventsMax, events }, context) {
    const stored = storedOf(room, context);
    if (stored.epoch > epoch) return { kind: 'stale', epoch: stored.epoch };
    for (const { id, change, json } of events) {
      if (change?.present === true) stored.told.set(change.session, change.user);
      else if (change !== undefined) stored.told.delete(change.session);
      if (json === undefined || json === '' || !isAfter(id, stored.lastId)) continue;
      stored.events.push({ id: { ...id }, json });
      stored.lastId = { ...id };
    }
    const dropped = Math.max(0, stored.events.length - eventsMax);
    stored.events.splice(0, dropped);
    keep(room, stored, epoch, expireMs, context);
    return { kind: 'written', dropped };
  },

  trimOutbox({ room, upTo, expireMs }, context) {
    const stored = storedOf(room, context);
    stored.events = stored.events.filter(({ id }) => isAfter(id, upTo));
    const left = stored.events.length;
    if (left === 0 && stored.told.size === 0) stored.expireAtMs = context.nowMs + expireMs;
    return { kind: 'trimmed', left };
  },

  writeTellers({ incarnation, add, drop }, { state }) {
    for (const room of add) state.tellers.set(room, incarnation);
    for (const room of drop) if (state.tellers.get(room) === incarnation) state.tellers.delete(room);
    return { kind: 'written' };
  },

  readTellers: (_args, { state }) => ({
    tellers: sorted(state.tellers).map(([room, incarnation]) => ({ room, incarnation })),
  }),
};

function storedOf(room: string, { state, nowMs }: ExecuteContext): StoredOutbox {
  const none = { epoch: 0, told: new Map(), events: [], lastId: { epoch: 0, number: 0 }, expireAtMs: undefined };
  return unexpired(state.outboxes, room, nowMs) ?? none;
}

function keep(
  room: string,
  stored: StoredOutbox,
  epoch: number,
  expireMs: number,
  { state, nowMs }: ExecuteContext,
): void {
  stored.epoch = epoch;
  stored.expireAtMs = nowMs + expireMs;
  state.outboxes.set(room, stored);
}

function isAfter(id: OutboxId, other: OutboxId): boolean {
  return id.epoch === other.epoch ? id.number > other.number : id.epoch > other.epoch;
}
