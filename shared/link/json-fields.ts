/** Guards for the fields of a JSON payload. Owns: how one field is checked. Does not know: which message it belongs to.
 *  Invariant: only own properties are read and only named ones are copied, so nothing that the other side names (`__proto__`
 *  included) reaches a prototype. */
import { isUtf8 } from 'node:buffer';
import { scanJson } from '../json-scan.ts';
import { LinkProtocolError } from './protocol-error.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** Arrays and objects within each other. What clients and backends may nest (64) fits with all that is put around it; what is nested
 *  much deeper is parsed, but overflows the stack when it is written again. */
export const JSON_DEPTH_MAX = 128;

/** Parses a JSON payload.
 *  @throws LinkProtocolError 'bad-utf8' | 'bad-json' */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new LinkProtocolError('bad-utf8', 'a JSON payload is not UTF-8');
  const text = bytes.toString('utf8');
  if (isTooDeep(text)) throw new LinkProtocolError('bad-json', 'a JSON payload is nested too deeply');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new LinkProtocolError('bad-json', 'a JSON payload does not parse', cause);
  }
}

export function isTooDeep(text: string): boolean {
  return scanJson(text, JSON_DEPTH_MAX).fault === 'deep';
}

function refuse(what: string, wanted: string): never {
  throw new LinkProtocolError('bad-shape', `${what} must be ${wanted}`);
}

/** The value as an object with fields. */
export function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(what, 'an object');
  return value as Fields;
}

/** The field's value; undefined where it is absent, inherited or undefined. */
export function field(fields: Fields, key: string): unknown {
  return Object.hasOwn(fields, key) ? fields[key] : undefined;
}

/** A string of `min` to `max` UTF-16 units. */
export function text(fields: Fields, key: string, min: number, max: number): string {
  const value = field(fields, key);
  if (typeof value !== 'string' || value.length < min || value.length > max) {
    refuse(key, `a string of ${min} to ${max} characters`);
  }
  return value;
}

const NAME = /^[\x21-\x7e]{1,128}$/;

/** The name of a node, a router, an incarnation or a cluster: 1 to 128 visible ASCII characters, so that it can be logged. */
export function name(fields: Fields, key: string): string {
  const value = field(fields, key);
  if (typeof value !== 'string' || !NAME.test(value)) refuse(key, 'a name of 1 to 128 visible ASCII characters');
  return value;
}

/** What a record may be kept under, or hold: who names anything else is refused here, before a node has opened what it could not write. */
export function recordName(fields: Fields, key: string, pattern: RegExp): string {
  const value = field(fields, key);
  if (typeof value !== 'string' || !pattern.test(value)) refuse(key, 'one that a record can hold');
  return value;
}

/** `bytes` bytes in lower-case hex. */
export function hex(fields: Fields, key: string, bytes: number): string {
  const value = field(fields, key);
  if (typeof value !== 'string' || value.length !== bytes * 2 || !/^[0-9a-f]+$/.test(value)) {
    refuse(key, `${bytes} bytes in lower-case hex`);
  }
  return value;
}

/** A safe integer from `min` to `max`. */
export function integer(fields: Fields, key: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
  const value = field(fields, key);
  // -0 is an integer, but JSON writes it as 0: it is turned into 0 so that what was sent is what is received.
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
    refuse(key, `an integer from ${min} to ${max}`);
  }
  return (value as number) + 0;
}

export function flag(fields: Fields, key: string): boolean {
  const value = field(fields, key);
  if (typeof value !== 'boolean') refuse(key, 'true or false');
  return value;
}

/** One of a list of words. */
export function word<const T extends readonly string[]>(fields: Fields, key: string, words: T): T[number] {
  const value = field(fields, key);
  if (typeof value !== 'string' || !words.includes(value)) refuse(key, `one of ${words.join(', ')}`);
  return value;
}

/** A list of at most `max` items, each read by `read`. */
export function list<T>(fields: Fields, key: string, max: number, read: (item: unknown) => T): T[] {
  const value = field(fields, key);
  if (!Array.isArray(value) || value.length > max) refuse(key, `a list of at most ${max}`);
  return value.map(read);
}
