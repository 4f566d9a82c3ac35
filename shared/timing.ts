/** Every period of the ownership protocol, what happens at its end, and the relations between them that make it safe.
 *  Owns: the numbers. They are checked when a process starts and again when it joins others with their own numbers.
 *  @see DESIGN §4 Timings */

export interface Timings {
  /** A node renews its lease this often. */
  readonly heartbeatMs: number;
  /** A directory command unanswered for this long counts as failed; its outcome is unknown. */
  readonly commandTimeoutMs: number;
  /** Longest time between two attempts to reach Redis, connecting included. */
  readonly reconnectMs: number;
  /** A router reads all heartbeat counters this often. */
  readonly pollMs: number;
  /** A node whose last renewal was sent this long ago shuts its gate: nothing that Redis does not fence leaves it. */
  readonly fenceMs: number;
  /** A router that saw one counter stand still for this long certifies the incarnation as dead. */
  readonly deadMs: number;
  /** After meeting another history of Redis, a claim of a room not held under an unbroken lease waits this long. */
  readonly graceMs: number;
  /** A router trusts where it last found a room for this long. */
  readonly routeCacheMs: number;
}

export const DEFAULT_TIMINGS: Timings = {
  heartbeatMs: 250,
  commandTimeoutMs: 400,
  reconnectMs: 500,
  pollMs: 250,
  fenceMs: 1_500,
  deadMs: 2_600,
  graceMs: 2_600,
  routeCacheMs: 10_000,
};

/** An islanded node shuts its gate this long after its last renewal, whatever routers answer. A router that came after that renewal
 *  cannot know that it is among those who are asked: it waits this out. The same in every process, hence no option. */
export const ISLAND_MS = 300_000;

/** Time allowed between a gate check and the moment the checked bytes are on the wire. */
const CHECK_TO_WIRE_MS = 1_000;
/** Two machines' monotonic clocks may run apart by this factor. */
const CLOCK_RATE_SLACK = 1.02;

/** Shortest `dead` with which an observer may certify a node whose fence is `fenceMs`: by then its gate is shut, and what
 *  had passed the gate is on the wire. */
export function deadFloorMs(fenceMs: number): number {
  return fenceMs * CLOCK_RATE_SLACK + CHECK_TO_WIRE_MS;
}

/** Says which relations between the periods do not hold, one sentence each; empty when all hold. */
export function brokenRelations(t: Timings): string[] {
  const broken: string[] = [];
  for (const [name, value] of Object.entries(t)) {
    if (!Number.isFinite(value) || value <= 0) broken.push(`${name} must be a positive number of milliseconds`);
  }
  const demand = (holds: boolean, sentence: string) => {
    if (!holds) broken.push(sentence);
  };
  demand(
    t.deadMs >= deadFloorMs(t.fenceMs),
    `deadMs (${t.deadMs}) must be at least fenceMs × ${CLOCK_RATE_SLACK} + ${CHECK_TO_WIRE_MS} (${deadFloorMs(t.fenceMs)}): a node must be silent before it can be declared dead`,
  );
  demand(
    t.fenceMs >= 2 * t.heartbeatMs + t.commandTimeoutMs,
    `fenceMs (${t.fenceMs}) must be at least 2 × heartbeatMs + commandTimeoutMs: one lost heartbeat must not suspend a node`,
  );
  demand(
    t.deadMs >= t.reconnectMs + 2 * t.commandTimeoutMs + t.heartbeatMs + 500,
    `deadMs (${t.deadMs}) must be at least reconnectMs + 2 × commandTimeoutMs + heartbeatMs + 500: a reconnect must not kill a node`,
  );
  demand(t.graceMs >= t.deadMs, `graceMs (${t.graceMs}) must be at least deadMs (${t.deadMs})`);
  return broken;
}

/** Timings that one process publishes for the others to check. */
export interface PublishedTimings {
  readonly fenceMs: number;
  readonly deadMs: number;
}

/** Says why a process with `mine` may not join a cluster in which others live with `theirs`, or undefined when it may.
 *  Both directions are checked, so that the periods can be changed by a rolling restart. */
export function incompatibleTimings(mine: PublishedTimings, theirs: readonly PublishedTimings[]): string | undefined {
  for (const other of theirs) {
    if (mine.deadMs < deadFloorMs(other.fenceMs)) {
      return `deadMs (${mine.deadMs}) is too short for a living node's fenceMs (${other.fenceMs}): it must be at least ${deadFloorMs(other.fenceMs)}`;
    }
    if (other.deadMs < deadFloorMs(mine.fenceMs)) {
      return `fenceMs (${mine.fenceMs}) is too long for a living observer's deadMs (${other.deadMs}): its deadMs would have to be at least ${deadFloorMs(mine.fenceMs)}`;
    }
  }
  return undefined;
}
