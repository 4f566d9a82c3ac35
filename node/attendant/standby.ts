/** A node that takes no rooms for a while, since the server it attends is ill. Owns: what it wants to be, and that its rooms are given up.
 *  Does not know: how ill is found out, or how the others are told; a drain is another thing.
 *  Invariant: while it rests it holds no room longer than it takes to give it up.
 *  @see DESIGN §5 Bring your own server */
import type { Hosted } from '../hosted.ts';

export interface StandbyPorts {
  readonly rooms: () => Iterable<Hosted>;
  /** Closes a room for its clients, who may come back at once, and gives it up. */
  readonly giveUp: (hosted: Hosted) => void;
}

export class Standby {
  readonly #ports: StandbyPorts;
  #resting = false;

  constructor(ports: StandbyPorts) {
    this.#ports = ports;
  }

  /** Whether no room is to be claimed now. */
  get isResting(): boolean {
    return this.#resting;
  }

  rest(): void {
    this.#resting = true;
  }

  serve(): void {
    this.#resting = false;
  }

  /** Advances what is due. */
  tick(): void {
    if (!this.#resting) return;
    for (const hosted of [...this.#ports.rooms()]) {
      if (hosted.room !== undefined && hosted.ownership.held !== undefined && !hosted.settling) {
        this.#ports.giveUp(hosted);
      }
    }
  }
}
