/** A drain as the API tells it: read, shown, and followed to its end. Owns: the wording of a plan and of progress, and when there is
 *  nothing more to wait for. Does not know: flags. */
import { type ApiClient, segment } from './api-client.ts';
import type { Cli } from './cli.ts';
import { Failure } from './failure.ts';
import { type Fields, fieldsOf, numberOf, textOf } from './fields.ts';
import { type Line, styled } from './text.ts';
import { count, many, span } from './units.ts';

export interface Drain {
  readonly node: string;
  readonly state: string;
  readonly why: string | undefined;
  readonly rooms: number;
  readonly moved: number;
  readonly left: number;
  readonly failed: number;
  readonly pauseP99Ms: number | undefined;
  readonly estimateMs: number | undefined;
  readonly roomsPerSecond: number | undefined;
  readonly startedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly deadlineAt: number | undefined;
  readonly targets: readonly (readonly [node: string, rooms: number])[];
}

const POLL_MS = 250;
/** On something that is no terminal a line is written this often, if anything changed. */
const LINE_EVERY_MS = 2_000;
/** Questions in a row that may go unanswered: routers may be restarted meanwhile. */
const SILENCE_MS = 30_000;
const BAR_COLUMNS = 24;
const NOTHING_CHANGED = 'Nothing was changed.';

export function readDrain(body: unknown): Drain {
  const drain = fieldsOf(body);
  const optional = (name: string) => numberOf(drain[name]);
  return {
    node: textOf(drain['node']),
    state: textOf(drain['state']),
    why: typeof drain['why'] === 'string' ? drain['why'] : undefined,
    rooms: optional('rooms') ?? 0,
    moved: optional('moved') ?? 0,
    left: optional('left') ?? 0,
    failed: optional('failed') ?? 0,
    pauseP99Ms: optional('pauseP99Ms'),
    estimateMs: optional('estimateMs'),
    roomsPerSecond: optional('roomsPerSecond'),
    startedAt: optional('startedAt'),
    endedAt: optional('endedAt'),
    deadlineAt: optional('deadlineAt'),
    targets: Object.entries(fieldsOf(drain['targets'])).map(([node, rooms]) => [node, numberOf(rooms) ?? 0]),
  };
}

/** What a drain would do. */
export function renderPlan(drain: Drain): Line[] {
  const { node, rooms, targets, estimateMs, roomsPerSecond } = drain;
  if (rooms === 0) return [[styled('bold', node), ' holds no room: there is nothing to hand over.'], NOTHING_CHANGED];
  const pace = roomsPerSecond === undefined ? '' : ` at ${count(roomsPerSecond)} rooms/s`;
  return [
    [styled('bold', node), ` would hand over ${many(rooms, 'room')} in about ${span(estimateMs)}${pace}:`],
    ...targets.map(([target, share]) => `  ${target}  ${many(share, 'room')}`),
    ...(targets.length === 0 ? [styled('yellow', '  nobody else can take them')] : []),
    NOTHING_CHANGED,
  ];
}

/** Its progress in one line, behind the node's name. */
export function progressOf(drain: Drain, bar: boolean, now: number): string {
  const { moved, failed, left, pauseP99Ms, state, why, startedAt } = drain;
  const total = moved + left;
  const done = total === 0 ? 1 : moved / total;
  const filled = Math.round(done * BAR_COLUMNS);
  const drawn = bar ? `[${'#'.repeat(filled)}${'.'.repeat(BAR_COLUMNS - filled)}] ` : '';
  const lateness = failed === 0 ? '' : `, ${count(failed)} tries failed`;
  const pause = pauseP99Ms === undefined ? '' : `, pause p99 ${span(pauseP99Ms)}`;
  const passed = startedAt === undefined ? undefined : Math.max(1, now - startedAt);
  const remaining = passed === undefined || moved === 0 ? undefined : (left * passed) / moved;
  const end = left === 0 || remaining === undefined ? '' : `, about ${span(remaining)} more`;
  const stands = state === 'paused' ? `, paused: ${why ?? 'no reason given'}` : '';
  return `${drawn}${count(moved)} of ${many(total, 'room')} moved${lateness}${pause}${stands || end}`;
}

/** How it ended, and what to do where it did not end well. */
export function renderEnd(drain: Drain, now: number): Line[] {
  const { node, state, moved, left, startedAt, endedAt, pauseP99Ms, why } = drain;
  const took = startedAt === undefined ? undefined : (endedAt ?? now) - startedAt;
  const pause = pauseP99Ms === undefined ? '' : `, pause p99 ${span(pauseP99Ms)}`;
  if (state === 'done') {
    return [[styled('green', `${node} is drained`), `: ${many(moved, 'room')} moved in ${span(took)}${pause}.`]];
  }
  if (state === 'cancelled') return [`The drain of ${node} was undone: ${many(moved, 'room')} had moved.`];
  return [
    styled('red', `${node} is not drained: ${count(left)} rooms are left${why === undefined ? '' : ` (${why})`}.`),
    `They are still served there. Go on with bellhop drain ${node} and a longer --deadline, or undo it with bellhop undrain ${node}.`,
  ];
}

export function isOver({ state }: Drain): boolean {
  return state === 'done' || state === 'late' || state === 'cancelled';
}

/** Shows a drain's progress until it is over.
 *  @returns how it ended; undefined where the operator wants no more of it
 *  @throws Failure where no router answers for half a minute */
export async function follow(
  cli: Cli,
  router: ApiClient,
  first: Drain,
  show: (line: string) => void,
): Promise<Drain | undefined> {
  const { err } = cli;
  let drain = first;
  let answered = cli.now();
  let said = '';
  let saidAt = Number.NEGATIVE_INFINITY;
  while (!isOver(drain)) {
    if (err.isTerminal) err.progress(`${drain.node} ${progressOf(drain, true, cli.now())}`);
    else {
      const line = progressOf(drain, false, cli.now());
      if (line !== said && cli.now() - saidAt >= LINE_EVERY_MS) {
        show(line);
        said = line;
        saidAt = cli.now();
      }
    }
    if (!(await cli.pause(POLL_MS))) return undefined;
    try {
      drain = readDrain(await router.get(`/nodes/${segment(first.node)}/drain`));
      answered = cli.now();
    } catch (error) {
      if (!(error instanceof Failure) || cli.now() - answered > SILENCE_MS) throw error;
    }
  }
  return drain;
}

export function drainBody(options: {
  readonly deadline?: number | undefined;
  readonly rate?: number | undefined;
}): Fields {
  const { deadline, rate } = options;
  return {
    ...(deadline === undefined ? {} : { deadlineMs: deadline }),
    ...(rate === undefined ? {} : { roomsPerSecond: rate }),
  };
}
