/** How long a room that was handed over stood still: from its last owner's taking no more to the first word that waited being logged
 *  here. Owns: that measure. Does not know: rooms. Two machines' clocks are not compared: the owner says how long it took until it had
 *  named this node, and what follows is measured here; the way of that message is not in it.
 *  Where nothing waited, it ends with the first seat. Told once. */
import type { NodePorts } from './ports.ts';

export class HandoverPause {
  readonly #ownersMs: number;
  readonly #sinceMs: number;
  readonly #over: (totalMs: number) => void;
  #seatedMs: number | undefined;
  #state: 'open' | 'awaited' | 'over' = 'open';

  /** @param ownersMs  until this node was named
   *  @param nowMs  when it heard of that, monotonic */
  constructor(ownersMs: number, nowMs: number, over: (totalMs: number) => void) {
    this.#ownersMs = ownersMs;
    this.#sinceMs = nowMs;
    this.#over = over;
  }

  seated(nowMs: number): void {
    this.#seatedMs ??= nowMs;
  }

  /** The first frame was taken. @param waited  the last owner may have had it, and did not take it */
  took(waited: boolean): void {
    if (this.#state !== 'open') return;
    if (waited) this.#state = 'awaited';
    else this.#end(this.#seatedMs ?? this.#sinceMs);
  }

  /** Something was logged. */
  logged(nowMs: number): void {
    if (this.#state === 'awaited') this.#end(nowMs);
  }

  #end(atMs: number): void {
    this.#state = 'over';
    this.#over(this.#ownersMs + atMs - this.#sinceMs);
  }
}

/** That of a room, told as a metric and in the log. */
export function pauseOf(
  room: string,
  ownersMs: number,
  nowMs: number,
  { observe, log }: Pick<NodePorts, 'observe' | 'log'>,
): HandoverPause {
  return new HandoverPause(ownersMs, nowMs, (ms) => {
    observe('handover_ms', ms);
    log('handover is over', { room, pausedMs: ms });
  });
}
