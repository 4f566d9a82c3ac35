/** When other nodes were drained last, as this node read it. Owns: one stretch of time for each node. Does not know: rooms.
 *  What a drained node hands to this one comes within its stretch, or a moment before this one has read of it; and no other node moves
 *  rooms meanwhile, pins aside.
 *  Invariant: no more nodes than the cluster lists. */
import type { NodeRecord } from '../shared/directory/directory.ts';

/** A node reads the others' states about once a second; and what was begun at the end of a drain arrives a little later. */
const SLACK_MS = 2_000;

interface Stretch {
  readonly sinceMs: number;
  /** When it was first read not to be drained any more; undefined while it is. */
  endedMs: number | undefined;
}

export class DrainTimes {
  readonly #times = new Map<string, Stretch>();

  /** The cluster was read. */
  saw(nodes: readonly Pick<NodeRecord, 'node' | 'state'>[], nowMs: number): void {
    const listed = new Set<string>();
    for (const { node, state } of nodes) {
      listed.add(node);
      const last = this.#times.get(node);
      if (state !== 'draining') {
        if (last !== undefined) last.endedMs ??= nowMs;
      } else if (last === undefined || last.endedMs !== undefined) {
        this.#times.set(node, { sinceMs: nowMs, endedMs: undefined });
      }
    }
    for (const node of this.#times.keys()) if (!listed.has(node)) this.#times.delete(node);
  }

  /** Whether the node was being drained at that moment. */
  covers(node: string, atMs: number): boolean {
    const stretch = this.#times.get(node);
    if (stretch === undefined || atMs < stretch.sinceMs - SLACK_MS) return false;
    return stretch.endedMs === undefined || atMs <= stretch.endedMs + SLACK_MS;
  }
}
