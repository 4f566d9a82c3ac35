/** Who is present, counted in every way the API offers. Owns: asking until all ways agree, for a bounded time: presence is written
 *  behind, and what nodes and routers tell of themselves is a poll old. */
import { setTimeout as sleep } from 'node:timers/promises';
import { askApi } from '../bellhop-cluster.ts';

export interface PresenceCount {
  /** Rooms whose presence counts as many as joined. */
  readonly roomsRight: number;
  /** Sessions of all rooms together, by the list of rooms; by what the nodes say; by what the routers say. */
  readonly listed: number;
  readonly byNodes: number;
  readonly byRouters: number;
  /** Until all were right, or the asking ended. */
  readonly seconds: number;
}

const ASKED_AT_ONCE = 16;
const PATIENCE_MS = 60_000;
const PAUSE_MS = 1_000;
const PAGE = 1_000;

/** @param ports  of routers; they are asked in turn */
export async function countPresence(ports: readonly number[], rooms: number, members: number): Promise<PresenceCount> {
  const since = performance.now();
  const wrong = new Set(Array.from({ length: rooms }, (_, i) => i));
  for (;;) {
    for (const room of await nowRight(ports, wrong, members)) wrong.delete(room);
    const [port = 0] = ports;
    const totals = {
      listed: await listed(port),
      byNodes: await summed(port, 'nodes'),
      byRouters: await summed(port, 'routers'),
    };
    const elapsed = performance.now() - since;
    const all = rooms * members;
    const isRight = wrong.size === 0 && Object.values(totals).every((count) => count === all);
    if (isRight || elapsed > PATIENCE_MS)
      return { roomsRight: rooms - wrong.size, ...totals, seconds: elapsed / 1_000 };
    await sleep(PAUSE_MS);
  }
}

/** @returns the rooms that are right now */
async function nowRight(ports: readonly number[], rooms: ReadonlySet<number>, members: number): Promise<number[]> {
  const queue = [...rooms];
  const right: number[] = [];
  const ask = async (): Promise<void> => {
    for (let room = queue.pop(); room !== undefined; room = queue.pop()) {
      const { count } = await askApi(ports[room % ports.length] ?? 0, `/api/v1/rooms/b${room}/presence`);
      if (count === members) right.push(room);
    }
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, ask));
  return right;
}

async function listed(port: number): Promise<number> {
  let sum = 0;
  let cursor: unknown;
  do {
    const after = typeof cursor === 'string' ? `&cursor=${encodeURIComponent(cursor)}` : '';
    const page = await askApi(port, `/api/v1/rooms?limit=${PAGE}${after}`);
    sum += sessionsOf(page['rooms']);
    cursor = page['next'];
  } while (typeof cursor === 'string');
  return sum;
}

async function summed(port: number, what: 'nodes' | 'routers'): Promise<number> {
  return sessionsOf((await askApi(port, `/api/v1/${what}`))[what]);
}

function sessionsOf(list: unknown): number {
  if (!Array.isArray(list)) throw new Error('the API lists nothing');
  return list.reduce((sum: number, { sessions }: { readonly sessions: number }) => sum + sessions, 0);
}
