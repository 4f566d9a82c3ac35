/** `bellhop nodes` and `bellhop hot`: who is there, and who has much to do. */
import type { Command } from '@commander-js/extra-typings';
import { asking, type Cli } from './cli.ts';
import { type Fields, fieldsOf, listOf, numberOf, textOf } from './fields.ts';
import { table } from './table.ts';
import { type Line, type Piece, styled } from './text.ts';
import { ago, bytes, count, span } from './units.ts';

/** A heartbeat older than this is shown as late: six of its periods. */
const LATE_MS = 1_500;

export function nodesCommand(cli: Cli): Command {
  return asking('nodes', 'nodes and routers: state, rooms, sessions, heartbeat').action(async ({ json, ...flags }) => {
    const router = await cli.router(flags);
    const [nodes, routers] = await Promise.all([router.get('/nodes'), router.get('/routers')]);
    if (json === true) return cli.out.json({ ...fieldsOf(nodes), ...fieldsOf(routers) });
    cli.out.lines(renderNodes(nodes, routers, cli.now()));
  }) as unknown as Command;
}

export function hotCommand(cli: Cli): Command {
  return asking('hot', 'the rooms and nodes that have the most to do').action(async ({ json, ...flags }) => {
    const body = await (await cli.router(flags)).get('/hot');
    if (json === true) return cli.out.json(body);
    cli.out.lines(renderHot(body));
  }) as unknown as Command;
}

export function renderNodes(nodes: unknown, routers: unknown, now: number): Line[] {
  const rows = listOf(fieldsOf(nodes)['nodes']).map((node) => [
    styled('bold', textOf(node['node'])),
    stateOf(node['state']),
    count(numberOf(node['rooms'])),
    count(numberOf(node['sessions'])),
    heartbeatOf(node),
    node['linked'] === false ? styled('red', 'no') : 'yes',
    textOf(node['weight']),
    ago(numberOf(node['startedAt']), now),
    `${textOf(node['link'])} pid ${textOf(node['pid'])} on ${textOf(node['host'])}`,
  ]);
  const columns = [
    { name: 'NODE' },
    { name: 'STATE' },
    ...(['ROOMS', 'SESSIONS', 'HEARTBEAT'] as const).map((name) => ({ name, align: 'right' as const })),
    { name: 'LINKED' },
    { name: 'WEIGHT', align: 'right' as const },
    { name: 'STARTED' },
    { name: 'AT' },
  ];
  const edges = listOf(fieldsOf(routers)['routers']).map((router) => [
    styled('bold', textOf(router['router'])),
    count(numberOf(router['sessions'])),
    ago(numberOf(router['startedAt']), now),
    textOf(router['url']),
  ]);
  return [
    ...(rows.length === 0 ? ['There is no node.'] : table(columns, rows)),
    '',
    ...(edges.length === 0
      ? ['There is no router.']
      : table([{ name: 'ROUTER' }, { name: 'SESSIONS', align: 'right' }, { name: 'STARTED' }, { name: 'AT' }], edges)),
  ];
}

export function renderHot(body: unknown): Line[] {
  const { rooms, nodes } = fieldsOf(body);
  const right = (name: string) => ({ name, align: 'right' as const });
  const byNode = listOf(nodes).map((node) => [
    styled('bold', textOf(node['node'])),
    count(numberOf(node['rooms'])),
    count(numberOf(node['sessions'])),
    count(numberOf(node['messagesPerSecond'])),
    bytes(numberOf(node['bytesPerSecond'])),
    span(numberOf(node['eventLoopDelayMs'])),
  ]);
  const byRoom = listOf(rooms).map((room) => [
    styled('bold', textOf(room['room'])),
    textOf(room['node']),
    count(numberOf(room['members'])),
    count(numberOf(room['messagesPerSecond'])),
    bytes(numberOf(room['bytesPerSecond'])),
  ]);
  return [
    ...table([{ name: 'NODE' }, ...['ROOMS', 'SESSIONS', 'MESSAGES/S', 'BYTES/S', 'LOOP DELAY'].map(right)], byNode),
    '',
    ...(byRoom.length === 0
      ? ['No room has anything to do.']
      : table([{ name: 'ROOM' }, { name: 'NODE' }, ...['MEMBERS', 'MESSAGES/S', 'BYTES/S'].map(right)], byRoom)),
  ];
}

export function stateOf(state: unknown): Piece {
  const text = textOf(state);
  if (text === 'active') return styled('green', text);
  return styled(text === 'draining' ? 'yellow' : 'red', text);
}

function heartbeatOf(node: Fields): Piece {
  const age = numberOf(node['heartbeatAgeMs']);
  return age !== undefined && age <= LATE_MS ? span(age) : styled('red', span(age));
}
