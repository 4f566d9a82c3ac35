/** Whether a client's socket is read from. Owns: the two reasons not to, and that a socket is read again once neither holds. Does not
 *  know: sockets, links, what the frames say.
 *
 *  A client is paused while too much of its own is not acked, and held while much waits for the node that has its room: what it says
 *  then stays in its socket, and in the network behind it.
 *  Invariant: who is held is let go when that node's link eases or is lost, when it is seated elsewhere, or when it goes.
 *  @see DESIGN §5 */
import type { ClientOutput } from './ports.ts';
import type { Holder, Route } from './route.ts';
import type { ClientSession } from './session.ts';

export class Reading {
  readonly #ports: Pick<ClientOutput, 'setReading'>;
  /** Incarnations for which much waits. */
  readonly #pressed = new Set<string>();
  /** Sessions held, and on whose account. */
  readonly #held = new Map<ClientSession, string>();

  constructor(ports: Pick<ClientOutput, 'setReading'>) {
    this.#ports = ports;
  }

  /** A frame of the client was taken. */
  taken(session: ClientSession): void {
    if (!session.full || session.paused) return;
    session.paused = true;
    if (!this.#held.has(session)) this.#ports.setReading(session.handle, false);
  }

  /** Some of its frames were acked. */
  acked(session: ClientSession): void {
    if (!session.paused || !session.low) return;
    session.paused = false;
    if (!this.#held.has(session)) this.#ports.setReading(session.handle, true);
  }

  seated(session: ClientSession, at: Holder): void {
    if (this.#pressed.has(at.incarnation)) this.#hold(session, at.incarnation);
    else this.#letGo(session);
  }

  /** Much waits for this node: its clients are not read from. @param routes  all there are */
  pressed(at: Holder, routes: Iterable<Route>): void {
    this.#pressed.add(at.incarnation);
    for (const route of routes) {
      if (route.state.kind !== 'bound' || route.state.at.incarnation !== at.incarnation) continue;
      for (const session of route.sessions.values()) {
        if (session.state === 'seated') this.#hold(session, at.incarnation);
      }
    }
  }

  /** Little is left of it, or the link is lost with it. */
  eased(at: Holder): void {
    if (!this.#pressed.delete(at.incarnation)) return;
    for (const [session, incarnation] of [...this.#held]) if (incarnation === at.incarnation) this.#letGo(session);
  }

  forget(session: ClientSession): void {
    this.#held.delete(session);
  }

  #hold(session: ClientSession, incarnation: string): void {
    const wasHeld = this.#held.has(session);
    this.#held.set(session, incarnation);
    if (!wasHeld && !session.paused) this.#ports.setReading(session.handle, false);
  }

  #letGo(session: ClientSession): void {
    if (this.#held.delete(session) && !session.paused) this.#ports.setReading(session.handle, true);
  }
}
