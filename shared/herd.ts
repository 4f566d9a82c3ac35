/** How widely clients are spread that come back together. Owns: the arithmetic of windows, alike for the routers that announce a close
 *  and for the nodes that name the window for a loss nobody announced. Does not know: sockets, sessions.
 *  Invariant: up to the time for which a session can be resumed, a window is never shorter than the routers that are left need to admit
 *  all who draw from it.
 *  @see DESIGN §6, §7 */
import type { RouterRecord } from './directory/directory.ts';

/** Handshakes a second that a router without a limit of its own is counted with. */
export const ACCEPT_RATE_DEFAULT = 500;
/** A draw is uniform, and what arrives in one second is not: this much room is left. */
const SLACK = 1.25;
/** Between the moment a window is named and the loss itself more clients have come. */
const GROWTH = 1.6;
/** Nobody waits longer than this: after it a session could not be resumed. */
const WINDOW_MS_MAX = 100_000;
/** For a loss that nobody announced: also a few clients find their router restarting, not gone. */
const LOSS_WINDOW_MS_MIN = 3_000;

type Counted = Pick<RouterRecord, 'router' | 'sessions' | 'acceptRate' | 'workerOf'>;

/** Milliseconds over which so many clients come back to routers that admit `ratePerSecond` handshakes together. */
export function windowFor(clients: number, ratePerSecond: number, minMs: number): number {
  const neededMs = ((clients * SLACK) / ratePerSecond) * 1_000;
  return Math.round(Math.min(Math.max(minMs, neededMs), Math.max(minMs, WINDOW_MS_MAX)));
}

/** The window of clients whose router says that it stops.
 *  @param own  its sessions, which it knows better than its record does; of a worker, those of this worker */
export function windowAtStop(
  routers: readonly Counted[],
  self: { readonly router: string; readonly process: string; readonly acceptRate: number; readonly sessions: number },
  minMs: number,
): number {
  const siblings = routers.filter((one) => nameOf(one) === self.router && one.router !== self.process);
  const clients = siblings.reduce((sum, { sessions }) => sum + sessions, self.sessions);
  return windowFor(clients, rateLeft(routers, self.router) ?? rateOf(self), minMs);
}

/** The window of clients whose router may be lost without a word. */
export function windowAtLoss(routers: readonly Counted[], router: string): number {
  const own = routers.filter((one) => nameOf(one) === router);
  const clients = own.reduce((sum, { sessions }) => sum + sessions, 0);
  // Where there is no other, it is this one that is to be started again.
  const rate = rateLeft(routers, router) ?? own.reduce((sum, one) => sum + rateOf(one), 0);
  return windowFor(clients * GROWTH, rate === 0 ? ACCEPT_RATE_DEFAULT : rate, LOSS_WINDOW_MS_MIN);
}

/** What all routers but this one admit together; undefined where there is none. */
function rateLeft(routers: readonly Counted[], without: string): number | undefined {
  const left = routers.filter((one) => nameOf(one) !== without);
  return left.length === 0 ? undefined : left.reduce((sum, one) => sum + rateOf(one), 0);
}

/** Workers of one router are lost together where it stops, and share its name. */
function nameOf({ router, workerOf }: Counted): string {
  return workerOf?.router ?? router;
}

function rateOf({ acceptRate }: { readonly acceptRate?: number | undefined }): number {
  return acceptRate === undefined || acceptRate <= 0 ? ACCEPT_RATE_DEFAULT : acceptRate;
}
