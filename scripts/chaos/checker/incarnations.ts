/** What incarnations did: none emits gated output of a room after a higher epoch of that room was seen, and none ends but by its fault.
 *  Pure.
 *  @see DESIGN §4 Invariant 5 */
import { epochOf, type MakeRule, roomOf } from './rule.ts';

/** Two sockets of the recording process may be read in another order than they were written in, by as much as its loop stands still. A
 *  woken owner speaks seconds after it was superseded. */
const READ_ORDER_MS = 300;

interface Speaker {
  epoch: number;
  sinceMs: number;
}

export const incarnations: MakeRule = (history, find) => {
  /** Highest epoch seen of each room. */
  const rooms = new Map<string, Speaker>();
  const raise = (room: string, epoch: number, atMs: number): void => {
    const speaker = rooms.get(room);
    if (speaker === undefined) rooms.set(room, { epoch, sinceMs: atMs });
    else if (epoch > speaker.epoch) {
      speaker.epoch = epoch;
      speaker.sinceMs = atMs;
    }
  };
  return {
    see(event, index) {
      switch (event.kind) {
        case 'deliver':
          return raise(roomOf(history, event.client), epochOf(event.tag), event.at);
        case 'welcome':
          return raise(roomOf(history, event.client), event.epoch, event.at);
        case 'emit': {
          const speaker = rooms.get(event.room);
          if (speaker !== undefined && event.epoch < speaker.epoch && event.at - speaker.sinceMs > READ_ORDER_MS)
            find({
              rule: 'late-emit',
              room: event.room,
              place: `event ${index}, incarnation ${event.incarnation}`,
              text: `${event.type} of epoch ${event.epoch}, ${Math.round(event.at - speaker.sinceMs)} ms after ${speaker.epoch} spoke`,
            });
          return raise(event.room, event.epoch, event.at);
        }
        case 'process':
          if (event.act === 'crashed')
            find({
              rule: 'process-end',
              room: '',
              place: `event ${index}, process ${event.process}`,
              text: `it ended with ${event.code}`,
            });
          return;
        default:
          return;
      }
    },
    end: () => undefined,
  };
};
