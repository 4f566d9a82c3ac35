/** What a chaos run is asked for. Owns: its flags. */
import { parseArgs } from 'node:util';

export interface ChaosOptions {
  readonly kills: number;
  readonly drains: number;
  readonly pauses: number;
  readonly redis: boolean;
  /** Faults of a storm, and the seed of their order. */
  readonly storm: number;
  readonly seed: number;
  /** Whether deaths may be proved; without, routers find out by patience alone. */
  readonly proof: boolean;
  readonly rooms: number;
  readonly clients: number;
  readonly nodes: number;
  readonly routers: number;
  /** Publishes a second, all rooms together. */
  readonly rate: number;
  readonly pauseMs: number;
  readonly redisAwayMs: number;
}

export const HELP = `Usage: npm run chaos -- [faults] [load]

Faults, one after another, on a cluster of real processes under load:
  --kills <n>          kill -9 of one node after another
  --no-supervisor      nobody may prove a death: routers certify by patience alone
  --drains <n>         SIGTERM to one node after another
  --pauses <n>         SIGSTOP of a node for --pause-ms (10000), then SIGCONT
  --redis              Redis killed for --redis-away-ms (10000) and back with its data; emptied; back empty
  --storm <n>          n faults of every kind in the random order of --seed, while clients break their sockets and
                       come back (closed sockets and told losses are then no fault)
Load:
  --rooms 100 --clients 400 --nodes 3 --routers 2 --rate 1000

Prints a table and, as the last line, the same as JSON. Exit code 1 where a promise was broken.
`;

/** @throws Error with one sentence for what cannot be understood */
export function readOptions(argv: readonly string[]): ChaosOptions | 'help' {
  const text = (fallback: string) => ({ type: 'string', default: fallback }) as const;
  const { values } = parseArgs({
    args: [...argv],
    options: {
      kills: text('0'),
      drains: text('0'),
      pauses: text('0'),
      redis: { type: 'boolean', default: false },
      storm: text('0'),
      seed: text('1'),
      'no-supervisor': { type: 'boolean', default: false },
      rooms: text('100'),
      clients: text('400'),
      nodes: text('3'),
      routers: text('2'),
      rate: text('1000'),
      'pause-ms': text('10000'),
      'redis-away-ms': text('10000'),
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const options: ChaosOptions = {
    kills: whole('kills', values.kills, 0),
    drains: whole('drains', values.drains, 0),
    pauses: whole('pauses', values.pauses, 0),
    redis: values.redis,
    storm: whole('storm', values.storm, 0),
    seed: whole('seed', values.seed, 0),
    proof: !values['no-supervisor'],
    rooms: whole('rooms', values.rooms, 1),
    clients: whole('clients', values.clients, 1),
    nodes: whole('nodes', values.nodes, 2),
    routers: whole('routers', values.routers, 1),
    rate: whole('rate', values.rate, 1),
    pauseMs: whole('pause-ms', values['pause-ms'], 0),
    redisAwayMs: whole('redis-away-ms', values['redis-away-ms'], 0),
  };
  if (options.kills + options.drains + options.pauses + options.storm === 0 && !options.redis) return 'help';
  return options;
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(`--${name} must be a whole number, at least ${least}`);
  return value;
}
