/** Which node holds which rooms, for whoever looks at all of them. Owns: the listing of every node, page by page, and its short form.
 *  Does not know: who looks, when.
 *  Bounds: so many rooms in all, so many pages at once; a listing takes nodes no more than a small share of their time, however many
 *  rooms there are (`restMs`). */

import type { ApiPorts } from '../api-ports.ts';
import { askEach } from '../ask.ts';
import { isLiving } from '../membership.ts';
import { readRooms } from '../node-answers.ts';

const ROOMS_MAX = 100_000;
const PAGE = 1_000;
const PAGE_MS = 2_000;
const LISTING_MS = 30_000;
const REST_MS_MIN = 5_000;
/** Of a listing's own time. */
const REST_FACTOR = 20;

/** Room names of each node, sorted, each as the number of characters that it shares with the one before and what follows them. */
export interface RoomMap {
  readonly nodes: Readonly<Record<string, readonly (number | string)[]>>;
  /** Nodes that could not be asked, or not to the end. */
  readonly incomplete: readonly string[];
}

/** Asks every node for the names of its rooms.
 *  @returns the map, and how long nodes are to be left alone now */
export async function listRoomMap(
  ports: Pick<ApiPorts, 'nodes' | 'callNode'>,
  nowMs: () => number,
): Promise<{ readonly map: RoomMap; readonly restMs: number }> {
  const began = nowMs();
  const nodes = ports
    .nodes()
    .filter(({ record }) => isLiving(record))
    .map(({ record }) => record.node);
  const each = Math.max(PAGE, Math.floor(ROOMS_MAX / Math.max(1, nodes.length)));
  const cut: string[] = [];
  const answers = await askEach(
    nodes,
    async (node) => {
      const names: string[] = [];
      let cursor: string | undefined;
      do {
        const asked = { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) };
        const { rooms, next } = readRooms(await ports.callNode(node, 'rooms', asked, PAGE_MS));
        for (const { room } of rooms) names.push(room);
        cursor = next;
      } while (cursor !== undefined && names.length < each);
      if (cursor !== undefined) cut.push(node);
      return names;
    },
    LISTING_MS,
  );
  const map: RoomMap = {
    nodes: Object.fromEntries(answers.flatMap((one) => (one.ok ? [[one.item, shortened(one.value)]] : []))),
    incomplete: [...answers.flatMap((one) => (one.ok ? [] : [one.item])), ...cut],
  };
  return { map, restMs: Math.max(REST_MS_MIN, (nowMs() - began) * REST_FACTOR) };
}

export function shortened(sorted: readonly string[]): (number | string)[] {
  const short: (number | string)[] = [];
  let before = '';
  for (const name of sorted) {
    let shared = 0;
    while (shared < before.length && before[shared] === name[shared]) shared++;
    short.push(shared, name.slice(shared));
    before = name;
  }
  return short;
}
