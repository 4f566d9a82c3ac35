/** What can be said of an option. Owns: the shape of a row, and what rows have in common. Does not know: any one option (config-options.ts
 *  has them all). */
import { DEFAULT_TIMINGS } from './timing.ts';

/** What a process is started as. `start` runs a whole cluster on this machine and hands on what it was given. */
export type Role = 'start' | 'router' | 'node';

export interface OptionSpec {
  readonly roles: readonly Role[];
  /** `duration` is an integer of milliseconds; a `list` may be repeated, or separated by commas. */
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'list' | 'duration';
  readonly unit?: 'bytes' | 'messages/s' | 'connections/s';
  /** Absent: undefined unless given. */
  readonly default?: string | number | boolean | readonly string[];
  /** Takes the place of `default` under `start`. */
  readonly startDefault?: string | number;
  /** Bounds of a number, or of a text's (each list item's) length. */
  readonly min?: number;
  readonly max?: number;
  readonly choices?: readonly string[];
  /** Another spelling of the flag. */
  readonly alias?: string;
  /** Never shown again, and better given by the environment: a command line is public on its machine. */
  readonly secret?: true;
  /** Given by Bellhop to what it starts, not by people. */
  readonly internal?: true;
  readonly doc: string;
}

export type OptionTable = Readonly<Record<string, OptionSpec>>;

export const ALL = ['start', 'router', 'node'] as const;
export const ROUTER = ['start', 'router'] as const;
export const NODE = ['start', 'node'] as const;
export const WORKERS = ['router', 'node'] as const;
export const HOUR = 3_600_000;
export const MIB = 1_048_576;

export function duration<const R extends readonly Role[]>(roles: R, ms: number, min: number, max: number, doc: string) {
  return { roles, type: 'duration', default: ms, min, max, doc } as const;
}

/** One of the periods of timing.ts. */
export function timing(name: keyof typeof DEFAULT_TIMINGS, doc: string) {
  return duration(ALL, DEFAULT_TIMINGS[name], 1, HOUR, doc);
}
