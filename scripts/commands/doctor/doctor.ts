/** `bellhop doctor`: is this machine, and this Redis, fit for Bellhop? `bellhop doctor plan`: how large must a cluster be? */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from '@commander-js/extra-typings';
import { routerSettings } from '../../../shared/config.ts';
import { redactRedisUrl } from '../../../shared/directory/redis-url.ts';
import { findRunning } from '../../running.ts';
import type { Cli } from '../cli.ts';
import { Failure } from '../failure.ts';
import { type Line, type Piece, styled } from '../text.ts';
import { integer, rate } from '../units.ts';
import { measuredCosts } from './costs.ts';
import { type Expectations, type Finding, hostFindings, mustChange, redisFindings } from './findings.ts';
import { readHost } from './host.ts';
import { planCluster, renderClusterPlan } from './plan.ts';

const NODE_VERSION_MIN = [20, 19] as const;
const DEFAULT_REDIS_URL = 'redis://127.0.0.1:6379';
const CLIENTS = 10_000;
const RESULTS = fileURLToPath(new URL('../../../../docs/benchmarks/results.json', import.meta.url));
const MANY = 1_000_000_000;

export function doctorCommand(cli: Cli): Command {
  const doctor = new Command('doctor')
    .description('checks this machine and Redis, and prints what to change; exit code 1 where something must')
    .option('--redis-url <url>', 'Redis to check; else the one that routers here would use [BELLHOP_REDIS_URL]')
    .option('--clients <n>', 'client sockets that one router is to hold', integer(1, MANY), CLIENTS)
    .option('--no-redis', 'check this machine alone')
    .option('--json', 'the answer as JSON')
    .action(async ({ json, redisUrl, clients, redis }) => {
      const { url, expected } = expectations(redisUrl, clients);
      const servers = redis ? await (await import('./redis.ts')).readRedis(url).catch(refuseUrl) : [];
      const findings = [
        ...hostFindings(readHost(NODE_VERSION_MIN), expected),
        ...servers.flatMap((server) => redisFindings(server, expected)),
      ];
      if (json === true) cli.out.json({ findings, mustChange: mustChange(findings) });
      else cli.out.lines(renderFindings(findings));
      if (mustChange(findings)) cli.end('failed');
    });
  doctor.addCommand(planCommand(cli));
  return doctor as unknown as Command;
}

function planCommand(cli: Cli): Command {
  return new Command('plan')
    .description('says how many routers, nodes, and how much Redis and memory a load needs, from measured costs')
    .requiredOption('--clients <n>', 'clients in all', integer(1, MANY))
    .requiredOption('--rooms <n>', 'rooms in all', integer(1, MANY))
    .requiredOption('--rate <n>', 'messages said a second, in all rooms together', rate)
    .option('--bytes <n>', 'size of a message', integer(1, 1_048_576), 128)
    .option('--relay', 'rooms keep no log in Redis')
    .option('--log-messages <n>', 'messages that a room’s log keeps', integer(1, 100_000), 1_000)
    .option('--busy <percent>', 'how busy a core may be on purpose', integer(5, 95), 50)
    .option('--spare <n>', 'routers and nodes that may be lost', integer(0, 64), 1)
    .option('--json', 'the answer as JSON')
    .action(({ json, clients, rooms, rate: said, bytes, relay, logMessages, busy, spare }) => {
      const load = { clients, rooms, rate: said, bytes, durable: relay !== true, logMessages };
      const limits = { busyMax: busy / 100, spare, clientsPerRouterMax: routerSettings([]).connectionsMax / 2 };
      const { costs, source } = readCosts();
      const plan = planCluster(load, costs, limits);
      if (json === true) cli.out.json({ ...plan, costs, source });
      else cli.out.lines(renderClusterPlan(plan, limits, source));
    }) as unknown as Command;
}

export function renderFindings(findings: readonly Finding[]): Line[] {
  const marks: Readonly<Record<Finding['level'], Piece>> = {
    ok: styled('green', 'ok      '),
    advice: styled('yellow', 'advice  '),
    change: styled('red', 'change  '),
  };
  const changes = findings.filter(({ level }) => level === 'change').length;
  const advices = findings.filter(({ level }) => level === 'advice').length;
  return [
    ...findings.flatMap(({ about, level, says, command }): Line[] => [
      [marks[level], styled('bold', about), `: ${says}`],
      ...(command === undefined || level === 'ok' ? [] : [`          ${command}`]),
    ]),
    '',
    changes === 0
      ? `Nothing must change; ${advices} could be better.`
      : styled('red', `${changes} of ${findings.length} must change; ${advices} could be better.`),
  ];
}

function expectations(
  redisUrl: string | undefined,
  clients: number,
): { readonly url: string; readonly expected: Expectations } {
  const {
    redisUrl: given,
    commandTimeoutMs,
    replicas,
  } = routerSettings(redisUrl === undefined ? [] : [`--redis-url=${redisUrl}`]);
  const running = given === undefined ? findRunning() : undefined;
  return {
    url: given ?? running?.redisUrl ?? DEFAULT_REDIS_URL,
    expected: { clients, commandTimeoutMs, replicasWanted: replicas, isRedisPrivate: running?.isRedisPrivate === true },
  };
}

function refuseUrl(error: unknown): never {
  if (error instanceof RangeError) throw new Failure('wrong', redactRedisUrl(`--redis-url: ${error.message}.`), error);
  throw error;
}

/** Of this checkout's last bench, else those that are written down. */
function readCosts(): { readonly costs: ReturnType<typeof measuredCosts>; readonly source: string } {
  try {
    const results = JSON.parse(readFileSync(RESULTS, 'utf8')) as unknown;
    return { costs: measuredCosts(results), source: 'measured, docs/benchmarks/results.json' };
  } catch {
    return { costs: measuredCosts(undefined), source: 'as measured on 2026-11-25' };
  }
}
