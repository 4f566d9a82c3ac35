/** `bellhop restart --rolling`: every node anew, one at a time, and no client notices. Owns: how a node is started again: by the
 *  supervisor of the cluster that runs from here, by the operator's own command, or by whatever else starts it. */
import { spawn } from 'node:child_process';
import type { Command } from '@commander-js/extra-typings';
import { isNodeId } from '../../shared/ids.ts';
import { giveOrder } from '../control-socket.ts';
import { type ApiClient, ApiFailure, segment } from './api-client.ts';
import { asking, type Cli } from './cli.ts';
import { drainBody, follow, readDrain } from './drain-progress.ts';
import { Failure } from './failure.ts';
import { fieldsOf, listOf, numberOf, textOf } from './fields.ts';
import { type NodeState, type RollingEnd, type RollingPorts, roll, type Settling } from './rolling.ts';
import { styled } from './text.ts';
import { duration, rate, span, timeOfDay } from './units.ts';

const MINUTE_MS = 60_000;
const DRAIN_MS = 5 * MINUTE_MS;
const JOIN_MS = 2 * MINUTE_MS;
const SETTLE_MS = 15 * MINUTE_MS;
const COMMAND_MS = 5 * MINUTE_MS;
const SUPERVISOR_MS = 15 * MINUTE_MS;
const QUESTION_MS = 5_000;

export function restartCommand(cli: Cli, control: string | undefined): Command {
  return asking('restart', 'starts nodes again, one after another, without a client noticing')
    .requiredOption('--rolling', 'drain, start again, wait until it has joined and has its rooms; then the next one')
    .option('--only <node,…>', 'only these nodes, in this order')
    .option(
      '--restart-command <command>',
      'starts a drained node again, run by sh with {node} filled in: systemctl restart bellhop-node@{node}',
    )
    .option('--deadline <time>', 'how long one node’s drain may take', duration, DRAIN_MS)
    .option('--rate <n>', 'rooms a second at most', rate)
    .option('--join-timeout <time>', 'how long a node that was started again has to join', duration, JOIN_MS)
    .option('--settle-timeout <time>', 'how long rebalancing may take after each node', duration, SETTLE_MS)
    .option('--no-settle', 'go on once a node has joined: sooner over, and rooms move more often')
    .action(async ({ json, only, restartCommand, deadline, rate, joinTimeout, settleTimeout, settle, ...flags }) => {
      const router = await cli.router(flags);
      const supervised = restartCommand === undefined ? await supervisedNodes(router, control) : undefined;
      const say = (node: string, what: string) =>
        cli.err.line([styled('faint', `${timeOfDay(cli.now(), cli.now())}  `), styled('bold', node), ` ${what}`]);
      const restart = async (node: string): Promise<void> => {
        if (restartCommand !== undefined) return await runCommand(restartCommand, node);
        if (supervised?.nodes.includes(node) === true) return await askSupervisor(supervised.control, node);
        say(node, 'is drained and waits for whatever starts it again: end it and start it now');
      };
      const ports: RollingPorts = {
        nodes: () => nodesOf(router),
        drain: (node) => drainNode(cli, router, node, { deadline, rate }, say),
        restart,
        settling: async () => (settle ? await settlingOf(router) : undefined),
        waits: (node, what) => cli.err.isTerminal && cli.err.progress(`${node} ${what}`),
        pause: (ms) => cli.pause(ms),
        now: () => cli.now(),
        say,
      };
      const names = only === undefined ? [] : only.split(',').map((name) => name.trim());
      const ended = await roll(ports, { only: names, joinMs: joinTimeout, settleMs: settleTimeout });
      tell(cli, ended, json === true);
    }) as unknown as Command;
}

function tell(cli: Cli, ended: RollingEnd, json: boolean): void {
  if (json) cli.out.json(ended);
  else for (const { node, tookMs } of ended.restarted) cli.out.line(`${node} was started again in ${span(tookMs)}.`);
  if (ended.kind === 'done') return;
  cli.err.line(
    `Interrupted at ${ended.at}, which is away or not settled yet: bellhop nodes and bellhop moves say how it stands.`,
  );
  cli.end('interrupted');
}

async function nodesOf(router: ApiClient): Promise<readonly NodeState[]> {
  return listOf(fieldsOf(await router.get('/nodes'))['nodes']).map((node) => ({
    node: textOf(node['node']),
    incarnation: textOf(node['incarnation']),
    state: textOf(node['state']),
    rooms: numberOf(node['rooms']) ?? 0,
    linked: node['linked'] === true,
    heartbeatAgeMs: numberOf(node['heartbeatAgeMs']),
  }));
}

async function drainNode(
  cli: Cli,
  router: ApiClient,
  node: string,
  pace: { readonly deadline: number; readonly rate: number | undefined },
  say: (node: string, what: string) => void,
): Promise<string | undefined> {
  const answer = await router.post(`/nodes/${segment(node)}/drain`, drainBody(pace)).catch(ifUnknown);
  // Routers that know no drains: a node that is told to end hands its rooms over first.
  if (answer === undefined) return undefined;
  const begun = readDrain(answer);
  const ended = await follow(cli, router, begun, (line) => say(node, line));
  if (ended === undefined) return `interrupted: it goes on, and bellhop undrain ${node} undoes it.`;
  if (ended.state === 'done') return undefined;
  const why = ended.why === undefined ? '' : ` (${ended.why})`;
  if (ended.state === 'cancelled') return 'somebody undid the drain.';
  return `${ended.left} rooms are left after ${span(pace.deadline)}${why}. They are still served there: undo it with bellhop undrain ${node}, or give a longer --deadline.`;
}

/** Nodes whose supervisor takes orders here, if the router that is asked belongs to the same cluster. */
async function supervisedNodes(
  router: ApiClient,
  control: string | undefined,
): Promise<{ readonly control: string; readonly nodes: readonly string[] } | undefined> {
  if (control === undefined) return undefined;
  const reply = await giveOrder(control, { order: 'nodes' }, QUESTION_MS).catch(() => undefined);
  if (reply?.ok !== true || reply.nodes === undefined) return undefined;
  const known = new Set((await nodesOf(router)).map(({ node }) => node));
  return reply.nodes.every((node) => known.has(node)) ? { control, nodes: reply.nodes } : undefined;
}

async function askSupervisor(control: string, node: string): Promise<void> {
  const reply = await giveOrder(control, { order: 'renew', node }, SUPERVISOR_MS);
  if (!reply.ok) throw new Failure('failed', `its supervisor says: ${reply.why}`);
}

/** Runs the operator's command. Its output is the operator's to read, and goes to stderr. */
function runCommand(template: string, node: string): Promise<void> {
  // Nothing that a shell could take for more than a word.
  if (!isNodeId(node)) throw new Failure('failed', 'the node’s name is not one');
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', template.replaceAll('{node}', node)], { stdio: ['ignore', 2, 2] });
    const timer = setTimeout(() => child.kill('SIGTERM'), COMMAND_MS);
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else reject(new Error(`the restart command ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}

/** A cluster whose routers know no rebalancing has none to wait for. */
async function settlingOf(router: ApiClient): Promise<Settling | undefined> {
  const body = await router.get('/moves').catch(ifUnknown);
  return body === undefined ? undefined : readSettling(body);
}

function ifUnknown(error: unknown): undefined {
  if (error instanceof ApiFailure && error.isUnknownRoute) return undefined;
  throw error;
}

export function readSettling(body: unknown): Settling {
  const { state, why, nodes } = fieldsOf(body);
  const rows = listOf(nodes);
  const sum = (name: string) => rows.reduce((all, row) => all + (numberOf(row[name]) ?? 0), 0);
  const share = Math.min(1, ...rows.map((row) => numberOf(row['share']) ?? 1));
  const [elsewhere, moving] = [sum('belongElsewhere'), sum('moving')];
  const isSettled = state === 'idle' && elsewhere === 0 && moving === 0 && share === 1;
  const reason = typeof why === 'string' ? ` (${why})` : '';
  const taken = share === 1 ? '' : `, a node has ${Math.round(share * 100)} % of its weight`;
  return { isSettled, says: `${textOf(state)}${reason}, ${elsewhere} rooms to move${taken}` };
}
