/** What can be said of an option. Owns: the shape. Does not know: any one option (config-options.ts). */

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
