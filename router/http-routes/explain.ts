/** Why a room is where it is. Owns: the gathering of record, placement, pin and holders, and the one sentence that they add up to.
 *  Does not know: how any of it came about. What cannot be read is said: an explanation is wanted most when something is wrong. */
import { DirectoryError, type RoomRecord } from '../../shared/directory/directory.ts';
import { BellhopError } from '../../shared/errors.ts';
import type { ApiPorts, NodeView, RoomPlace, RoomSummary } from '../api-ports.ts';
import { askEach, QUESTION_MS, within } from '../ask.ts';
import { ok, roomFrom } from '../http-answer.ts';
import type { Route } from '../http-api.ts';
import { readPlace, readSummary } from '../node-answers.ts';
import { INCOMPLETE } from '../openapi/route-doc.ts';
import { count, decimal, flag, list, moment, named, nullable, object, text } from '../openapi/schema.ts';
import { HELD } from './rooms.ts';

/** A heartbeat that stands still for so long may mean a takeover. */
const STILL_MS = 1_000;

const HOLDER = object({ node: text(), incarnation: text() });

const EXPLANATION = named(
  'Explanation',
  object(
    {
      room: text(),
      why: text('why it is where it is, in a sentence'),
      record: nullable(
        object(
          {
            owner: nullable(HOLDER),
            ownerLives: flag('whether the owner named is a node that lives, as the router asked sees it'),
            epoch: count(),
            nonce: text(),
            head: count(),
            tags: list(object({ tag: text(), firstSeq: count() }), 'its histories, the latest last'),
          },
          {},
          'what the directory says; null where it says nothing, or could not be read',
        ),
      ),
      placement: list(
        object({ node: text(), weight: decimal() }),
        'nodes in the order in which they would be asked to take it, if nobody owned it',
      ),
      pinned: nullable(object({ node: text(), by: text(), at: moment('when') })),
      moving: nullable(
        object({ to: text(), step: text(), sinceMs: { ...decimal(), minimum: 0 } }, {}, 'the handover under way'),
      ),
      heldBy: list(object(HELD), 'nodes that say they hold it'),
      recentMoves: list(
        object({ at: moment('when'), to: text(), epoch: count() }, { from: text(), why: text() }),
        'changes of owner that the router asked saw',
      ),
      cachedRoute: nullable({ ...HOLDER, description: 'where the router asked would send the next client' }),
    },
    { recordError: text('why the record could not be read'), ...INCOMPLETE },
  ),
);

export const explainRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/api/v1/rooms/:room/explain',
    doc: {
      tag: 'Rooms',
      summary: 'Why a room is where it is',
      text: 'What the directory records, what placement says, who really holds it. It is answered as far as it can be, whatever is away.',
      answers: { 200: { doc: 'What is known.', schema: EXPLANATION } },
      errors: ['bad_room'],
    },
    answer: async ({ ports, params }) => ok(await explain(ports, roomFrom(params['room'] ?? ''))),
  },
];

interface Held {
  readonly node: string;
  readonly summary: RoomSummary;
  readonly place: RoomPlace;
}

type Read = { readonly record: RoomRecord | undefined } | { readonly failed: string };

async function explain(ports: ApiPorts, room: string): Promise<unknown> {
  const [read, answers] = await Promise.all([
    readRecord(ports, room),
    askEach(holders(ports), (node) => ports.callNode(node, 'room', { room }, QUESTION_MS)),
  ]);
  const incomplete = answers.flatMap((answer) => (answer.ok ? [] : [answer.item]));
  const held = answers.flatMap((answer): Held[] => {
    if (!answer.ok || answer.value === null) return [];
    return [{ node: answer.item, summary: readSummary(answer.value), place: readPlace(answer.value) }];
  });
  const incarnations = new Map(ports.nodes().map((view) => [view.record.node, view.record.incarnation]));
  const pin = ports.pin(room);
  return {
    room,
    why: whyThere(ports, room, read, held),
    ...recordOf(ports, read),
    placement: ports.placementOrder(room),
    pinned: pin === undefined ? null : { node: pin.node, by: pin.by, at: pin.at },
    moving: held.find(({ place }) => place.moving !== undefined)?.place.moving ?? null,
    heldBy: held.map(({ node, summary: { epoch, head, sessions, since, program } }) => ({
      ...{ node, incarnation: incarnations.get(node) ?? '', epoch, head, sessions, since, program },
    })),
    recentMoves: ports.recentMoves(room),
    cachedRoute: ports.cachedRoute(room) ?? null,
    ...(incomplete.length > 0 ? { incomplete } : {}),
  };
}

/** Nodes that may hold rooms. */
function holders(ports: ApiPorts): string[] {
  return ports
    .nodes()
    .filter(isLiving)
    .map(({ record }) => record.node)
    .sort();
}

function isLiving({ record }: NodeView): boolean {
  return record.state === 'active' || record.state === 'draining';
}

async function readRecord(ports: ApiPorts, room: string): Promise<Read> {
  try {
    const reply = await within(QUESTION_MS, ports.directory.call('readRoom', { room }));
    return { record: reply.kind === 'missing' ? undefined : reply.record };
  } catch (error) {
    if (error instanceof DirectoryError || error instanceof BellhopError) return { failed: error.code };
    throw error;
  }
}

function recordOf(ports: ApiPorts, read: Read): Readonly<Record<string, unknown>> {
  if ('failed' in read) return { record: null, recordError: read.failed };
  if (read.record === undefined) return { record: null };
  const { owner, epoch, nonce, head, tags } = read.record;
  return { record: { owner: owner ?? null, ownerLives: ownerLives(ports, owner), epoch, nonce, head, tags } };
}

function ownerLives(ports: ApiPorts, owner: RoomRecord['owner']): boolean {
  const view = ports.nodes().find(({ record }) => record.node === owner?.node);
  return owner !== undefined && view?.record.incarnation === owner.incarnation && isLiving(view);
}

/** One sentence, or two. */
function whyThere(ports: ApiPorts, room: string, read: Read, held: readonly Held[]): string {
  if ('failed' in read) {
    const [holder] = held;
    const where = holder === undefined ? 'no node that answers holds it' : `${holder.node} holds it`;
    return `Its record cannot be read now (${read.failed}); ${where}.`;
  }
  const next = nextOf(ports, room);
  if (read.record === undefined) return `Nobody has opened it. ${next}`;
  const { owner } = read.record;
  if (owner === undefined) return `It was empty and was given up: nobody owns it. ${next}`;
  const view = ports.nodes().find(({ record }) => record.node === owner.node);
  if (view === undefined || !ownerLives(ports, owner)) {
    const how =
      view?.record.incarnation === owner.incarnation && view.record.state === 'left' ? 'has left' : 'has died';
    return `Its owner, a life of ${owner.node}, ${how}, and no other has claimed it yet. ${next}`;
  }
  const holder = held.find(({ node }) => node === owner.node);
  const stillMs = Math.round(view.heartbeatAgeMs ?? 0);
  if (holder === undefined && stillMs >= STILL_MS) {
    return `${owner.node} owns it and does not answer; its heartbeat has stood still for ${stillMs} ms. Once it is certified as dead another takes the room over.`;
  }
  if (holder === undefined) return `${owner.node} owns it, and is about to open it or does not answer this router.`;
  return `${owner.node} owns it${becauseOf(ports, room, view, holder.place)}`;
}

function becauseOf(ports: ApiPorts, room: string, { record }: NodeView, { moving, belongs }: RoomPlace): string {
  const pin = ports.pin(room);
  const lost = pin === undefined ? undefined : pinNotFollowed(ports, room, pin.node);
  const tail = lost === undefined ? '' : ` It is pinned to ${pin?.node}, but ${lost}: placement decides meanwhile.`;
  if (moving !== undefined)
    return ` and is handing it to ${moving.to} (${moving.step}, since ${moving.sinceMs} ms).${tail}`;
  if (record.state === 'draining') {
    const to = belongs === undefined ? 'no other node can take it' : `the room goes to ${belongs.to} in its turn`;
    const why = belongs?.why === undefined ? '' : ` (${belongs.why})`;
    return `. That node is being drained: ${to}${why}.${tail}`;
  }
  if (pin?.node === record.node && lost === undefined) return `, since ${pin.by} pinned it there.`;
  const first = ports.placementOrder(room)[0]?.node;
  if (first === record.node && (pin === undefined || lost !== undefined)) return `, where placement puts it.${tail}`;
  const isPinned = pin !== undefined && lost === undefined;
  const wanted = (isPinned ? pin.node : first) ?? 'nobody';
  const to = isPinned ? `${pin.by} pinned it to ${wanted}` : `placement prefers ${wanted}`;
  if (belongs !== undefined && belongs.why !== undefined) return `, though ${to}: ${belongs.why}.${tail}`;
  return `, though ${to}: when it came to ${record.node} that was not so yet, or ${wanted} held more than its share of rooms. It moves with the next change of nodes.${tail}`;
}

/** Who would open it. */
function nextOf(ports: ApiPorts, room: string): string {
  const pin = ports.pin(room);
  const lost = pin === undefined ? undefined : pinNotFollowed(ports, room, pin.node);
  if (pin !== undefined && lost === undefined)
    return `The next client is sent to ${pin.node}, where ${pin.by} pinned it.`;
  const first = ports.placementOrder(room)[0]?.node;
  const but = pin === undefined ? '' : ` It is pinned to ${pin.node}, but ${lost}.`;
  if (first === undefined) return `No active node could take it.${but}`;
  return `The next client is sent to ${first}, unless that is too loaded.${but}`;
}

function pinNotFollowed(ports: ApiPorts, room: string, node: string): string | undefined {
  const state = ports.nodes().find(({ record }) => record.node === node)?.record.state;
  if (state === undefined) return 'there is no such node';
  if (state !== 'active') return `that is ${state}`;
  return ports.placementOrder(room).some((one) => one.node === node) ? undefined : 'that takes no rooms of this kind';
}
