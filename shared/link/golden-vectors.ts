/** Reads golden.json for the tests: every message of the link as bytes. Owns: how the file is read, and how bytes are compared.
 *  The file was written from the table in frame-header.ts by other code than the encoder's, and is changed only together with
 *  the protocol's version. In it `{"$hex": …}` is a buffer, `$repeat` and pairs in `hex` shorten long runs. */
import { readFileSync } from 'node:fs';
import type { LinkMessage } from './messages.ts';

export interface GoldenVector {
  readonly name: string;
  readonly message: LinkMessage;
  readonly bytes: Buffer;
}

type Run = string | [string, number];

function bytesOf(hex: string | Run[]): Buffer {
  if (typeof hex === 'string') return Buffer.from(hex, 'hex');
  return Buffer.concat(
    hex.map((run) => (typeof run === 'string' ? Buffer.from(run, 'hex') : Buffer.alloc(run[1], run[0], 'hex'))),
  );
}

export function readGolden(): GoldenVector[] {
  const text = readFileSync(new URL('./golden.json', import.meta.url), 'utf8');
  const vectors = JSON.parse(text, (_key, value) => {
    if (typeof value !== 'object' || value === null) return value;
    if ('$hex' in value) return Buffer.from(value.$hex, 'hex');
    if ('$hex-repeat' in value) return bytesOf([value['$hex-repeat']]);
    if ('$repeat' in value) return value.$repeat[0].repeat(value.$repeat[1]);
    return value;
  }) as { name: string; message: LinkMessage; hex: string | Run[] }[];
  return vectors.map(({ name, message, hex }) => ({ name, message, bytes: bytesOf(hex) }));
}

/** For `expect.addEqualityTesters`: buffers are compared as bytes, which takes a thousandth of the time of comparing them as objects. */
export function sameBytes(one: unknown, other: unknown): boolean | undefined {
  return Buffer.isBuffer(one) && Buffer.isBuffer(other) ? one.equals(other) : undefined;
}
