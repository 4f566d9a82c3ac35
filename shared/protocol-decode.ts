/** Reads what a client sent. Owns: which texts are messages of `bellhop.v1`. Does not know: rates, sizes, rooms, rights.
 *  Invariant: never throws and never recurses, whatever the text; what it lets through can be stored and sent to every other
 *  client as it stands: finite numbers, whole characters, bounded depth.
 *  @see protocol.ts, DESIGN §7 */
import type { ErrorCode } from './errors.ts';
import { hasRepeatedKey, type ScanFault, scanJson } from './json-scan.ts';
import type { Json, MetaRequest, PingRequest, PublishMessage, SignalRequest } from './protocol.ts';

/** Arrays and objects within each other, the message itself included. */
export const DEPTH_MAX = 64;

/** `dataText` is the JSON text of `data` as the client wrote it, so that it reaches others unchanged: 1.0 stays 1.0, and an
 *  integer above 2^53 keeps its digits. Only where a key of the message was written with escapes is it written anew. */
interface WithText {
  readonly dataText: string;
}

export type DecodedMessage =
  | (PublishMessage & WithText)
  | (SignalRequest & WithText)
  | (MetaRequest & WithText)
  | PingRequest;

/** `id`: the publish that is refused, where the text named one. */
export interface DecodeFailure {
  readonly ok: false;
  readonly code: Extract<ErrorCode, 'bad_json' | 'bad_message' | 'unknown_type' | 'too_large'>;
  readonly message: string;
  readonly id?: number;
}

export type Decoded = { readonly ok: true; readonly message: DecodedMessage } | DecodeFailure;

const FAULT_TEXT: Readonly<Record<ScanFault, string>> = {
  deep: `the message is nested deeper than ${DEPTH_MAX}`,
  overflow: 'a number is too large for a double',
  surrogate: 'a string holds half of a surrogate pair',
};

/** Reads one text message. Fields it does not know are ignored. A field that occurs twice is a fault, since readers differ in which of
 *  them counts; what `data` holds is the clients' own affair, and is handed on as it was written.
 *  @param text  the payload, already known to be UTF-8; its size is the caller's to bound */
export function decodeClientMessage(text: string): Decoded {
  const scan = scanJson(text, DEPTH_MAX);
  if (scan.fault === 'deep') return failure('bad_message', FAULT_TEXT.deep, undefined);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return failure('bad_json', 'the text is not JSON', undefined);
  }
  if (!isObject(value)) return failure('bad_message', 'a message is a JSON object', undefined);
  // JSON.parse makes `__proto__` a field like any other; hasOwn keeps what objects inherit out.
  const type = Object.hasOwn(value, 'type') ? value['type'] : undefined;
  const rawId = Object.hasOwn(value, 'id') ? value['id'] : undefined;
  const id = isId(rawId) ? rawId : undefined;
  // Also `id` may be what occurs twice, so none is named.
  if (hasRepeatedKey(scan, value)) return failure('bad_message', 'a field occurs twice', undefined);
  if (scan.fault !== undefined) return failure('bad_message', FAULT_TEXT[scan.fault], id);
  switch (type) {
    case 'publish':
    case 'signal':
    case 'meta': {
      const data = value['data'];
      if (data === undefined || !Object.hasOwn(value, 'data')) return failure('bad_message', `${type} needs data`, id);
      const found = scan.dataEnd > scan.dataStart;
      const dataText = found ? text.slice(scan.dataStart, scan.dataEnd).trim() : JSON.stringify(data);
      // Written anew it may have grown (1e20 has four characters, its digits twenty-one): sizes were checked on what came.
      if (dataText.length > text.length) return failure('too_large', 'keys with escapes must not hide the data', id);
      if (type !== 'publish') return { ok: true, message: { type, data, dataText } };
      if (rawId === undefined) return { ok: true, message: { type, data, dataText } };
      if (id === undefined) return failure('bad_message', 'id must be an integer from 1 to 2^53 - 1', undefined);
      return { ok: true, message: { type, id, data, dataText } };
    }
    case 'ping':
      return { ok: true, message: { type } };
    default:
      return typeof type === 'string'
        ? failure('unknown_type', 'no message has this type', id)
        : failure('bad_message', 'type is missing or not a string', id);
  }
}

function failure(code: DecodeFailure['code'], message: string, id: number | undefined): DecodeFailure {
  return id === undefined ? { ok: false, code, message } : { ok: false, code, message, id };
}

function isObject(value: unknown): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}
