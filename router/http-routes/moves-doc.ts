/** What the routes of planned moves say of themselves. Owns: those descriptions, apart from moves.ts for their length. */
import { BODY_ERRORS, INCOMPLETE, NODE_ERRORS, OPERATOR, type RouteDoc } from '../openapi/route-doc.ts';
import {
  count,
  decimal,
  flag,
  integer,
  list,
  moment,
  named,
  nullable,
  object,
  oneOf,
  record,
  text,
} from '../openapi/schema.ts';

const pause = nullable({ ...decimal('99th percentile of how long a room stood still, ms'), minimum: 0 });

const DRAIN = named(
  'Drain',
  object(
    {
      node: text(),
      incarnation: text(),
      state: oneOf(
        ['planned', 'running', 'paused', 'done', 'late', 'cancelled'],
        '`late`: the deadline passed with rooms left, none of which was dropped silently',
      ),
      startedAt: moment('when it was ordered'),
      deadlineAt: moment('until when it is to be done'),
      roomsPerSecond: decimal('how fast rooms go'),
      rooms: count('at the start'),
      moved: count('so far'),
      left: count('now'),
      failed: count('handovers that were called off'),
      pauseP99Ms: pause,
      estimateMs: { ...decimal('how long it will take'), minimum: 0 },
      targets: record(count(), 'rooms by the node that they go to'),
      by: text('who ordered it'),
    },
    { why: text('why it is paused or late'), endedAt: moment('when it was over') },
  ),
);
const PIN = object(
  { room: text(), node: text(), by: text('who said so'), at: moment('when') },
  { why: text('why it is not followed now') },
);
const rates = {
  messagesPerSecond: { ...decimal(), minimum: 0 },
  bytesPerSecond: { ...decimal(), minimum: 0 },
} as const;

export const DRAIN_DOC: RouteDoc = {
  tag: 'Cluster',
  summary: 'Drain a node',
  text: 'It takes no new rooms and hands over those it has. One node drains at a time.',
  headers: OPERATOR,
  body: object(
    {},
    {
      deadlineMs: integer('how long it may take'),
      roomsPerSecond: decimal('how fast rooms may go'),
      dryRun: flag('only plans'),
      leave: flag('the node ends once it is empty'),
    },
  ),
  answers: { 200: { doc: 'Of a dry run, the plan.', schema: DRAIN }, 202: { doc: 'It began.', schema: DRAIN } },
  errors: ['not_found', 'conflict', ...BODY_ERRORS, ...NODE_ERRORS],
};
export const DRAIN_STATUS_DOC: RouteDoc = {
  tag: 'Cluster',
  summary: 'How the running drain of a node goes, or the last one went',
  answers: { 200: { doc: 'Its progress.', schema: DRAIN } },
  errors: ['not_found', 'conflict', ...NODE_ERRORS],
};
export const UNDRAIN_DOC: RouteDoc = {
  tag: 'Cluster',
  summary: 'Undo a drain',
  headers: OPERATOR,
  answers: { 200: { doc: 'It is cancelled.', schema: DRAIN } },
  errors: ['bad_request', 'not_found', 'conflict', ...NODE_ERRORS],
};
export const MOVE_DOC: RouteDoc = {
  tag: 'Rooms',
  summary: 'Move a room to a node',
  text: 'With a pin, which is what is meant unless `pin` is false, it stays there, and goes there as soon as it can.',
  headers: OPERATOR,
  body: object({ node: text() }, { pin: flag() }),
  answers: {
    202: {
      doc: 'It is ordered.',
      schema: object({ room: text(), from: nullable(text('its owner')), to: text(), pinned: flag() }),
    },
  },
  errors: ['bad_room', 'not_found', 'conflict', 'settling', ...BODY_ERRORS, ...NODE_ERRORS],
};
export const UNPIN_DOC: RouteDoc = {
  tag: 'Rooms',
  summary: 'Take a room’s pin away',
  headers: OPERATOR,
  answers: { 200: { doc: 'Placement decides again.', schema: object({ room: text(), pinned: flag() }) } },
  errors: ['bad_request', 'bad_room', 'not_found'],
};
export const PINS_DOC: RouteDoc = {
  tag: 'Rooms',
  summary: 'All pins',
  answers: { 200: { doc: 'Each room that is pinned.', schema: object({ pins: list(PIN) }) } },
};
export const MOVES_DOC: RouteDoc = {
  tag: 'Cluster',
  summary: 'What is being moved, as owners see it',
  answers: {
    200: {
      doc: 'By node.',
      schema: object(
        {
          state: oneOf(['idle', 'running', 'paused']),
          nodes: list(
            object(
              {
                node: text(),
                share: { ...decimal('part of its weight that it has taken so far'), minimum: 0 },
                state: oneOf(['idle', 'running', 'paused']),
                held: count('rooms it holds'),
                belongElsewhere: count('of them'),
                moving: count('now'),
                moved: count('so far'),
                failed: count('handovers that were called off'),
                pauseP99Ms: pause,
              },
              { why: text('why it is paused') },
            ),
          ),
        },
        { why: text('why nothing moves'), ...INCOMPLETE },
      ),
    },
  },
};
export const HOT_DOC: RouteDoc = {
  tag: 'Cluster',
  summary: 'Hot rooms and nodes',
  text: 'Of every measure the rooms that lead it.',
  query: {
    limit: {
      doc: 'Rooms of each measure, 10 where it is not given, 50 at most.',
      schema: { ...integer(), minimum: 1 },
    },
  },
  answers: {
    200: {
      doc: 'By messages, the most first.',
      schema: object(
        {
          rooms: list(object({ room: text(), node: text(), ...rates, members: count() })),
          nodes: list(
            object({
              ...{ node: text(), rooms: count(), sessions: count(), ...rates },
              eventLoopDelayMs: { ...decimal(), minimum: 0 },
            }),
          ),
        },
        INCOMPLETE,
      ),
    },
  },
  errors: ['bad_request'],
};
