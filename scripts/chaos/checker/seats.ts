/** Sockets, sessions and presence: no socket closes that no router fault explains, a session that comes back in time was never said to have
 *  left, a session stays itself, and presence is what is seated at the end. Pure.
 *  @see DESIGN §4 Invariants 6, 7; §6 */
import { type MakeRule, placeOf, roomOf } from './rule.ts';

/** A session leaves so long after its socket broke (5 s), or its router was lost (10 s), less what a busy client may learn of it late. */
const LEAVE_BROKEN_MS = 3_500;
const LEAVE_ROUTER_LOST_MS = 8_500;
/** What a router's fault breaks may be noticed so much after its end: a stopped router's clients by an unanswered ping. */
const ROUTER_FAULT_MS = 15_000;

interface Seat {
  router: string;
  session: string;
  isSeated: boolean;
  closedMs: number;
  closedByRouter: boolean;
  /** Told while the session was away. */
  leave: { readonly atMs: number; readonly index: number; readonly witness: number } | undefined;
}

interface Struck {
  faults: number;
  endedMs: number;
}

/** Closes that were seen, for the report. */
export interface SeatCounts {
  closedByFault: number;
  closedUnasked: number;
}

export function seats(counts: SeatCounts): MakeRule {
  return (history, find) => {
    const clients = new Map<number, Seat>();
    const sessions = new Map<string, number>();
    const routers = new Map<string, Struck>();
    const seatOf = (client: number): Seat => {
      let seat = clients.get(client);
      if (seat === undefined) {
        seat = { router: '', session: '', isSeated: false, closedMs: 0, closedByRouter: false, leave: undefined };
        clients.set(client, seat);
      }
      return seat;
    };
    const isStruck = (router: string, atMs: number): boolean => {
      const struck = routers.get(router);
      return struck !== undefined && (struck.faults > 0 || atMs - struck.endedMs < ROUTER_FAULT_MS);
    };

    return {
      see(event, index) {
        switch (event.kind) {
          case 'fault':
            for (const router of event.routers) {
              const struck = routers.get(router) ?? { faults: 0, endedMs: 0 };
              struck.faults += event.phase === 'begin' ? 1 : -1;
              if (event.phase === 'end') struck.endedMs = event.at;
              routers.set(router, struck);
            }
            return;
          case 'dial':
            seatOf(event.client).router = event.router;
            return;
          case 'welcome': {
            const seat = seatOf(event.client);
            const at = { room: roomOf(history, event.client), place: placeOf(history, event.client, index) };
            if (seat.session !== '' && seat.session !== event.session)
              find({ rule: 'session-kept', ...at, text: `session ${event.session} instead of ${seat.session}` });
            const { leave } = seat;
            const dueMs = seat.closedByRouter ? LEAVE_ROUTER_LOST_MS : LEAVE_BROKEN_MS;
            if (leave !== undefined && leave.atMs - seat.closedMs < dueMs)
              find({
                rule: 'no-leave',
                room: at.room,
                place: placeOf(history, leave.witness, leave.index),
                text: `${event.session} left ${Math.round(leave.atMs - seat.closedMs)} ms after its socket closed, and came back`,
              });
            seat.session = event.session;
            seat.isSeated = true;
            seat.leave = undefined;
            sessions.set(event.session, event.client);
            return;
          }
          case 'close': {
            const seat = seatOf(event.client);
            if (!seat.isSeated) return;
            seat.isSeated = false;
            seat.closedMs = event.at;
            seat.closedByRouter = !event.ours;
            if (event.ours) return;
            if (isStruck(seat.router, event.at)) {
              counts.closedByFault++;
              return;
            }
            counts.closedUnasked++;
            find({
              rule: 'socket-closed',
              room: roomOf(history, event.client),
              place: placeOf(history, event.client, index),
              text: `closed with ${event.code} at ${seat.router}, which had no fault`,
            });
            return;
          }
          case 'leave': {
            const owner = sessions.get(event.session);
            if (owner === undefined) return;
            const seat = seatOf(owner);
            if (!seat.isSeated) {
              seat.leave ??= { atMs: event.at, index, witness: event.client };
              return;
            }
            find({
              rule: 'no-leave',
              room: roomOf(history, owner),
              place: placeOf(history, event.client, index),
              text: `${event.session} is said to have left and is seated`,
            });
            return;
          }
          default:
            return;
        }
      },
      end({ presence }) {
        const seated = new Map<string, Set<string>>();
        for (const [client, { session, isSeated }] of clients) {
          const room = roomOf(history, client);
          const there = seated.get(room) ?? new Set();
          seated.set(room, there);
          if (isSeated) there.add(session);
        }
        for (const [room, sessionsThere] of seated) {
          const told = new Set(presence.get(room) ?? []);
          const missing = [...sessionsThere].filter((session) => !told.has(session));
          const ghosts = [...told].filter((session) => !sessionsThere.has(session));
          const at = { rule: 'presence', room, place: 'end' } as const;
          if (missing.length > 0) find({ ...at, text: `presence lacks ${missing.join(' ')}` });
          if (ghosts.length > 0) find({ ...at, text: `presence has ${ghosts.join(' ')}, which is not seated` });
        }
      },
    };
  };
}
