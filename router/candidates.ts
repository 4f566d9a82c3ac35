/** Which node is asked first for a room that nobody owns. Owns: who can be asked, and placement's choice among them. Does not know:
 *  why the room has no owner. */

import { isAttendedProgram } from '../shared/attended.ts';
import type { NodeRecord } from '../shared/directory/directory.ts';
import type { Placement } from '../shared/placement.ts';
import { lists, programOf } from '../shared/programs.ts';
import type { Membership } from './membership.ts';
import type { Holder } from './route.ts';

/** Active nodes that list the room's program: the ones that placement ranks. */
export function ableNodes(membership: Membership, room: string): NodeRecord[] {
  const { nodes } = membership;
  const program = programOf(nodes, room);
  return program === undefined ? [] : nodes.filter((one) => one.state === 'active' && lists(one, room, program));
}

/** Whether the room is one of a server that an attendant stands for. */
export function isAttended({ nodes }: Membership, room: string): boolean {
  // Most clusters have no attendant: then nothing is matched.
  if (!nodes.some((one) => one.attends !== undefined)) return false;
  const program = programOf(nodes, room);
  return program !== undefined && isAttendedProgram(program);
}

/** The node that the room is pinned to, or the first candidate by bounded load: active, linked here, running the room's program, not to be avoided.
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
  const able = ableNodes(membership, room).filter((one) => isLinked(one.incarnation) && avoid?.has(one.node) !== true);
  const pinned = membership.pin(room)?.node;
  const loaded = able.map(({ node, weight }) => ({ node, weight, load: membership.roomsAt(node) }));
  const chosen = able.some(({ node }) => node === pinned) ? pinned : placement.choose(room, loaded);
  const to = able.find((one) => one.node === chosen);
  return to && { node: to.node, incarnation: to.incarnation };
}
