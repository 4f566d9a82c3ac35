/** Turns argv and the environment into checked values by the table of options. Owns: the syntax of flags, what each type accepts,
 *  and the sentences for what it does not. Does not know: any single option, or relations between them (config.ts).
 *  Invariant: a secret's value is never part of a sentence. */
import { parseArgs } from 'node:util';
import { envNameOf, OPERATOR_VARIABLES, OPTION_NAMES, type OptionName, optionsOf, specOf } from './config-options.ts';
import type { OptionSpec, Role } from './option-spec.ts';

/** Wrong settings. The message is one sentence for the operator; whoever catches it exits with code 2. */
export class ConfigError extends Error {
  readonly code = 'config';
  readonly retryable = false;

  constructor(message: string) {
    super(message);
    this.name = 'ConfigError';
  }
}

type Value = string | number | boolean | readonly string[] | undefined;

export interface Parsed {
  readonly role: Role;
  /** By camel-case name; every option of the role is there. */
  readonly values: Readonly<Record<string, Value>>;
  /** Options that were given as flags, with their texts. */
  readonly flags: ReadonlyMap<OptionName, readonly string[]>;
  /** Where each value comes from. */
  readonly sources: ReadonlyMap<OptionName, 'flag' | 'env' | 'default'>;
  readonly warnings: readonly string[];
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['true', '1', 'yes', 'on'].map((text) => [text, true] as const),
  ...['false', '0', 'no', 'off'].map((text) => [text, false] as const),
]);

/** Reads and checks every option of `role`. A flag outweighs the environment, an empty variable counts as not set.
 *  @throws ConfigError */
export function parseOptions(
  role: Role,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Parsed {
  const flags = readFlags(role, argv);
  const values: Record<string, Value> = {};
  const sources = new Map<OptionName, 'flag' | 'env' | 'default'>();
  for (const name of optionsOf(role)) {
    const spec = specOf(name);
    const flag = flags.get(name);
    const variable = env[envNameOf(name)];
    if (flag !== undefined) {
      values[camelCase(name)] = readValue(`--${name}`, spec, flag);
      sources.set(name, 'flag');
    } else if (variable !== undefined && variable !== '') {
      values[camelCase(name)] = readValue(envNameOf(name), spec, [variable]);
      sources.set(name, 'env');
    } else {
      values[camelCase(name)] = defaultOf(spec, role);
      sources.set(name, 'default');
    }
  }
  return { role, values, flags, sources, warnings: unknownVariables(env) };
}

/** What a process of `role` needs, beside the inherited environment, to get the settings that were parsed for the one that
 *  starts it: secrets in the environment, all else as flags. From `start`, variables of options that it does not have are cleared: they
 *  would give one id or port to all. */
export function handOn(
  parsed: Parsed,
  role: 'router' | 'node',
): { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string | undefined>> } {
  const argv: string[] = [];
  const env: Record<string, string | undefined> = {};
  for (const name of optionsOf(role)) {
    const spec = specOf(name);
    const texts = parsed.flags.get(name);
    if (!spec.roles.includes(parsed.role)) {
      env[envNameOf(name)] = undefined;
    } else if (texts !== undefined && spec.secret === true) {
      env[envNameOf(name)] = texts.join(',');
    } else if (texts !== undefined) {
      for (const text of texts) argv.push(spec.type === 'boolean' ? booleanFlag(name, text) : `--${name}=${text}`);
    } else if (parsed.role === 'start' && spec.startDefault !== undefined && parsed.sources.get(name) === 'default') {
      argv.push(`--${name}=${spec.startDefault}`);
    }
  }
  return { argv, env };
}

export function defaultOf(spec: OptionSpec, role: Role): Value {
  return role === 'start' ? (spec.startDefault ?? spec.default) : spec.default;
}

function booleanFlag(name: string, text: string): string {
  return BOOLEANS.get(text) === true ? `--${name}` : `--no-${name}`;
}

function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_dash, letter: string) => letter.toUpperCase());
}

function readFlags(role: Role, argv: readonly string[]): Map<OptionName, readonly string[]> {
  const names = new Map<string, OptionName>();
  for (const name of optionsOf(role)) {
    names.set(name, name);
    const { alias } = specOf(name);
    if (alias !== undefined) names.set(alias, name);
  }
  const types = Object.fromEntries(
    [...names].map(([flag, name]) => [flag, { type: specOf(name).type === 'boolean' ? 'boolean' : 'string' } as const]),
  );
  const { tokens } = parseArgs({
    args: [...argv],
    options: types,
    strict: false,
    tokens: true,
    allowPositionals: true,
  });
  const flags = new Map<OptionName, readonly string[]>();
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') throw new ConfigError(`Unexpected argument ${quoted(token.value)}.`);
    const negative = !names.has(token.name) && token.name.startsWith('no-');
    const flag = negative ? token.name.slice(3) : token.name;
    const name = names.get(flag);
    if (name === undefined) throw new ConfigError(unknownFlag(role, token.rawName, flag, [...names.keys()]));
    const text = textOf(token, name, negative);
    const repeatable = specOf(name).type === 'list';
    flags.set(name, repeatable ? [...(flags.get(name) ?? []), text] : [text]);
  }
  return flags;
}

function textOf(
  token: { readonly rawName: string; readonly value?: string | undefined; readonly inlineValue?: boolean | undefined },
  name: OptionName,
  negative: boolean,
): string {
  const { value, inlineValue, rawName } = token;
  if (specOf(name).type === 'boolean') {
    if (value === undefined) return String(!negative);
    if (negative) throw new ConfigError(`${rawName} takes no value.`);
    return value;
  }
  if (negative) throw new ConfigError(`--${name} is not a switch: there is no ${rawName}.`);
  // Without `=`, what looks like the next flag is more likely that than a value.
  if (value === undefined || (inlineValue !== true && value.startsWith('--'))) {
    throw new ConfigError(`${rawName} needs a value.`);
  }
  return value;
}

function unknownFlag(role: Role, rawName: string, flag: string, known: readonly string[]): string {
  const elsewhere = OPTION_NAMES.find((name) => name === flag);
  if (elsewhere !== undefined) {
    return `${rawName} is not an option of ${role}, but of ${specOf(elsewhere).roles.join(' and ')}.`;
  }
  const near = nearest(flag, known);
  if (near !== undefined) return `Unknown option ${rawName}: did you mean --${near}?`;
  return `Unknown option ${rawName}: see bellhop ${role} --help.`;
}

function readValue(label: string, spec: OptionSpec, texts: readonly string[]): Value {
  const text = texts[0] ?? '';
  const shown = spec.secret === true ? 'what was given' : quoted(text);
  switch (spec.type) {
    case 'boolean': {
      const value = BOOLEANS.get(text);
      if (value === undefined) throw new ConfigError(`${label} must be true or false, not ${shown}.`);
      return value;
    }
    case 'integer':
    case 'duration':
    case 'number': {
      const pattern = spec.type === 'number' ? /^-?\d{1,15}(\.\d{1,15})?$/ : /^-?\d{1,15}$/;
      const what = { integer: 'a whole number', duration: 'a whole number of milliseconds', number: 'a number' }[
        spec.type
      ];
      const value = Number(text);
      const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = spec;
      if (!pattern.test(text) || value < min || value > max) {
        throw new ConfigError(`${label} must be ${what} from ${min} to ${max}, not ${shown}.`);
      }
      return value;
    }
    case 'string':
      checkText(label, spec, text, shown);
      return text;
    case 'list': {
      const items = texts.flatMap((one) => one.split(',')).map((item) => item.trim());
      const given = items.filter((item) => item !== '');
      for (const item of given) checkText(label, spec, item, spec.secret === true ? shown : quoted(item));
      return given;
    }
    default:
      return spec.type satisfies never;
  }
}

function checkText(label: string, spec: OptionSpec, text: string, shown: string): void {
  if (spec.choices !== undefined && !spec.choices.includes(text)) {
    throw new ConfigError(`${label} must be one of ${spec.choices.join(', ')}, not ${shown}.`);
  }
  if (text === '') throw new ConfigError(`${label} needs a value.`);
  const { min = 1, max = 4_096 } = spec;
  if (text.length < min || text.length > max) {
    throw new ConfigError(`${label} must have ${min} to ${max} characters, not ${text.length}.`);
  }
}

/** Variables that look like ours and are not: a misspelt setting must not go unnoticed. What Kubernetes sets for a service of
 *  that name, and what the tests read, is left alone. */
function unknownVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  const known = new Set([...OPTION_NAMES.map(envNameOf), ...OPERATOR_VARIABLES]);
  return Object.keys(env)
    .filter((name) => name.startsWith('BELLHOP_') && !known.has(name))
    .filter((name) => !/^BELLHOP_TEST_|_(SERVICE_(HOST|PORT)|PORT)(_|$)/.test(name))
    .map((name) => {
      const near = nearest(name, [...known]);
      return `The environment has ${quoted(name)}, which is not an option${near === undefined ? '' : `: did you mean ${near}?`}`;
    });
}

function nearest(text: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(3, Math.ceil(text.length / 2)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(text, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein's distance, of texts cut to 64 characters. */
function editDistance(a: string, b: string): number {
  const [left, right] = [a.slice(0, 64), b.slice(0, 64)];
  let row = Array.from({ length: right.length + 1 }, (_, j) => j);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}

/** A text of the operator's, safe on a terminal and of bounded length. */
function quoted(text: string): string {
  const cut = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  return JSON.stringify(cut).replace(/[\u007f-\u009f\u2028\u2029]/g, '?');
}
