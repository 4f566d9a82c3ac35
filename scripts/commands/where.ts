/** `bellhop where ROOM`: one screen that answers why a room is where it is. Owns: the sentence, where the router gives none. */
import type { Command } from '@commander-js/extra-typings';
import { segment } from './api-client.ts';
import { asking, type Cli } from './cli.ts';
import { type Fields, fieldsOf, listOf, numberOf, partOf, textOf, textsOf } from './fields.ts';
import { pairs } from './table.ts';
import { type Line, type Piece, styled } from './text.ts';
import { ago, count, many, span, timeOfDay } from './units.ts';

const PLACES_MAX = 8;
const MOVES_MAX = 10;

export function whereCommand(cli: Cli): Command {
  return asking('where', 'where a room is, and why: record, placement, holder, recent moves')
    .argument('<room>')
    .action(async (room, { json, ...flags }) => {
      const body = await (await cli.router(flags)).get(`/rooms/${segment(room)}/explain`);
      if (json === true) return cli.out.json(body);
      cli.out.lines(renderWhere(body, cli.now()));
    }) as unknown as Command;
}

export function renderWhere(body: unknown, now: number): Line[] {
  const explained = fieldsOf(body);
  const { room, pinned, moving, recentMoves, placement, heldBy, cachedRoute, incomplete } = explained;
  const silent = textsOf(incomplete);
  const pin = partOf(pinned);
  const move = partOf(moving);
  const route = partOf(cachedRoute);
  return [
    styled('bold', textOf(room)),
    '',
    ...pairs([
      ['why', typeof explained['why'] === 'string' ? explained['why'] : whyOf(explained)],
      ['record', recordOf(explained)],
      ['placement', placementOf(listOf(placement))],
      ['holder', holdersOf(listOf(heldBy), now), 'lines'],
      ...(move === undefined ? [] : [['moving', movingOf(move)] as const]),
      ...(pin === undefined
        ? []
        : [['pinned', `to ${textOf(pin['node'])} by ${textOf(pin['by'])}, ${ago(numberOf(pin['at']), now)}`] as const]),
      ['moves', movesOf(listOf(recentMoves), now), 'lines'],
      [
        'route',
        route === undefined
          ? 'this router would ask for the owner first'
          : `this router would send the next client to ${textOf(route['node'])}`,
      ],
      ...(silent.length === 0 ? [] : [['silent', styled('yellow', `${silent.join(', ')} did not answer`)] as const]),
    ]),
  ];
}

/** One sentence out of record, placement and holder. */
function whyOf({ record, recordError, heldBy, placement, incomplete }: Fields): Line {
  const written = partOf(record);
  if (written === undefined) {
    if (recordError !== undefined) return styled('yellow', `Redis cannot be read now (${textOf(recordError)}).`);
    return 'Nobody has ever opened it, or it was forgotten: the next client does.';
  }
  const owner = partOf(written['owner']);
  const holders = listOf(heldBy).map((holder) => textOf(holder['node']));
  if (owner === undefined) return 'Nobody owns it: it was empty and was given up. The next client opens it.';
  const node = textOf(owner['node']);
  if (written['ownerLives'] === false) {
    return styled('yellow', `${node} owned it and is dead: whom a router asks next claims it.`);
  }
  if (!holders.includes(node)) {
    const why = textsOf(incomplete).includes(node)
      ? 'does not answer'
      : 'does not hold it: it is being claimed or released';
    return styled('yellow', `${node} owns it by the record, and ${why}.`);
  }
  const order = listOf(placement).map((place) => textOf(place['node']));
  if (order[0] === node) return `${node} owns it, and placement wants it there.`;
  const first = order[0] ?? '–';
  return `${node} owns it. Placement would choose ${first} today, but only a move, a drain or the end of ${node} moves an owned room.`;
}

function recordOf({ record, recordError }: Fields): Line {
  const written = partOf(record);
  if (written === undefined) return recordError === undefined ? 'none' : `unreadable (${textOf(recordError)})`;
  const { owner, ownerLives, epoch, head } = written;
  const named = partOf(owner);
  const who: Piece[] =
    named === undefined
      ? ['nobody']
      : [
          styled('bold', textOf(named['node'])),
          ` (incarnation ${textOf(named['incarnation']).slice(0, 8)}…, `,
          ownerLives === false ? styled('red', 'dead') : styled('green', 'lives'),
          ')',
        ];
  return [...who, `, epoch ${textOf(epoch)}, head ${count(numberOf(head))}`];
}

function placementOf(places: readonly Fields[]): Line {
  if (places.length === 0) return styled('yellow', 'no node can take it');
  const names = places.slice(0, PLACES_MAX).map((place, i) => {
    const weight = numberOf(place['weight']);
    return `${i + 1}. ${textOf(place['node'])}${weight === undefined || weight === 1 ? '' : ` (weight ${weight})`}`;
  });
  return `${names.join('  ')}${places.length > PLACES_MAX ? `  … of ${places.length}` : ''}`;
}

function holdersOf(holders: readonly Fields[], now: number): Line[] {
  if (holders.length === 0) return ['nobody holds it'];
  return holders.map((holder) => {
    const { node, sessions, head, program, since, epoch } = holder;
    const what = `: ${many(numberOf(sessions), 'session')}, head ${count(numberOf(head))}, program ${textOf(program)}`;
    const held = numberOf(since);
    const time = held === undefined ? '' : `, held for ${span(now - held)}`;
    return [styled('bold', textOf(node)), what, `, epoch ${textOf(epoch)}${time}`];
  });
}

function movingOf(move: Fields): Line {
  return styled('yellow', `to ${textOf(move['to'])}: ${textOf(move['step'])} for ${span(numberOf(move['sinceMs']))}`);
}

function movesOf(moves: readonly Fields[], now: number): Line[] {
  if (moves.length === 0) return ['none that this router saw'];
  const shown = moves.slice(-MOVES_MAX);
  return shown.map(({ at, from, to, epoch, why }) => {
    const reason = why === undefined ? '' : ` (${textOf(why)})`;
    return `${timeOfDay(numberOf(at), now)}  ${textOf(from)} → ${textOf(to)}  epoch ${textOf(epoch)}${reason}`;
  });
}
