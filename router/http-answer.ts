/** One request and its answer, as a route sees them. Owns: the reading of parameters and bodies, the one shape of errors.
 *  Does not know: routes, the cluster.
 *  Invariant: every request that is answered here gets exactly one answer, and a fault never shows more than its code's text. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { DirectoryError } from '../shared/directory/directory.ts';
import { BellhopError, errorBody, errorRow } from '../shared/errors.ts';
import { isUserId, parseRoomId } from '../shared/ids.ts';
import { hasRepeatedKey, scanJson } from '../shared/json-scan.ts';
import { asBellhopError } from './ask.ts';

export const BODY_BYTES_MAX = 65_536;
const DEPTH_MAX = 64;

/** What a route answers. */
export interface Answer {
  readonly status: number;
  /** Sent as JSON, unless `text` is there. */
  readonly body?: unknown;
  readonly text?: string;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Takes the response over, and ends it. */
  readonly stream?: (response: ServerResponse) => void;
}

export function ok(body: unknown): Answer {
  return { status: 200, body };
}

/** The answer that a fault becomes. */
export function errorAnswer(error: unknown): Answer {
  const known =
    error instanceof DirectoryError
      ? error.code === 'timeout'
        ? new BellhopError('timeout', 'Redis did not answer in time', { cause: error })
        : new BellhopError('redis_unavailable', undefined, { cause: error })
      : asBellhopError(error);
  const { retryAfterMs } = known;
  return {
    status: errorRow(known.code).status,
    body: errorBody(known.code, known.message, retryAfterMs),
    headers: retryAfterMs === undefined ? {} : { 'Retry-After': String(Math.ceil(retryAfterMs / 1_000)) },
  };
}

/** Writes an answer; to a HEAD without its body. */
export function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  if (response.headersSent || response.destroyed || request.socket.destroyed) return;
  if (answer.stream !== undefined && request.method === 'GET') return answer.stream(response);
  const text = answer.text ?? (answer.body === undefined ? '' : JSON.stringify(answer.body));
  response.writeHead(answer.status, {
    'Content-Type': answer.contentType ?? 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    // A body that was not read to its end must not be taken for the next request.
    ...(request.complete || request.method === 'GET' || request.method === 'HEAD' ? {} : { Connection: 'close' }),
    ...answer.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}

/** Reads a JSON object.
 *  @throws BellhopError unsupported_data (415), payload_too_large, bad_json, bad_message (too deep, half characters, a field
 *  twice) */
export async function readBody(
  request: IncomingMessage,
  bytesMax = BODY_BYTES_MAX,
): Promise<Readonly<Record<string, unknown>>> {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new BellhopError('unsupported_data', 'the body must be application/json');
  }
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new BellhopError('unsupported_data', 'the body must not be compressed');
  }
  const tooLarge = new BellhopError('payload_too_large', `the body has at most ${bytesMax} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) throw tooLarge;
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Left undestroyed on the way out: the answer still has to leave by this socket.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge;
    chunks.push(chunk);
  }
  return parseObject(Buffer.concat(chunks));
}

function parseObject(bytes: Buffer): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new BellhopError('bad_json', 'the body is not UTF-8');
  }
  // Before it is parsed: what is passed on must be safe to write out again.
  const scan = scanJson(text, DEPTH_MAX);
  if (scan.fault !== undefined) throw new BellhopError('bad_message');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new BellhopError('bad_json', 'the body is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BellhopError('bad_request', 'the body must be a JSON object');
  }
  if (hasRepeatedKey(scan, value)) throw new BellhopError('bad_message', 'a field occurs twice');
  return value as Readonly<Record<string, unknown>>;
}

const USER_RULE = 'a user id is 1–128 of A–Z a–z 0–9 . _ ~ : @ + | - and starts with a letter or a digit';

/** `data`, which must be there, and `from`, the user on whose behalf a backend speaks.
 *  @throws BellhopError bad_request, bad_user */
export function readSpeech(body: Readonly<Record<string, unknown>>): {
  readonly data: unknown;
  readonly from: string | null;
} {
  if (!Object.hasOwn(body, 'data')) throw new BellhopError('bad_request', 'the body needs data');
  const from = Object.hasOwn(body, 'from') ? (body['from'] ?? null) : null;
  if (from !== null && (typeof from !== 'string' || !isUserId(from))) throw new BellhopError('bad_user', USER_RULE);
  return { data: body['data'], from };
}

/** @throws BellhopError bad_room */
export function roomFrom(segment: string): string {
  const parsed = parseRoomId(segment);
  if (!parsed.ok) throw new BellhopError(parsed.code, parsed.message);
  return parsed.room;
}

/** @throws BellhopError bad_user */
export function userFrom(segment: string): string {
  let user: string;
  try {
    user = decodeURIComponent(segment);
  } catch {
    throw new BellhopError('bad_user', USER_RULE);
  }
  if (!isUserId(user)) throw new BellhopError('bad_user', USER_RULE);
  return user;
}

/** A parameter that is a whole number of `min` or more; more than `max` means `max`.
 *  @throws BellhopError bad_request */
export function numberFrom(query: URLSearchParams, name: string, fallback: number, min: number, max: number): number {
  const value = query.get(name);
  if (value === null) return fallback;
  if (!/^[0-9]{1,16}$/.test(value) || Number(value) < min) {
    throw new BellhopError('bad_request', `${name} must be a whole number of at least ${min}`);
  }
  return Math.min(max, Number(value));
}

/** Where a listing goes on. Its content is ours to change, so it is not shown as what it is. */
export function cursorTo(last: string): string {
  return Buffer.from(`1${last}`).toString('base64url');
}

/** @throws BellhopError bad_request where it was not made here */
export function cursorFrom(query: URLSearchParams, isValid: (last: string) => boolean): string | undefined {
  const given = query.get('cursor');
  if (given === null || given === '') return undefined;
  const text = Buffer.from(given, 'base64url').toString();
  const last = text.slice(1);
  if (given.length > 256 || !text.startsWith('1') || !isValid(last)) {
    throw new BellhopError('bad_request', 'cursor must be the next of the page before');
  }
  return last;
}
