/** What every implementation of the directory refuses to store. Owns: the shape of ids, tokens and numbers that become part of a
 *  record's text. Does not know: what an operation does. Both implementations ask here first, so that both refuse the same.
 *  Invariant: nothing that passes can be read back as another record than the one written. */
import type { Args, Operation } from './directory.ts';
import { ID_PATTERN, USER_PATTERN } from './keys.ts';

/** Incarnations, nonces and names of histories: they stand in records between spaces, colons and dots. */
const TOKEN_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;
/** Sessions are fields of a hash; `*` is taken by the head of a presence. */
const SESSION_PATTERN = /^[A-Za-z0-9_-][A-Za-z0-9._~:@-]{0,127}$/;

const TOKENS = new Set(['incarnation', 'nonce', 'gen', 'newGen']);
const IDS = new Set(['room', 'node', 'router']);
const COUNTS = new Set(['epoch', 'floor', 'head', 'counter', 'limit', 'rooms', 'sessions', 'ver', 'view']);
const NESTED = new Set(['triple', 'to', 'seen', 'numbering', 'by', 'record', 'known', 'load']);

/** Checks the arguments of one operation.
 *  @throws RangeError naming the argument: a mistake of the caller, never retryable */
export function checkArgs<K extends Operation>(operation: K, args: Args<K>): void {
  check(operation, args);
}

function check(operation: Operation, args: object): void {
  for (const [name, value] of Object.entries(args)) {
    if (value === undefined) continue;
    const fail = (): never => {
      throw new RangeError(`${operation}: not a valid ${name}: ${JSON.stringify(value)?.slice(0, 300)}`);
    };
    if (TOKENS.has(name)) {
      if (!matches(TOKEN_PATTERN, value)) fail();
    } else if (IDS.has(name)) {
      if (!matches(ID_PATTERN, value)) fail();
    } else if (COUNTS.has(name)) {
      if (!isCount(value)) fail();
    } else if (NESTED.has(name)) {
      if (typeof value !== 'object' || value === null) fail();
      check(operation, value);
    } else if (name === 'user') {
      if (!matches(USER_PATTERN, value)) fail();
    } else if (name === 'weight' || name === 'asOf') {
      if (!Number.isFinite(value) || value < 0) fail();
    } else if (name === 'expireMs') {
      if (!isCount(value) || value === 0) fail();
    } else if (name === 'set') {
      for (const [session, entry] of Object.entries(value as Readonly<Record<string, object>>)) {
        if (!matches(SESSION_PATTERN, session) || ('epoch' in entry && !isCount(entry.epoch))) fail();
      }
    } else if (name === 'remove') {
      for (const entry of value as readonly (string | { readonly session: string; readonly epoch: number })[]) {
        const session = typeof entry === 'string' ? entry : entry.session;
        if (!matches(SESSION_PATTERN, session) || (typeof entry !== 'string' && !isCount(entry.epoch))) fail();
      }
    }
  }
}

function matches(pattern: RegExp, value: unknown): boolean {
  return typeof value === 'string' && pattern.test(value);
}

/** A whole number that neither Lua nor JSON rounds. */
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
