/** `bellhop events` and `bellhop audit`: what happened, and who did it. */
import { type Command, InvalidArgumentError } from '@commander-js/extra-typings';
import { EVENT_KINDS } from '../../router/events.ts';
import type { ApiClient } from './api-client.ts';
import { asking, type Cli } from './cli.ts';
import { type Fields, fieldsOf, listOf, numberOf, textOf } from './fields.ts';
import { cut, type Line, safeJson, styled } from './text.ts';
import { integer, timeOfDay } from './units.ts';

const FOLLOW_MS = 1_000;
const LIMIT = 50;
const LIMIT_MAX = 1_000;
const DETAIL_COLUMNS = 100;
/** Pages read to reach the newest entry: no log that the API keeps is longer. */
const PAGES_MAX = 100;

export function eventsCommand(cli: Cli): Command {
  return asking('events', 'what the router saw: nodes that came and went, rooms that moved, Redis away')
    .option('-n, --limit <n>', 'the last so many', integer(1, LIMIT_MAX), LIMIT)
    .option('--kind <kind,…>', 'only those whose kind begins so, e.g. node,redis', kindsFrom)
    .option('-f, --follow', 'go on with what happens, until Ctrl-C')
    .action(async ({ json, limit, kind, follow, ...flags }) => {
      const keep = (event: Fields) => (kind ?? ['']).some((one) => textOf(event['kind']).startsWith(one));
      const router = await cli.router(flags);
      await read(cli, router, { path: '/events', name: 'events', limit, keep, follow, json, render: renderEvent });
    }) as unknown as Command;
}

function kindsFrom(text: string): readonly string[] {
  const kinds = text.split(',').map((one) => one.trim());
  const wrong = kinds.find((one) => one === '' || !EVENT_KINDS.some((kind) => kind.startsWith(one)));
  if (wrong === undefined) return kinds;
  throw new InvalidArgumentError(`No kind begins with ${JSON.stringify(wrong)}: there are ${EVENT_KINDS.join(', ')}.`);
}

export function auditCommand(cli: Cli): Command {
  return asking('audit', 'who drained, moved, disconnected')
    .option('-n, --limit <n>', 'the last so many', integer(1, LIMIT_MAX), LIMIT)
    .option('-f, --follow', 'go on with what is done, until Ctrl-C')
    .action(async ({ json, limit, follow, ...flags }) => {
      const router = await cli.router(flags);
      await read(cli, router, {
        path: '/audit',
        name: 'entries',
        limit,
        keep: () => true,
        follow,
        json,
        render: renderAudit,
      });
    }) as unknown as Command;
}

export function renderEvent(event: Fields, now: number): Line {
  const { at, kind, node, room, from, to, epoch, router, why } = event;
  const about = [node, room, router].filter((one) => one !== undefined).map(textOf);
  const way = from === undefined && to === undefined ? [] : [`${textOf(from)} → ${textOf(to)}`];
  const rest = [...about, ...way, ...(epoch === undefined ? [] : [`epoch ${textOf(epoch)}`])].join('  ');
  const style = /lost|away/.test(textOf(kind)) ? 'red' : 'cyan';
  return [
    styled('faint', `${timeOfDay(numberOf(at), now)}  `),
    styled(style, textOf(kind).padEnd(rest === '' ? 0 : 14)),
    ...(rest === '' ? [] : [`  ${rest}`]),
    ...(why === undefined ? [] : [styled('faint', `  (${textOf(why)})`)]),
  ];
}

export function renderAudit(entry: Fields, now: number): Line {
  const { at, by, action, node, room, user, detail } = entry;
  const about = [node, room, user].filter((one) => one !== undefined && one !== null).map(textOf);
  const more = detail === undefined || detail === null ? '' : typeof detail === 'string' ? detail : safeJson(detail);
  return [
    styled('faint', `${timeOfDay(numberOf(at), now)}  `),
    styled('cyan', textOf(action).padEnd(12)),
    `  ${about.join('  ')}  by ${textOf(by)}`,
    ...(more === '' ? [] : [styled('faint', `  ${cut(more, DETAIL_COLUMNS)}`)]),
  ];
}

interface Reading {
  readonly path: string;
  readonly name: string;
  readonly limit: number;
  readonly keep: (entry: Fields) => boolean;
  readonly follow: true | undefined;
  readonly json: true | undefined;
  readonly render: (entry: Fields, now: number) => Line;
}

/** Shows the last entries, and with `follow` those that come. */
async function read(cli: Cli, router: ApiClient, reading: Reading): Promise<void> {
  const { path, name, limit, keep, follow, json, render } = reading;
  let after: string | number | undefined;
  const fresh = async (): Promise<readonly Fields[]> => {
    const entries: Fields[] = [];
    for (let page = 0; page < PAGES_MAX; page++) {
      const body = fieldsOf(await router.get(path, { after, limit: LIMIT_MAX }));
      const found = listOf(body[name]);
      entries.push(...found.filter(keep));
      const next = body['next'];
      if ((typeof next !== 'string' && typeof next !== 'number') || next === after) break;
      after = next;
      if (found.length === 0) break;
    }
    return entries;
  };
  const shown = (await fresh()).slice(-limit);
  const show = (entry: Fields) => (json === true ? cli.out.json(entry, 0) : cli.out.line(render(entry, cli.now())));
  if (json === true && follow !== true) return cli.out.json({ [name]: shown });
  if (shown.length === 0 && follow !== true) return cli.out.line('Nothing yet.');
  for (const entry of shown) show(entry);
  while (follow === true && (await cli.pause(FOLLOW_MS))) {
    for (const entry of await fresh()) show(entry);
    await cli.out.taken();
  }
}
