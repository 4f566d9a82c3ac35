/** A node that is to end without loss: told to the others, rooms handed over one after another, then gone. Owns: the progress of a
 *  drain and its deadline. Does not know: how one room moves (handover.ts).
 *  Invariant: it ends: when no room is left, when nobody else could take one, or at its deadline, and then says what is left. */
import type { Instant } from '../shared/clock.ts';
import type { NodeRecord } from '../shared/directory/directory.ts';
import type { Placement } from '../shared/placement.ts';
import { lists } from '../shared/programs.ts';
import type { Target } from './handover.ts';
import type { Hosted } from './hosted.ts';

const HANDOVERS_AT_ONCE = 16;

export interface DrainPorts {
  readonly incarnation: string;
  readonly placement: Placement;
  /** The other nodes as last read; undefined before the first read. */
  readonly view: () => readonly NodeRecord[] | undefined;
  readonly hosted: () => Iterable<Hosted>;
  readonly underWay: () => number;
  /** Rooms that another node may be handing over to this one right now. */
  readonly promised: (now: Instant) => number;
  readonly isMoving: (room: string) => boolean;
  readonly handOver: (room: string, to: Target, now: Instant) => void;
  /** Writes the state `draining`; calls back whether that was done. */
  readonly tell: (done: (told: boolean) => void) => boolean;
  readonly leave: (roomsLeft: number, untilMs: number, now: Instant) => void;
}

/** After the deadline the node still tries this long to say that it has left. */
const LEAVE_MS = 5_000;

export class Drain {
  readonly #ports: DrainPorts;
  readonly #deadlineMs: number;
  #told: 'no' | 'telling' | 'yes' = 'no';
  #left = false;

  constructor(ports: DrainPorts, deadlineMs: number) {
    this.#ports = ports;
    this.#deadlineMs = deadlineMs;
  }

  tick(now: Instant): void {
    if (this.#left) return;
    const late = now.monoMs >= this.#deadlineMs;
    if (this.#told === 'no' && !late) this.#tell();
    if (this.#told !== 'yes' && !late) return;
    const view = this.#ports.view();
    const others = (view ?? []).filter((one) => one.state === 'active' && one.incarnation !== this.#ports.incarnation);
    let rooms = 0;
    for (const hosted of this.#ports.hosted()) {
      if (hosted.room === undefined && hosted.waiters.length === 0 && hosted.ownership.state.kind === 'none') continue;
      rooms++;
      if (!late && this.#canMove(hosted, now)) this.#move(hosted, others, now);
    }
    const alone = view !== undefined && others.length === 0;
    if (!late && ((rooms > 0 && !alone) || this.#ports.promised(now) > 0)) return;
    this.#left = true;
    this.#ports.leave(rooms, this.#deadlineMs + LEAVE_MS, now);
  }

  #tell(): void {
    this.#told = 'telling';
    const asked = this.#ports.tell((told) => {
      this.#told = told ? 'yes' : 'no';
    });
    if (!asked) this.#told = 'no';
  }

  #canMove(hosted: Hosted, now: Instant): boolean {
    return (
      this.#ports.underWay() < HANDOVERS_AT_ONCE &&
      hosted.ownership.held !== undefined &&
      !hosted.settling &&
      !this.#ports.isMoving(hosted.name) &&
      now.monoMs >= hosted.retryHandoverAtMs
    );
  }

  #move(hosted: Hosted, others: readonly NodeRecord[], now: Instant): void {
    const able = others.filter((one) => lists(one, hosted.name, hosted.program));
    const first = this.#ports.placement.first(hosted.name, able);
    const to = able.find((one) => one.node === first);
    if (to === undefined) return;
    this.#ports.handOver(hosted.name, { node: to.node, incarnation: to.incarnation, address: to.link }, now);
  }
}
