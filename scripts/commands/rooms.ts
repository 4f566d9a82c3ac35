/** `bellhop rooms`, `bellhop who ROOM`, `bellhop user USER`, `bellhop kick USER`: what is open, and who is where. */
import type { Command } from '@commander-js/extra-typings';
import { type ApiClient, segment } from './api-client.ts';
import { asking, type Cli } from './cli.ts';
import { Failure } from './failure.ts';
import { type Fields, fieldsOf, listOf, numberOf, textOf, textsOf } from './fields.ts';
import { table } from './table.ts';
import { cut, type Line, safeJson, styled } from './text.ts';
import { ago, count, integer, many } from './units.ts';

const PAGE = 1_000;
const LIMIT_MAX = 1_000_000;
const META_COLUMNS = 60;

export function roomsCommand(cli: Cli): Command {
  return asking('rooms', 'open rooms: their node, head and sessions')
    .option('--prefix <text>', 'only rooms whose name begins so')
    .option('--node <node>', 'only rooms that this node holds')
    .option('--limit <n>', 'at most so many', integer(1, LIMIT_MAX), 100)
    .action(async ({ json, prefix, node, limit, ...flags }) => {
      const router = await cli.router(flags);
      const keep = (room: Fields) => node === undefined || room['node'] === node;
      const { items, more, incomplete } = await pages(router, '/rooms', 'rooms', { prefix }, limit, keep);
      if (node !== undefined && items.length === 0) await mustKnow(router, node);
      if (json === true) return cli.out.json({ rooms: items, more, incomplete });
      cli.out.lines(renderRooms(items, cli.now()));
      if (more) cli.err.line(`There are more: this is what --limit ${limit} shows.`);
      complain(cli, incomplete);
    }) as unknown as Command;
}

export function whoCommand(cli: Cli): Command {
  return asking('who', 'who is in a room')
    .argument('<room>')
    .option('--limit <n>', 'at most so many users', integer(1, LIMIT_MAX), 1_000)
    .option('--owner', 'ask the owner instead of what Redis has of it')
    .action(async (room, { json, limit, owner, ...flags }) => {
      const router = await cli.router(flags);
      const source = owner === true ? 'owner' : undefined;
      const path = `/rooms/${segment(room)}/presence`;
      const { items, more, first } = await pages(router, path, 'users', { source }, limit, () => true);
      const body = { ...first, users: items, more };
      if (json === true) return cli.out.json(body);
      cli.out.lines(renderWho(body, cli.now()));
    }) as unknown as Command;
}

export function userCommand(cli: Cli): Command {
  return asking('user', 'where a user is')
    .argument('<user>')
    .action(async (user, { json, ...flags }) => {
      const body = await (await cli.router(flags)).get(`/users/${segment(user)}`);
      if (json === true) return cli.out.json(body);
      cli.out.lines(renderUser(body, cli.now()));
      complain(cli, textsOf(fieldsOf(body)['incomplete']));
    }) as unknown as Command;
}

export function kickCommand(cli: Cli): Command {
  return asking('kick', 'ends every session of a user, wherever they are')
    .argument('<user>')
    .action(async (user, { json, ...flags }) => {
      const body = await (await cli.router(flags)).delete(`/users/${segment(user)}/sessions`);
      const { closed, sessions, incomplete } = fieldsOf(body);
      if (json === true) cli.out.json(body);
      else cli.out.line(`Ended ${textOf(closed)} of ${textOf(sessions)} sessions of ${user}.`);
      complain(cli, textsOf(incomplete));
      if (textsOf(incomplete).length > 0) cli.end('failed');
    }) as unknown as Command;
}

export function renderRooms(rooms: readonly Fields[], now: number): Line[] {
  if (rooms.length === 0) return ['There is no such room open.'];
  const rows = rooms.map((room) => [
    styled('bold', textOf(room['room'])),
    textOf(room['node']),
    count(numberOf(room['sessions'])),
    count(numberOf(room['head'])),
    textOf(room['epoch']),
    textOf(room['program']),
    ago(numberOf(room['since']), now),
  ]);
  const right = (name: string) => ({ name, align: 'right' as const });
  const columns = [{ name: 'ROOM' }, { name: 'NODE' }, ...['SESSIONS', 'HEAD', 'EPOCH'].map(right)];
  return table([...columns, { name: 'PROGRAM' }, { name: 'HELD SINCE' }], rows);
}

export function renderWho(body: Fields, now: number): Line[] {
  const { room, count: members, settling, source, asOf, users, more } = body;
  const shown = listOf(users);
  const rows = shown.map((user) => [
    styled('bold', textOf(user['user'])),
    count(textsOf(user['sessions']).length),
    ago(numberOf(user['since']), now),
    user['meta'] === undefined ? '' : cut(safeJson(user['meta']), META_COLUMNS),
  ]);
  const since =
    source === 'owner'
      ? 'as its owner says'
      : typeof asOf === 'number'
        ? `as Redis had it ${ago(asOf, now)}`
        : 'as far as Redis knows';
  const head = [styled('bold', textOf(room)), `: ${many(numberOf(members), 'session')}, ${since}`];
  const settles = settling === true ? [styled('yellow', ' (its owner is gone: members are still connected)')] : [];
  return [
    [...head, ...settles],
    ...(rows.length === 0
      ? []
      : table([{ name: 'USER' }, { name: 'SESSIONS', align: 'right' }, { name: 'SINCE' }, { name: 'META' }], rows)),
    ...(more === true ? ['… and more: see --limit.'] : []),
  ];
}

export function renderUser(body: unknown, now: number): Line[] {
  const rows = listOf(fieldsOf(body)['sessions']).map((session) => [
    styled('bold', textOf(session['room'])),
    textOf(session['node']),
    textOf(session['router']),
    ago(numberOf(session['since']), now),
    textOf(session['session']),
    session['confirmed'] === false ? styled('yellow', 'not confirmed by the owner') : '',
  ]);
  return table(
    [{ name: 'ROOM' }, { name: 'NODE' }, { name: 'ROUTER' }, { name: 'SINCE' }, { name: 'SESSION' }, { name: '' }],
    rows,
  );
}

/** An empty answer about a node that nobody knows would look like one about a node without rooms. @throws Failure `absent` */
async function mustKnow(router: ApiClient, node: string): Promise<void> {
  const nodes = listOf(fieldsOf(await router.get('/nodes'))['nodes']);
  if (!nodes.some((one) => one['node'] === node)) throw new Failure('absent', `there is no such node: ${node}.`);
}

function complain(cli: Cli, incomplete: readonly string[]): void {
  if (incomplete.length > 0) cli.err.line(`Not complete: ${incomplete.join(', ')} did not answer.`);
}

/** Reads pages until `limit` items of those that `keep` keeps are there. */
async function pages(
  router: ApiClient,
  path: string,
  name: string,
  query: Readonly<Record<string, string | undefined>>,
  limit: number,
  keep: (item: Fields) => boolean,
): Promise<{
  readonly items: readonly Fields[];
  readonly more: boolean;
  readonly incomplete: readonly string[];
  readonly first: Fields;
}> {
  const items: Fields[] = [];
  const incomplete = new Set<string>();
  let first: Fields | undefined;
  let cursor: string | undefined;
  do {
    const page = fieldsOf(await router.get(path, { ...query, cursor, limit: Math.min(PAGE, limit + 1) }));
    first ??= page;
    items.push(...listOf(page[name]).filter(keep));
    for (const node of textsOf(page['incomplete'])) incomplete.add(node);
    const next = page['next'];
    cursor = typeof next === 'string' && next !== cursor ? next : undefined;
  } while (cursor !== undefined && items.length <= limit);
  const more = items.length > limit || cursor !== undefined;
  return { items: items.slice(0, limit), more, incomplete: [...incomplete], first };
}
