/** Partitions: one process cut from Redis, one router from one node; both ways, one way, or slow. Owns: these acts. Needs a stage whose
 *  ways lead through proxies. No client's socket may close by any of them. */
import { pause } from '../../scenarios/wait.ts';
import type { Fault, FaultProxy } from '../fault-proxy.ts';
import type { Stage } from '../stage.ts';
import { LONGEST_SILENCE, type Nemesis, type Struck } from './nemesis.ts';

type Shape = 'both ways' | 'towards' | 'back' | 'cut' | 'slow';

const SHAPES: readonly Shape[] = ['both ways', 'towards', 'back', 'cut', 'slow'];

const FAULTS: Readonly<Record<Shape, Fault>> = {
  'both ways': { kind: 'hold', up: true, down: true },
  towards: { kind: 'hold', up: true, down: false },
  back: { kind: 'hold', up: false, down: true },
  cut: { kind: 'cut' },
  slow: { kind: 'delay', ms: 150 },
};

function proxiesOf(stage: Stage) {
  if (stage.network === undefined) throw new Error('a partition needs proxies');
  return stage.network;
}

async function during(proxy: FaultProxy | undefined, fault: Fault, only: string, ms: number): Promise<void> {
  if (proxy === undefined) throw new Error('there is no such way');
  proxy.fail(fault, only);
  await pause(ms);
  proxy.heal();
}

/** A node without Redis: it may fall silent, be certified and end. */
export function nodeFromRedis(fromMs: number, toMs: number): Nemesis {
  return {
    name: 'node ⊘ Redis',
    says: `a node is cut from Redis for ${fromMs / 1_000} to ${toMs / 1_000} s, in every direction`,
    measures: LONGEST_SILENCE,
    async strike(stage) {
      const id = stage.nextNode();
      const rooms = await stage.roomsOf(id);
      const shape = stage.pick(SHAPES);
      const ms = stage.between(fromMs, toMs);
      const what = `${id} ⊘ Redis (${shape}) for ${ms} ms`;
      stage.begin(what);
      stage.endangers(id);
      await during(proxiesOf(stage).toRedis.get(id), FAULTS[shape], '', ms);
      return { what, rooms, by: 'silence' };
    },
  };
}

export function routerFromRedis(fromMs: number, toMs: number): Nemesis {
  return {
    name: 'router ⊘ Redis',
    says: `a router is cut from Redis for ${fromMs / 1_000} to ${toMs / 1_000} s, in every direction`,
    measures: LONGEST_SILENCE,
    async strike(stage) {
      const { id } = stage.pick(stage.load.routers);
      const shape = stage.pick(SHAPES);
      const ms = stage.between(fromMs, toMs);
      const what = `${id} ⊘ Redis (${shape}) for ${ms} ms`;
      stage.begin(what);
      await during(proxiesOf(stage).toRedis.get(id), FAULTS[shape], '', ms);
      return { what, rooms: stage.load.rooms, by: 'silence' };
    },
  };
}

/** The link of one router to one node: the router's clients hear nothing of that node's rooms, and must miss nothing. */
export function routerFromNode(fromMs: number, toMs: number): Nemesis {
  return {
    name: 'router ⊘ node',
    says: `a router is cut from a node for ${fromMs / 1_000} to ${toMs / 1_000} s, in every direction`,
    measures: LONGEST_SILENCE,
    async strike(stage): Promise<Struck> {
      const node = stage.nextNode();
      const { id } = stage.pick(stage.load.routers);
      const rooms = await stage.roomsOf(node);
      const shape = stage.pick(SHAPES);
      const ms = stage.between(fromMs, toMs);
      const what = `${id} ⊘ ${node} (${shape}) for ${ms} ms`;
      stage.begin(what);
      // A link's first frame names who dials.
      await during(proxiesOf(stage).toNode.get(node), FAULTS[shape], `"${id}"`, ms);
      return { what, rooms, by: 'silence' };
    },
  };
}
