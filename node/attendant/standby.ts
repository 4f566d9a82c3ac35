/** A node that takes no rooms for a while, since the server it attends is ill. Owns: what it wants to be, what the others have been
 *  told, and that its rooms are given up. Does not know: how ill is found out; a drain, which ends in leaving, is another thing.
 *  Invariants: while it rests it holds no room longer than it takes to give it up; the others are told again after each
 *  registration, which makes a record `active`.
 *  @see DESIGN §5 Bring your own server */
import { type Args, DirectoryError, type Operation, type Reply } from '../../shared/directory/directory.ts';
import type { Hosted } from '../hosted.ts';

export interface StandbyPorts {
  readonly node: string;
  readonly incarnation: string;
  /** Of the history this node is registered in; undefined while it is in none. */
  readonly runId: () => string | undefined;
  readonly call: <K extends Operation>(
    operation: K,
    args: Args<K>,
    done: (result: Reply<K> | DirectoryError) => void,
  ) => void;
  readonly rooms: () => Iterable<Hosted>;
  /** Closes a room for its clients, who may come back at once, and gives it up. */
  readonly giveUp: (hosted: Hosted) => void;
}

type Word = 'active' | 'draining';

export class Standby {
  readonly #ports: StandbyPorts;
  #resting = false;
  /** What the record says, as far as is known. */
  #told: Word = 'active';
  #telling = false;

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

  /** The record was written anew. */
  registered(): void {
    this.#told = 'active';
  }

  /** Advances what is due.
   *  @param mayTell  false while the record says something else for another reason */
  tick(mayTell: boolean): void {
    if (mayTell) this.#tell();
    if (!this.#resting) return;
    for (const hosted of [...this.#ports.rooms()]) {
      if (hosted.room !== undefined && hosted.ownership.held !== undefined && !hosted.settling) {
        this.#ports.giveUp(hosted);
      }
    }
  }

  #tell(): void {
    const state: Word = this.#resting ? 'draining' : 'active';
    const runId = this.#ports.runId();
    if (this.#telling || state === this.#told || runId === undefined) return;
    this.#telling = true;
    const { node, incarnation, call } = this.#ports;
    call('setState', { node, incarnation, state, runId }, (reply) => {
      this.#telling = false;
      if (!(reply instanceof DirectoryError) && reply.kind === 'ok') this.#told = state;
    });
  }
}
