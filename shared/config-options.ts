/** The table of options. Owns: that every setting's name, roles, type, bounds, default and meaning stands once, and in which order.
 *  Does not know: argv, the environment, or what follows from a setting (config.ts). The parser, `--help` and the table in the docs
 *  are made from it.
 *  Invariant: a flag `--some-name` is the environment's `BELLHOP_SOME_NAME` and the property `someName`. */
import { CLUSTER_OPTIONS } from './cluster-options.ts';
import { NODE_OPTIONS } from './node-options.ts';
import type { OptionSpec, OptionTable, Role } from './option-spec.ts';
import { PROCESS_OPTIONS } from './process-options.ts';
import { ROUTER_OPTIONS } from './router-options.ts';

export const OPTIONS = {
  ...CLUSTER_OPTIONS,
  ...ROUTER_OPTIONS,
  ...NODE_OPTIONS,
  ...PROCESS_OPTIONS,
} as const satisfies OptionTable;

export type OptionName = keyof typeof OPTIONS;
export const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[];

/** Variables of ours that are no option: the operator's commands read them (`bellhop nodes` and the like). */
export const OPERATOR_VARIABLES: readonly string[] = ['BELLHOP_URL', 'BELLHOP_API_TOKEN_FILE', 'BELLHOP_OPERATOR'];

/** The option as its general shape. */
export function specOf(name: OptionName): OptionSpec {
  return OPTIONS[name];
}

export function optionsOf(role: Role): OptionName[] {
  return OPTION_NAMES.filter((name) => specOf(name).roles.includes(role));
}

export function envNameOf(name: OptionName): string {
  return `BELLHOP_${name.toUpperCase().replaceAll('-', '_')}`;
}
