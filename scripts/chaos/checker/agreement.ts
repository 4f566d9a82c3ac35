/** One (tag, seq) of a room is one message, whoever hears it. Pure.
 *  @see DESIGN §4 Invariant 1 */
import { type MakeRule, placeOf, roomOf } from './rule.ts';

/** Of a room's (tag, seq) this many are remembered: members hear the same within moments, replays within some thousand. */
const REMEMBERED_MAX = 5_000;

export const agreement: MakeRule = (history, find) => {
  const rooms = new Map<string, Map<string, string>>();
  return {
    see(event, index) {
      if (event.kind !== 'deliver') return;
      const room = roomOf(history, event.client);
      const said = rooms.get(room) ?? new Map();
      rooms.set(room, said);
      const key = `${event.seq} of ${event.tag}`;
      const what = `${event.session} ${event.id}`;
      const before = said.get(key);
      if (before === undefined) {
        said.set(key, what);
        if (said.size > REMEMBERED_MAX) said.delete(said.keys().next().value ?? key);
      } else if (before !== what) {
        find({
          rule: 'agreement',
          room,
          place: placeOf(history, event.client, index),
          text: `seq ${key} is "${what}" here and "${before}" elsewhere`,
        });
      }
    },
    end: () => undefined,
  };
};
