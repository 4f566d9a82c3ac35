/** The shapes of the JSON payloads, one function each. Owns: which fields a cold message has and what they may hold.
 *  Does not know: bytes. Each function checks a value and returns a fresh object with the known fields in a fixed order; the
 *  encoder applies the same function to what it is asked to send, so a value that the other side would refuse never leaves.
 *  Fields that are not known are ignored: a newer version may add some.
 *  What is opaque to the link (`args`, `ok`, `meta`) is passed on as it was parsed. */
import { ID_PATTERN, SESSION_PATTERN, USER_PATTERN } from '../directory/keys.ts';
import { U32_MAX } from './frame-header.ts';
import { type Fields, field, fieldsOf, flag, hex, integer, list, name, recordName, text, word } from './json-fields.ts';
import type {
  Bind,
  Call,
  Cursor,
  Done,
  Goaway,
  Gone,
  Hello,
  Moved,
  Open,
  OpenSession,
  Ready,
  Refused,
  Return,
} from './messages.ts';
import { GOAWAY_TEXT_MAX, LinkProtocolError } from './protocol-error.ts';

/** A message's fields as its payload bears them: without the type, and without the id that the header bears. */
type Body<M, Carried extends PropertyKey = never> = Omit<M, 'type' | Carried>;

const TEXT_MAX = 1_024;
/** RFC 6455 §5.5: a control frame carries 125 bytes, two of them the code. */
export const CLOSE_REASON_BYTES_MAX = 123;
const FEATURES_MAX = 32;
const SESSIONS_MAX = 4_096;

export function helloBody(value: unknown): Body<Hello> {
  const f = fieldsOf(value, 'hello');
  return {
    versionMin: integer(f, 'versionMin', 1, 65_535),
    versionMax: integer(f, 'versionMax', 1, 65_535),
    role: word(f, 'role', ['router', 'node']),
    cluster: name(f, 'cluster'),
    id: name(f, 'id'),
    incarnation: name(f, 'incarnation'),
    nonce: hex(f, 'nonce', 16),
    features: list(f, 'features', FEATURES_MAX, (feature) => name({ feature }, 'feature')),
  };
}

export function goawayBody(value: unknown): Body<Goaway> {
  const f = fieldsOf(value, 'goaway');
  return {
    reason: word(f, 'reason', ['draining', 'certified', 'closing', 'protocol']),
    text: text(f, 'text', 0, GOAWAY_TEXT_MAX),
  };
}

export function callBody(value: unknown): Body<Call, 'id'> {
  const f = fieldsOf(value, 'call');
  // JSON has no undefined: a call without arguments carries null.
  return { op: text(f, 'op', 1, 64), args: field(f, 'args') ?? null };
}

export function returnBody(value: unknown): Return['result'] {
  const f = fieldsOf(value, 'return');
  const failed = field(f, 'error');
  if (Object.hasOwn(f, 'ok') === (failed !== undefined)) {
    throw new LinkProtocolError('bad-shape', 'a return bears either ok or error');
  }
  if (failed === undefined) return { ok: field(f, 'ok') ?? null };
  const e = fieldsOf(failed, 'error');
  return {
    error: { code: text(e, 'code', 1, 64), message: text(e, 'message', 0, TEXT_MAX), retryable: flag(e, 'retryable') },
  };
}

function cursorOf(f: Fields): { cursor?: Cursor } {
  const value = field(f, 'cursor');
  if (value === undefined) return {};
  const c = fieldsOf(value, 'cursor');
  return { cursor: { seq: integer(c, 'seq', 0), tag: text(c, 'tag', 1, 64) } };
}

/** The part of an OPEN that is shared by its sessions. */
export function openHead(value: unknown): Body<Open, 'sessions'> {
  const f = fieldsOf(value, 'open');
  return {
    room: recordName(f, 'room', ID_PATTERN),
    floor: integer(f, 'floor', 0),
    ...cursorOf(f),
    ...(field(f, 'more') === undefined ? {} : { more: flag(f, 'more') }),
    ...(field(f, 'heldOnly') === undefined ? {} : { heldOnly: flag(f, 'heldOnly') }),
    ...lostOf(f),
    ...serialOf(f),
  };
}

function lostOf(f: Fields): Pick<Open, 'lost'> {
  const value = field(f, 'lost');
  if (value === undefined) return {};
  const lost = fieldsOf(value, 'lost');
  return { lost: { node: recordName(lost, 'node', ID_PATTERN), incarnation: text(lost, 'incarnation', 1, 64) } };
}

export function openSession(value: unknown): OpenSession {
  const f = fieldsOf(value, 'session');
  const meta = field(f, 'meta');
  return {
    handle: integer(f, 'handle', 1, U32_MAX),
    session: recordName(f, 'session', SESSION_PATTERN),
    user: recordName(f, 'user', USER_PATTERN),
    seat: integer(f, 'seat', 0),
    kind: word(f, 'kind', ['join', 'resume', 'rebind']),
    since: integer(f, 'since', 0),
    ...(meta === undefined ? {} : { meta }),
    ...cursorOf(f),
    ...(field(f, 'sent') === undefined ? {} : { sent: integer(f, 'sent', 0) }),
    ...(field(f, 'history') === undefined ? {} : { history: integer(f, 'history', 0) }),
    ...(field(f, 'acked') === undefined ? {} : { acked: integer(f, 'acked', 0, U32_MAX) }),
  };
}

export function openBody(value: unknown): Body<Open> {
  return { ...openHead(value), sessions: list(fieldsOf(value, 'open'), 'sessions', SESSIONS_MAX, openSession) };
}

export function refusedBody(value: unknown): Body<Refused, 'session'> {
  const f = fieldsOf(value, 'refused');
  const hint = field(f, 'hint');
  const reasons = [
    'not-owner',
    'replaced',
    'draining',
    'full',
    'unauthorised',
    'wait',
    'unavailable',
    'failed',
  ] as const;
  return {
    reason: word(f, 'reason', reasons),
    ...(hint === undefined ? {} : { hint: hintOf(fieldsOf(hint, 'hint')) }),
    ...(field(f, 'text') === undefined ? {} : { text: text(f, 'text', 0, TEXT_MAX) }),
    ...(field(f, 'seat') === undefined ? {} : { seat: integer(f, 'seat', 1) }),
    ...serialOf(f),
  };
}

function serialOf(f: Fields) {
  return field(f, 'serial') === undefined ? {} : { serial: integer(f, 'serial', 0, U32_MAX) };
}

function hintOf(f: Fields) {
  return { node: name(f, 'node'), incarnation: name(f, 'incarnation'), epoch: integer(f, 'epoch', 0) };
}

export function bindBody(value: unknown): Body<Bind, 'handle'> {
  const f = fieldsOf(value, 'bind');
  return {
    room: recordName(f, 'room', ID_PATTERN),
    incarnation: name(f, 'incarnation'),
    epoch: integer(f, 'epoch', 0),
    nonce: text(f, 'nonce', 1, 64),
    head: integer(f, 'head', 0),
  };
}

export function movedBody(value: unknown): Body<Moved, 'room'> {
  const f = fieldsOf(value, 'moved');
  const epoch = integer(f, 'epoch', 0);
  const to = field(f, 'to');
  if (to === undefined) return { epoch };
  const t = fieldsOf(to, 'to');
  return { epoch, to: { node: name(t, 'node'), incarnation: name(t, 'incarnation') } };
}

export function goneBody(value: unknown): Body<Gone, 'room'> {
  const f = fieldsOf(value, 'gone');
  const reason = text(f, 'reason', 0, CLOSE_REASON_BYTES_MAX);
  if (Buffer.byteLength(reason) > CLOSE_REASON_BYTES_MAX) {
    throw new LinkProtocolError('bad-shape', `reason must be at most ${CLOSE_REASON_BYTES_MAX} bytes`);
  }
  return { code: integer(f, 'code', 1_000, 4_999), reason };
}

export function readyBody(value: unknown): Body<Ready, 'id'> {
  const f = fieldsOf(value, 'ready');
  // The nonce is empty before the final state, and where the target is not ready.
  return { ok: flag(f, 'ok'), nonce: text(f, 'nonce', 0, 64), text: text(f, 'text', 0, TEXT_MAX) };
}

export function doneBody(value: unknown): Body<Done, 'id'> {
  const f = fieldsOf(value, 'done');
  return {
    outcome: word(f, 'outcome', ['named', 'cancelled']),
    epoch: integer(f, 'epoch', 0),
    ...(field(f, 'pausedMs') === undefined ? {} : { pausedMs: integer(f, 'pausedMs', 0) }),
  };
}
