/** What befalls nodes: SIGKILL, SIGSTOP, a drain, and one that is added. Owns: these four acts. */
import { pause, until } from '../../scenarios/wait.ts';
import type { Stage } from '../stage.ts';
import { type Nemesis, UNTIL_NEXT_OWNER } from './nemesis.ts';

/** Bound of a drain, and of a woken node's end. */
const END_BOUND_MS = 30_000;
/** What a rebalancing of some hundred rooms takes at most. */
const REBALANCE_BOUND_MS = 20_000;
const STEADY_MS = 750;

/** SIGKILL. Where the stage has proof, the process is certified when it was reaped, as its supervisor does. */
export const kill: Nemesis = {
  name: 'kill',
  says: 'SIGKILL of a node',
  measures: UNTIL_NEXT_OWNER,
  async strike(stage) {
    const id = await owningNode(stage);
    const rooms = await stage.roomsOf(id);
    const process = stage.cluster.node(id);
    const what = `kill -9 ${id}`;
    const atMs = stage.begin(what);
    stage.signal(process, 'SIGKILL');
    const isProved = stage.options.proof === 'supervisor';
    if (isProved) await stage.certify(process);
    const figures = isProved ? { certifiedMs: Math.round(stage.now() - atMs) } : {};
    return { what, rooms, by: 'next-owner', figures: () => figures, repair: () => stage.startNode(id) };
  },
};

/** SIGSTOP, then SIGCONT: of one of its rooms every frame that leaves the node is written down. */
export function freeze(fromMs: number, toMs: number): Nemesis {
  return {
    name: `stop ${fromMs / 1_000}–${toMs / 1_000} s`,
    says: `SIGSTOP of a node for ${fromMs / 1_000} to ${toMs / 1_000} s, then SIGCONT`,
    measures: UNTIL_NEXT_OWNER,
    async strike(stage) {
      const id = await owningNode(stage);
      const rooms = await stage.roomsOf(id);
      const process = stage.cluster.node(id);
      const endListening = await stage.listen(id, stage.pick(rooms)).catch(() => undefined);
      const ms = stage.between(fromMs, toMs);
      const what = `SIGSTOP ${id} for ${ms} ms`;
      const atMs = stage.begin(what);
      stage.signal(process, 'SIGSTOP');
      await until(
        'its rooms have a next owner',
        () => stage.load.watchesOf(rooms).every(({ nextOwnerMs }) => nextOwnerMs !== undefined),
        ms,
      ).catch(() => undefined);
      await pause(Math.max(0, ms - (stage.now() - atMs)));
      stage.signal(process, 'SIGCONT');
      // A superseded node learns of it and ends; one that slept for less than `dead` may go on.
      const exit = await Promise.race([process.exited, pause(1_500).then(() => undefined)]);
      endListening?.();
      // A room alone may have moved as planned.
      const isSuperseded = stage.load.watchesOf(rooms).every(({ nextOwnerMs }) => nextOwnerMs !== undefined);
      const late = exit ?? (isSuperseded ? await Promise.race([process.exited, pause(END_BOUND_MS)]) : undefined);
      const wrong =
        isSuperseded && late?.code !== 3 ? [`${what}: it ended with ${late?.code ?? late?.signal ?? 'nothing'}`] : [];
      return {
        what,
        rooms,
        by: isSuperseded ? 'next-owner' : 'next-message',
        wrong: endListening === undefined ? [...wrong, `${what}: nobody listened on its link`] : wrong,
        repair: async () => {
          if (process.exit !== undefined) await stage.startNode(id);
        },
      };
    },
  };
}

/** SIGTERM: it hands over all it has and ends with 0. It stays away until a node is added. */
export const drain: Nemesis = {
  name: 'drain',
  says: 'SIGTERM to a node: it hands its rooms over and ends',
  measures: 'last message of the one owner → first of the next, per room',
  async strike(stage) {
    const id = await owningNode(stage);
    const rooms = await stage.roomsOf(id);
    const process = stage.cluster.node(id);
    const what = `drain ${id}`;
    stage.begin(what);
    stage.signal(process, 'SIGTERM');
    stage.nodes.delete(id);
    const exit = await Promise.race([process.exited, pause(END_BOUND_MS)]);
    const how = exit === undefined ? 'nothing' : (exit.code ?? exit.signal);
    const wrong = how === 0 ? [] : [`${what}: it ended with ${how}`];
    return { what, rooms, by: 'handover', wrong, pausesMs: () => stage.handoverPauses() };
  },
};

/** A node starts under load; rooms may move to it. */
export const add: Nemesis = {
  name: 'add',
  says: 'a node is added',
  measures: 'last message of the one owner → first of the next, per room that moved',
  async strike(stage) {
    const id = [...stage.cluster.nodes.keys()].find((known) => !stage.nodes.has(known)) ?? 'n1';
    const what = `add ${id}`;
    stage.begin(what);
    await stage.startNode(id);
    return { what, rooms: await steadyRooms(stage, id), by: 'handover', pausesMs: () => stage.handoverPauses() };
  },
};

/** The rooms that moved since the mark to a node that was added, once their number stays the same. */
async function steadyRooms(stage: Stage, id: string): Promise<string[]> {
  const untilMs = stage.now() + REBALANCE_BOUND_MS;
  let before: string[] = [];
  do {
    await pause(STEADY_MS);
    const rooms = await stage.roomsOf(id);
    if (rooms.length === before.length) return rooms;
    before = rooms;
  } while (stage.now() < untilMs);
  return before;
}

/** The next node in turn that owns a room. */
async function owningNode(stage: Stage): Promise<string> {
  return until('some node owns a room', async () => {
    const id = stage.nextNode();
    return (await stage.roomsOf(id)).length > 0 ? id : undefined;
  });
}
