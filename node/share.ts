/** What part of the rooms is a node's. Owns: that sum. Does not know: which rooms, or who moves them. */
import type { NodeRecord } from '../shared/directory/directory.ts';

/** Weight of an incarnation over that of all active nodes, 0 to 1; 0 where it is not among them. Programs that only some nodes list shift
 *  what a node really gets: this is what is true of rooms that each could take. */
export function shareOf(nodes: readonly NodeRecord[], incarnation: string): number {
  let own = 0;
  let all = 0;
  for (const node of nodes) {
    if (node.state !== 'active') continue;
    all += node.weight;
    if (node.incarnation === incarnation) own = node.weight;
  }
  return all === 0 ? 0 : own / all;
}
