/** How an operation travels to Redis. Owns: the shape of a plan and the small readers that replies are taken apart with.
 *  Does not know: connections, or any one operation. */
import type { Args, Operation, Reply } from './directory.ts';
import type { Keys } from './keys.ts';
import type { RecordGuard } from './record-guard.ts';
import { loadScript, type Script } from './scripts.ts';

/** One script on keys of one slot. */
export interface Request {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly argv: readonly string[];
  /** Which primary runs it, where there is no key to tell: the first is 0. */
  readonly primary?: number;
  /** Index in `argv` of the run id that the script compares with its server's. A cluster's servers each have their own. */
  readonly runIdAt?: number;
  /** Counts only once a replica has it, where replicas are required. */
  readonly confirmed?: boolean;
  /** Written also by a Redis that is beyond its `maxmemory`: it takes no room to speak of, and the cluster falls silent without it. */
  readonly evenIfFull?: boolean;
}

export interface PlanContext {
  readonly keys: Keys;
  /** Certificates kept before the oldest are dropped. */
  readonly certsMax: number;
  /** How many primaries there are now. */
  readonly primaries: () => number;
  /** Signs the record of a node that is written, and tells which of those read are believed. Absent: all are. */
  readonly guard?: RecordGuard | undefined;
}

/** Control before all else; what is said in rooms; and the projections, which may be large. None stands before another. */
export type DirectoryConnection = 'control' | 'log' | 'bulk';
export const DIRECTORY_CONNECTIONS: readonly DirectoryConnection[] = ['control', 'log', 'bulk'];

export interface Plan<K extends Operation> {
  readonly connection: DirectoryConnection;
  request(args: Args<K>, context: PlanContext): Request;
  /** @throws TypeError if the reply is none of the documented ones */
  parse(raw: unknown, args: Args<K>, context: PlanContext): Reply<K>;
}

export type Plans = { readonly [K in Operation]: Plan<K> };

/** What tells that processes live and who owns what: as many small fields as there are processes and rooms; and what ends rights. */
const EVEN_IF_FULL: ReadonlySet<string> = new Set([
  'heartbeat',
  'certify',
  'leave',
  'register',
  'register-router',
  'refresh-router',
  'remove-router',
  'set-state',
  'release',
  'revoke',
  'transfer',
]);

export function scriptRequest(
  name: string,
  keys: readonly string[],
  argv: readonly string[],
  extra: Pick<Request, 'runIdAt' | 'confirmed' | 'evenIfFull'> = {},
): Request {
  return { script: loadScript(name), keys, argv, evenIfFull: EVEN_IF_FULL.has(name), ...extra };
}

export function list(raw: unknown): readonly unknown[] {
  if (!Array.isArray(raw)) throw new TypeError('expected a list');
  return raw;
}

export function text(raw: unknown): string {
  if (typeof raw !== 'string') throw new TypeError('expected a text');
  return raw;
}

export function number(raw: unknown): number {
  const value = typeof raw === 'string' && raw !== '' ? Number(raw) : Number.NaN;
  if (!Number.isFinite(value)) throw new TypeError('expected a number');
  return value;
}

/** '' stands for a value that is not there, since a list from Lua ends at its first nil. */
export function optional(raw: unknown): string | undefined {
  const value = text(raw);
  return value === '' ? undefined : value;
}

/** A flat list field, value, field, value … sorted by field. */
export function pairs(raw: unknown): [string, string][] {
  const flat = list(raw);
  const result: [string, string][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) result.push([text(flat[i]), text(flat[i + 1])]);
  return result.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

/** Splits a record into the words of its first line and the JSON after it. */
export function headAndJson(record: string): {
  readonly words: readonly string[];
  readonly json: Readonly<Record<string, unknown>>;
} {
  const newline = record.indexOf('\n');
  if (newline < 0) throw new TypeError('expected a record');
  return { words: record.slice(0, newline).split(' '), json: object(JSON.parse(record.slice(newline + 1))) };
}

/** An object whose fields are of no known type yet. */
export function object(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new TypeError('expected an object');
  return value as Readonly<Record<string, unknown>>;
}

/** A number within an object. */
export function amount(raw: unknown): number {
  if (typeof raw !== 'number' || !Number.isFinite(raw)) throw new TypeError('expected a number');
  return raw;
}

/** What is read of something that others go on without: nothing where it is not what it should be. */
export function readable<T>(read: () => T): T[] {
  try {
    return [read()];
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) return [];
    throw error;
  }
}

export function unknownReply(kind: unknown): never {
  throw new TypeError(`a reply that is not documented: ${String(kind)}`);
}
