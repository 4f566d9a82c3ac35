/** What each client was told, by itself: a contiguous run between resets, nothing twice, each sender in order, epochs never backwards,
 *  and at the end no client behind its room. Pure.
 *  @see DESIGN §4 Invariants 2, 4, 5 */
import type { Deliver, Reset, Welcome } from '../history/events.ts';
import { epochOf, type MakeRule, placeOf, roomOf } from './rule.ts';

interface Cursor {
  readonly seq: number;
  readonly tag: string;
}

interface Told {
  cursor: Cursor | undefined;
  isSeated: boolean;
  /** Of welcomes and resets. */
  epoch: number;
  /** Of messages: what was missed comes under the tags of its time, which may lie below the welcome's. */
  tagEpoch: number;
  /** Highest id by sender's session. */
  readonly lastIds: Map<string, number>;
}

/** After these the room goes on from another history, in which an unacked publish may be said that was heard before. */
const ANOTHER_HISTORY: ReadonlySet<string> = new Set(['log_lost', 'ahead', 'forked', 'owner_lost']);

export const deliveries: MakeRule = (history, find) => {
  const clients = new Map<number, Told>();
  const toldOf = (client: number): Told => {
    let told = clients.get(client);
    if (told === undefined) {
      told = { cursor: undefined, isSeated: false, epoch: 0, tagEpoch: 0, lastIds: new Map() };
      clients.set(client, told);
    }
    return told;
  };

  const seen = (told: Told, epoch: number, event: Welcome | Reset, index: number): void => {
    if (epoch < told.epoch)
      find({
        rule: 'epoch-order',
        room: roomOf(history, event.client),
        place: placeOf(history, event.client, index),
        text: `a ${event.kind} of epoch ${epoch} after ${told.epoch}`,
      });
    told.epoch = Math.max(told.epoch, epoch);
  };

  const hear = (told: Told, event: Deliver, index: number): void => {
    const { client, seq, tag, session, id } = event;
    const at = { room: roomOf(history, client), place: placeOf(history, client, index) };
    const { cursor } = told;
    if (cursor !== undefined && seq !== cursor.seq + 1)
      find({ rule: 'contiguous', ...at, text: `seq ${seq} of ${tag} after ${cursor.seq} of ${cursor.tag}` });
    if (cursor?.tag !== tag) {
      const epoch = epochOf(tag);
      if (epoch < told.tagEpoch)
        find({ rule: 'epoch-order', ...at, text: `a message of epoch ${epoch} after ${told.tagEpoch}` });
      told.tagEpoch = Math.max(told.tagEpoch, epoch);
    }
    told.cursor = { seq, tag };
    if (session === '' || id === 0) return;
    const last = told.lastIds.get(session) ?? 0;
    if (id === last) find({ rule: 'no-repeat', ...at, text: `id ${id} of ${session} again` });
    else if (id < last) find({ rule: 'order', ...at, text: `id ${id} of ${session} after ${last}` });
    told.lastIds.set(session, Math.max(id, last));
  };

  return {
    see(event, index) {
      switch (event.kind) {
        case 'welcome': {
          const told = toldOf(event.client);
          seen(told, event.epoch, event, index);
          if (!event.resumed) told.cursor = { seq: event.seq, tag: event.tag };
          told.isSeated = true;
          return;
        }
        case 'reset': {
          const told = toldOf(event.client);
          const epoch = epochOf(event.tag);
          seen(told, epoch, event, index);
          told.tagEpoch = Math.max(told.tagEpoch, epoch);
          told.cursor = { seq: event.seq, tag: event.tag };
          if (ANOTHER_HISTORY.has(event.reason)) told.lastIds.clear();
          return;
        }
        case 'deliver':
          return hear(toldOf(event.client), event, index);
        case 'close':
          toldOf(event.client).isSeated = false;
          return;
        default:
          return;
      }
    },
    end() {
      const tops = new Map<string, number>();
      for (const [client, { cursor, isSeated }] of clients) {
        if (!isSeated) continue;
        const room = roomOf(history, client);
        tops.set(room, Math.max(tops.get(room) ?? 0, cursor?.seq ?? 0));
      }
      for (const [client, { cursor, isSeated }] of clients) {
        const room = roomOf(history, client);
        const top = tops.get(room) ?? 0;
        if (isSeated && cursor !== undefined && cursor.seq < top)
          find({
            rule: 'complete',
            room,
            place: `end, client ${history.clients[client]?.user ?? client}`,
            text: `it stands at ${cursor.seq}, others at ${top}`,
          });
      }
    },
  };
};
