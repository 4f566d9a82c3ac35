/** Which program a room runs. It follows from the room's name and from what all nodes of the cluster list, so that every process
 *  comes to the same answer. Owns: that rule. Does not know: what a program is.
 *  Invariant: a room whose most specific pattern is listed by one node alone is never run as something else by another, also not
 *  once that node is dead: its record still says what the room is.
 *  @see DESIGN §1 program */
import type { NodeRecord } from './directory/directory.ts';
import { matchesPattern } from './ids.ts';

/** What a node lists: rooms whose names match `pattern` run `program` there. */
export interface ProgramListing {
  readonly pattern: string;
  readonly program: string;
}

/** The listing that a room's name calls for: of those that match, the one with the most characters that are not `*`.
 *  @returns undefined when none matches */
export function listingFor<L extends ProgramListing>(listings: Iterable<L>, room: string): L | undefined {
  let best: L | undefined;
  for (const listing of listings) {
    if (matchesPattern(listing.pattern, room) && (best === undefined || isMoreSpecific(listing, best))) best = listing;
  }
  return best;
}

/** The program of a room, by what all nodes list, whatever state they are in. */
export function programOf(nodes: Iterable<Pick<NodeRecord, 'programs'>>, room: string): string | undefined {
  let best: ProgramListing | undefined;
  for (const { programs } of nodes) {
    const own = listingFor(programs, room);
    if (own !== undefined && (best === undefined || isMoreSpecific(own, best))) best = own;
  }
  return best?.program;
}

/** Whether a node would run the room as `program`. */
export function lists(node: Pick<NodeRecord, 'programs'>, room: string, program: string): boolean {
  return node.programs.some((one) => one.program === program && matchesPattern(one.pattern, room));
}

function isMoreSpecific(a: ProgramListing, b: ProgramListing): boolean {
  const difference = literals(a.pattern) - literals(b.pattern);
  if (difference !== 0) return difference > 0;
  return a.pattern === b.pattern ? a.program < b.program : a.pattern < b.pattern;
}

function literals(pattern: string): number {
  return pattern.replaceAll('*', '').length;
}
