/** How a node leaves whose rooms are gone, or that cannot wait for them: it lets go of them, has routers hear of it, and says in Redis
 *  that it has left. Owns: that order, and when it is given up. Does not know: drains, rooms.
 *  Invariant: the node ends once, soon after `untilMs` at the latest. */
import type { Instant } from '../shared/clock.ts';
import { type Args, DirectoryError, type Reply } from '../shared/directory/directory.ts';
import { Farewell } from './farewell.ts';
import type { NodePorts } from './ports.ts';

export interface LeavingPorts extends Pick<NodePorts, 'afterHandedOver' | 'ping'> {
  readonly self: { readonly node: string; readonly incarnation: string };
  readonly now: () => Instant;
  /** Of the history in force; undefined before the first answer of Redis. */
  readonly runId: () => string | undefined;
  /** Links to routers. */
  readonly routers: () => readonly number[];
  /** Lets go of every room there is, and points its routers on. */
  readonly dropRooms: () => void;
  readonly leave: (args: Args<'leave'>, done: (reply: Reply<'leave'> | DirectoryError) => void) => void;
  readonly isEnded: () => boolean;
  readonly end: () => void;
}

export class Leaving {
  readonly #ports: LeavingPorts;
  readonly #farewell: Farewell;

  /** @param untilMs  when it is not tried any more to say so, monotonic */
  constructor(ports: LeavingPorts, untilMs: number) {
    this.#ports = ports;
    ports.dropRooms();
    this.#farewell = new Farewell(ports, ports.routers(), ports.now, (at) => this.#sayLeft(at, untilMs));
  }

  /** See Farewell. */
  answered(link: number, askedAt: Instant, now: Instant): void {
    this.#farewell.answered(link, askedAt, now);
  }

  linkDown(link: number, now: Instant): void {
    this.#farewell.linkDown(link, now);
  }

  tick(now: Instant): void {
    this.#farewell.tick(now);
  }

  #sayLeft(now: Instant, untilMs: number): void {
    const { self, runId: ofRun, dropRooms, leave, isEnded, end } = this.#ports;
    if (isEnded()) return;
    const runId = ofRun();
    // One that was handed over to it meanwhile.
    dropRooms();
    if (runId === undefined || now.monoMs >= untilMs) return end();
    leave({ node: self.node, incarnation: self.incarnation, runId }, (reply) => {
      const at = this.#ports.now();
      if (!(reply instanceof DirectoryError) || at.monoMs >= untilMs) return end();
      // Only an unanswered question is worth another; each takes the whole time-out.
      this.#sayLeft(at, reply.code === 'timeout' ? untilMs : at.monoMs);
    });
  }
}
