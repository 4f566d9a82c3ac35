/** What a chaos run is asked for. Owns: its flags. */
import { parseArgs } from 'node:util';
import { OPTIONS } from '../../shared/config-options.ts';
import type { RoomClass } from './history/events.ts';
import { PART_IDS, type PartId } from './part.ts';

export interface ChaosOptions {
  /** How many rounds of which parts. */
  readonly rounds: ReadonlyMap<PartId, number>;
  readonly evidence: boolean;
  /** With parts that were saved before and are not run again. */
  readonly resume: boolean;
  readonly docs: boolean;
  readonly out: string | undefined;
  /** Nothing but JSON on stdout. */
  readonly json: boolean;
  readonly seed: number;
  readonly roomClass: RoomClass;
  readonly nodes: number;
  readonly routers: number;
  /** Absent: as each part has it. */
  readonly rooms: number | undefined;
  readonly clients: number | undefined;
  readonly rate: number | undefined;
  readonly mixedMs: number;
  readonly awayMs: number | undefined;
}

export const HELP = `Usage: npm run chaos -- [faults] [load] [output]

Faults on a cluster of real processes under load; what was said and heard is checked afterwards.
  --kills <n>             SIGKILL of a node; its supervisor certifies it
  --kills-patience <n>    SIGKILL of a node; nobody can prove its death
  --pauses <n>            SIGSTOP of a node for 4 to 10 s
  --drains <n>            SIGTERM to a node, then a node is added
  --routers-killed <n>    SIGKILL of a router; its clients resume at others (2,000 clients)
  --redis-restarts <n>    SIGKILL of Redis, back with its data
  --redis-empties <n>     SIGKILL of Redis, back empty
  --redis-pauses <n>      SIGSTOP of Redis
  --failovers <n>         the primary dies, its replica takes its place behind the same address
  --redis-failovers <n>   the primary dies, sentinels promote its replica
  --away <s>              Redis is away for so long; --away-relay the same with relay rooms
  --partitions <n>        node–Redis, router–node and router–Redis cut, each way
  --mixed --seconds <n>   all of it at random, two at once now and then (60 s)
  --evidence              the whole table of numbers; --parts kills,pauses for some of it, --resume for what is missing
  --seed <n>              of the random choices (1)
Load:
  --nodes 3 --routers 2 --class durable|relay (else as nodes have it by default); --rooms, --clients, --rate (publishes/s) instead of each part's own
Output:
  --out <folder>          where each part is saved as it ends (.bellhop/chaos)
  --docs                  writes docs/evidence.md and its charts from what is saved
  --json                  JSON alone on stdout

Prints tables and, as the last line, the same as JSON. Exit code 1 where a promise was broken.
`;

/** Flags that name a part and how often. */
const COUNTED = {
  kills: 'kills',
  'kills-patience': 'kills-patience',
  pauses: 'pauses',
  drains: 'drains',
  'routers-killed': 'routers',
  'redis-restarts': 'redis-restarts',
  'redis-empties': 'redis-empties',
  'redis-pauses': 'redis-pauses',
  failovers: 'failovers',
  'redis-failovers': 'redis-failovers',
  partitions: 'partitions',
} as const satisfies Record<string, PartId>;

/** @throws Error with one sentence for what cannot be understood */
export function readOptions(
  argv: readonly string[],
  evidence: Readonly<Record<PartId, number>>,
): ChaosOptions | 'help' {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args: [...argv],
    options: {
      kills: text,
      'kills-patience': text,
      pauses: text,
      drains: text,
      'routers-killed': text,
      'redis-restarts': text,
      'redis-empties': text,
      'redis-pauses': text,
      failovers: text,
      'redis-failovers': text,
      partitions: text,
      away: text,
      'away-relay': text,
      mixed: flag,
      seconds: text,
      evidence: flag,
      parts: text,
      resume: flag,
      docs: flag,
      out: text,
      json: flag,
      seed: text,
      class: text,
      nodes: text,
      routers: text,
      rooms: text,
      clients: text,
      rate: text,
      help: { ...flag, short: 'h' },
    },
  });
  if (values.help) return 'help';
  const rounds = new Map<PartId, number>();
  for (const [name, part] of Object.entries(COUNTED)) {
    const value = values[name as keyof typeof COUNTED];
    if (value !== undefined) rounds.set(part, whole(name, value, 0));
  }
  const seconds = (name: 'away' | 'away-relay'): number | undefined => optional(name, values[name], 1);
  const [away, awayRelay] = [seconds('away'), seconds('away-relay')];
  if (away !== undefined) rounds.set('away', 1);
  if (awayRelay !== undefined) rounds.set('away-relay', 1);
  if (values.mixed) rounds.set('mixed', 1);
  const chosen = values.parts?.split(',') ?? (values.evidence ? PART_IDS : []);
  for (const name of chosen) {
    const part = PART_IDS.find((id) => id === name);
    if (part === undefined) throw new Error(`--parts knows ${PART_IDS.join(', ')}; not ${name}`);
    if (!rounds.has(part)) rounds.set(part, evidence[part]);
  }
  for (const [part, times] of rounds) if (times === 0) rounds.delete(part);
  if (rounds.size === 0 && !values.docs) return 'help';
  const roomClass: string = values.class ?? OPTIONS.durability.default;
  if (roomClass !== 'durable' && roomClass !== 'relay') throw new Error('--class must be relay or durable');
  const awaySeconds = away ?? awayRelay;
  return {
    rounds,
    evidence: values.evidence || values.parts !== undefined,
    resume: values.resume,
    docs: values.docs,
    out: values.out,
    json: values.json,
    seed: whole('seed', values.seed ?? '1', 0),
    roomClass,
    nodes: whole('nodes', values.nodes ?? '3', 2),
    routers: whole('routers', values.routers ?? '2', 2),
    rooms: optional('rooms', values.rooms, 1),
    clients: optional('clients', values.clients, 1),
    rate: optional('rate', values.rate, 1),
    mixedMs: whole('seconds', values.seconds ?? '60', 1) * 1_000,
    awayMs: awaySeconds === undefined ? undefined : awaySeconds * 1_000,
  };
}

function optional(name: string, text: string | undefined, least: number): number | undefined {
  return text === undefined ? undefined : whole(name, text, least);
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new Error(`--${name} must be a whole number, at least ${least}`);
  return value;
}
