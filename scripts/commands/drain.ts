/** `bellhop drain NODE` and `bellhop undrain NODE`: emptying a node before it goes, and changing one's mind. */
import type { Command } from '@commander-js/extra-typings';
import { segment } from './api-client.ts';
import { asking, type Cli } from './cli.ts';
import { drainBody, follow, isOver, readDrain, renderEnd, renderPlan } from './drain-progress.ts';
import { duration, rate } from './units.ts';

export function drainCommand(cli: Cli): Command {
  return asking('drain', 'hands over all rooms of a node, and shows how it goes')
    .argument('<node>')
    .option('--dry-run', 'say what would be done, and do nothing')
    .option('--deadline <time>', 'how long it may take, e.g. 30s or 5m; what is left then stays where it is', duration)
    .option('--rate <n>', 'rooms a second at most', rate)
    .option('--no-wait', 'begin it, and do not wait for its end')
    .action(async (node, { json, dryRun, deadline, rate, wait, ...flags }) => {
      const router = await cli.router(flags);
      const path = `/nodes/${segment(node)}/drain`;
      const begun = await router.post(path, {
        ...drainBody({ deadline, rate }),
        ...(dryRun === true ? { dryRun } : {}),
      });
      const first = readDrain(begun);
      if (dryRun === true) return json === true ? cli.out.json(begun) : cli.out.lines(renderPlan(first));
      if (!wait && !isOver(first)) {
        if (json === true) return cli.out.json(begun);
        return cli.out.line(`The drain of ${node} goes on; bellhop undrain ${node} undoes it.`);
      }
      const ended = await follow(cli, router, first, (line) => cli.err.line(`${node} ${line}`));
      if (ended === undefined) {
        cli.err.line(`The drain of ${node} goes on; bellhop undrain ${node} undoes it.`);
        return cli.end('interrupted');
      }
      if (json === true) cli.out.json(await router.get(path));
      else cli.out.lines(renderEnd(ended, cli.now()));
      if (ended.state !== 'done') cli.end('failed');
    }) as unknown as Command;
}

export function undrainCommand(cli: Cli): Command {
  return asking('undrain', 'undoes a drain: the node takes rooms again')
    .argument('<node>')
    .action(async (node, { json, ...flags }) => {
      const body = await (await cli.router(flags)).delete(`/nodes/${segment(node)}/drain`);
      if (json === true) return cli.out.json(body);
      cli.out.lines(renderEnd({ ...readDrain(body), state: 'cancelled' }, cli.now()));
    }) as unknown as Command;
}
