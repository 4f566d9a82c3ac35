/** Which node is asked first for a room that nobody owns. Owns: who can be asked, and placement's choice among them. Does not know:
 *  why the room has no owner. */
import { matchesPattern } from '../shared/ids.ts';
import type { Placement } from '../shared/placement.ts';
import type { Membership } from './membership.ts';
import type { Holder } from './route.ts';

/** Whether a node lists the room's program. */
export function runsProgram(membership: Membership, node: string, room: string): boolean {
  return membership.node(node)?.programs.some(({ pattern }) => matchesPattern(pattern, room)) ?? false;
}

/** The first candidate by bounded load: active, linked here, running the room's program, not to be avoided.
 *  @returns undefined when there is none */
export function firstCandidate(
  room: string,
  cluster: {
    readonly membership: Membership;
    readonly placement: Placement;
    readonly isLinked: (incarnation: string) => boolean;
    readonly avoid?: ReadonlySet<string>;
  },
): Holder | undefined {
  const { membership, placement, isLinked, avoid } = cluster;
  const able = membership.nodes.filter(
    (one) =>
      one.state === 'active' &&
      isLinked(one.incarnation) &&
      avoid?.has(one.node) !== true &&
      runsProgram(membership, one.node, room),
  );
  const loaded = able.map(({ node, weight }) => ({ node, weight, load: membership.beat(node)?.load.rooms ?? 0 }));
  const chosen = placement.choose(room, loaded);
  const to = able.find((one) => one.node === chosen);
  return to && { node: to.node, incarnation: to.incarnation };
}
