/** Questions and orders of routers about moves. Owns: what each takes and answers. Does not know: HTTP, or how a room moves.
 *  @see docs/moves.md */
import type { Instant } from '../shared/clock.ts';
import { BellhopError } from '../shared/errors.ts';
import type { NodeCore } from './core.ts';
import { DRAIN_ROOMS_PER_SECOND, type DrainOrder, type DrainStatus } from './drain.ts';
import { heatOf } from './heat.ts';

type Fields = Readonly<Record<string, unknown>>;

const DAY_MS = 86_400_000;
const ROOMS_PER_SECOND_MAX = 10_000;
/** A drain without a deadline has at least so long, and twice as long as it should take. */
const DEADLINE_MIN_MS = 60_000;
const HOT_MAX = 50;

export const MOVE_OPERATIONS = ['drain', 'drain-status', 'undrain', 'moves', 'hot'] as const;
export type MoveOperation = (typeof MOVE_OPERATIONS)[number];

export function isMoveOperation(op: string): op is MoveOperation {
  return (MOVE_OPERATIONS as readonly string[]).includes(op);
}

/** @throws BellhopError bad_request, conflict */
export function answerMoves(
  core: NodeCore,
  op: MoveOperation,
  args: Fields,
  loopDelayMs: number,
  now: Instant,
): unknown {
  switch (op) {
    case 'drain':
      return drain(core, args, now);
    case 'drain-status':
      return core.mover.drainStatus(now) ?? null;
    case 'undrain':
      return undrain(core, byOf(args), now);
    case 'moves':
      return core.mover.status(core.load().rooms);
    case 'hot': {
      const limit = typeof args['limit'] === 'number' ? args['limit'] : 10;
      return { ...heatOf(core.rooms.all(), Math.min(limit, HOT_MAX)), eventLoopDelayMs: loopDelayMs };
    }
    default:
      return op satisfies never;
  }
}

function drain(core: NodeCore, args: Fields, now: Instant): DrainStatus {
  const { mover } = core;
  const order = orderOf(core, args);
  if (args['dryRun'] === true) return mover.planned(order, now);
  const current = mover.drain;
  if (current !== undefined && mover.draining && (current.isUnderWay || current.order.leaves)) {
    const isRepeated =
      current.isSame(order) || (args['deadlineMs'] === undefined && args['roomsPerSecond'] === undefined);
    if (!isRepeated || current.order.leaves !== order.leaves)
      throw new BellhopError('conflict', 'the node is being drained already, with other settings');
    return current.status(now);
  }
  const others = core.view.filter((one) => one.state === 'active' && one.weight > 0 && one.node !== core.node);
  if (others.length === 0)
    throw new BellhopError('conflict', 'there is no other active node that could take its rooms');
  core.drain(now, order);
  return mover.drain?.status(now) ?? mover.planned(order, now);
}

function undrain(core: NodeCore, by: string, now: Instant): DrainStatus | null {
  const { mover } = core;
  if (!mover.draining) return null;
  if (mover.leaves) throw new BellhopError('conflict', 'the node was told to end, and leaves');
  core.undrain(by, now);
  return mover.drainStatus(now) ?? null;
}

function orderOf(core: NodeCore, args: Fields): DrainOrder {
  const roomsPerSecond = numberOf(args, 'roomsPerSecond', 0.1, ROOMS_PER_SECOND_MAX);
  const seconds = core.load().rooms / (roomsPerSecond ?? DRAIN_ROOMS_PER_SECOND);
  const deadlineMs = numberOf(args, 'deadlineMs', 1, DAY_MS) ?? Math.max(DEADLINE_MIN_MS, Math.ceil(seconds * 2_000));
  return {
    deadlineMs: Math.min(DAY_MS, deadlineMs),
    roomsPerSecond: roomsPerSecond ?? (args['deadlineMs'] === undefined ? DRAIN_ROOMS_PER_SECOND : undefined),
    leaves: args['leave'] === true,
    by: byOf(args),
  };
}

function numberOf(args: Fields, key: string, min: number, max: number): number | undefined {
  const value = args[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !(value >= min && value <= max))
    throw new BellhopError('bad_request', `${key} must be a number from ${min} to ${max}`);
  return value;
}

function byOf(args: Fields): string {
  const { by } = args;
  return typeof by === 'string' ? by.slice(0, 64) : 'api';
}
