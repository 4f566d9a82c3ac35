/** `bellhop move`, `unpin`, `pins` and `moves`: a room put where the operator wants it, and what is on its way. */
import type { Command } from '@commander-js/extra-typings';
import { segment } from './api-client.ts';
import { asking, type Cli } from './cli.ts';
import { fieldsOf, listOf, numberOf, partOf, textOf } from './fields.ts';
import { table } from './table.ts';
import { type Line, styled } from './text.ts';
import { ago, count, duration, span } from './units.ts';

const POLL_MS = 200;
const WAIT_MS = 30_000;

export function moveCommand(cli: Cli): Command {
  return asking('move', 'hands a room over to a node, and pins it there')
    .argument('<room>')
    .argument('<node>')
    .option('--no-pin', 'move it once, and let placement have it again')
    .option('--no-wait', 'do not wait until it is there')
    .option('--timeout <time>', 'wait so long at most', duration, WAIT_MS)
    .action(async (room, node, { json, pin, wait, timeout, ...flags }) => {
      const router = await cli.router(flags);
      const explain = () => router.get(`/rooms/${segment(room)}/explain`);
      const body = await router.post(`/rooms/${segment(room)}/move`, { node, pin });
      const { from, to, pinned } = fieldsOf(body);
      // A room that nobody owns is not on its way: whoever opens it is sent there.
      const isOwned = typeof from === 'string';
      const arrived = wait && isOwned ? await isThere(cli, explain, node, timeout) : undefined;
      if (json === true) cli.out.json({ ...fieldsOf(body), ...(arrived === undefined ? {} : { arrived }) });
      else {
        const stays = pinned === true ? ` It is pinned there: bellhop unpin ${room} lets it go.` : '';
        const what = arrived === true ? 'is at' : 'is on its way to';
        const moved = `${room} ${what} ${textOf(to)}, from ${textOf(from)}.`;
        const kept = `Nobody owns ${room} now: the next client is sent to ${node}.`;
        cli.out.line(`${isOwned ? moved : kept}${stays}`);
      }
      if (arrived === false) {
        cli.err.line(`It was not there within ${span(timeout)}: bellhop where ${room} says why.`);
        cli.end(cli.signal.aborted ? 'interrupted' : 'failed');
      }
    }) as unknown as Command;
}

export function unpinCommand(cli: Cli): Command {
  return asking('unpin', 'lets a pinned room go where placement wants it')
    .argument('<room>')
    .action(async (room, { json, ...flags }) => {
      const body = await (await cli.router(flags)).delete(`/rooms/${segment(room)}/pin`);
      if (json === true) return cli.out.json(body);
      cli.out.line(`${room} is not pinned any more.`);
    }) as unknown as Command;
}

export function pinsCommand(cli: Cli): Command {
  return asking('pins', 'rooms that are pinned to a node').action(async ({ json, ...flags }) => {
    const body = await (await cli.router(flags)).get('/pins');
    if (json === true) return cli.out.json(body);
    cli.out.lines(renderPins(body, cli.now()));
  }) as unknown as Command;
}

export function movesCommand(cli: Cli): Command {
  return asking('moves', 'whether rooms are being moved to where they belong, and how far that is').action(
    async ({ json, ...flags }) => {
      const body = await (await cli.router(flags)).get('/moves');
      if (json === true) return cli.out.json(body);
      cli.out.lines(renderMoves(body));
    },
  ) as unknown as Command;
}

export function renderPins(body: unknown, now: number): Line[] {
  const rows = listOf(fieldsOf(body)['pins']).map(({ room, node, by, at }) => [
    styled('bold', textOf(room)),
    textOf(node),
    textOf(by),
    ago(numberOf(at), now),
  ]);
  if (rows.length === 0) return ['No room is pinned.'];
  return table([{ name: 'ROOM' }, { name: 'NODE' }, { name: 'BY' }, { name: 'WHEN' }], rows);
}

export function renderMoves(body: unknown): Line[] {
  const { state, why, nodes } = fieldsOf(body);
  const reason = typeof why === 'string' ? `: ${why}` : '';
  const rows = listOf(nodes).map((node) => {
    const share = numberOf(node['share']);
    return [
      styled('bold', textOf(node['node'])),
      share === undefined ? '–' : `${Math.round(share * 100)} %`,
      ...['held', 'belongElsewhere', 'moving', 'moved', 'failed'].map((name) => count(numberOf(node[name]))),
      span(numberOf(node['pauseP99Ms'])),
    ];
  });
  const names = ['SHARE', 'HELD', 'ELSEWHERE', 'MOVING', 'MOVED', 'FAILED', 'PAUSE P99'];
  return [
    `Rebalancing is ${textOf(state)}${reason}.`,
    ...table([{ name: 'NODE' }, ...names.map((name) => ({ name, align: 'right' as const }))], rows),
  ];
}

/** @returns whether the node held the room within the time */
async function isThere(cli: Cli, explain: () => Promise<unknown>, node: string, withinMs: number): Promise<boolean> {
  const until = cli.now() + withinMs;
  for (;;) {
    const { heldBy, moving } = fieldsOf(await explain());
    const holders = listOf(heldBy);
    if (holders.length === 1 && holders[0]?.['node'] === node && partOf(moving) === undefined) return true;
    if (cli.now() >= until || !(await cli.pause(POLL_MS))) return false;
  }
}
