/** Names: which texts may name a room, user, node, session, incarnation, nonce or tag. Owns: their alphabets and bounds.
 *  Does not know: what the names stand for.
 *  Invariant: every name is 1–128 characters of printable ASCII without quotes, backslash, braces, slash or blanks, so it goes
 *  unescaped into JSON, into a Redis key (a brace would move its slot) and into a log line. `constructor` is a legal room: keep
 *  names in a Map, never as keys of a plain object. */
import type { RandomSource } from './random.ts';

/** What a room id is, for the edge, links, nodes and keys alike. */
export const ROOM_ID = /^[A-Za-z0-9][A-Za-z0-9._~:@-]{0,127}$/;
const USER = /^[A-Za-z0-9][A-Za-z0-9._~:@+|-]{0,127}$/;
const NODE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const SESSION = /^[A-Za-z0-9_-]{22}$/;
const INCARNATION = /^[0-9a-f]{32}$/;
const NONCE = /^[0-9a-f]{16}$/;
const TAG = /^([1-9][0-9]{0,15})\.[0-9a-f]{16}$/;
const ROOM_PATTERN = /^[A-Za-z0-9*][A-Za-z0-9._~:@*-]{0,127}$/;

/** Longest path segment that can decode to a room id: each of its characters may be written as `%XX`. */
const SEGMENT_CHARS_MAX = 128 * 3;

export function isRoomId(text: string): boolean {
  return ROOM_ID.test(text);
}

/** Reads a room id from one segment of a URL's path: exactly one percent-decode, so `%2541` is not a room.
 *  @returns the room, or `bad_room` with a sentence that may be shown to the client */
export function parseRoomId(
  segment: string,
):
  | { readonly ok: true; readonly room: string }
  | { readonly ok: false; readonly code: 'bad_room'; readonly message: string } {
  if (segment.length > SEGMENT_CHARS_MAX) return badRoom('a room id has at most 128 characters');
  let room: string;
  try {
    // Strict by specification: a malformed escape, overlong UTF-8 and an encoded surrogate all throw.
    room = decodeURIComponent(segment);
  } catch {
    return badRoom('the room id is not percent-encoded UTF-8');
  }
  if (!ROOM_ID.test(room)) {
    return badRoom('a room id is 1–128 of A–Z a–z 0–9 . _ ~ : @ - and starts with a letter or a digit');
  }
  return { ok: true, room };
}

function badRoom(message: string): { readonly ok: false; readonly code: 'bad_room'; readonly message: string } {
  return { ok: false, code: 'bad_room', message };
}

export function isUserId(text: string): boolean {
  return USER.test(text);
}

/** Stable name of a node; routers are named by the same rule. */
export function isNodeId(text: string): boolean {
  return NODE.test(text);
}

/** Name under which one of a router's workers is registered. Clients, presence and operators see the router's own. */
export function workerId(router: string, position: number): string {
  return `${router}.w${position}`;
}

/** Public id of a session: 128 random bits as 22 characters of base64url. */
export function isSessionId(text: string): boolean {
  return SESSION.test(text);
}

export function newSessionId(random: RandomSource): string {
  return Buffer.from(random.hex(16), 'hex').toString('base64url');
}

/** One life of a node or router: 128 random bits as lower-case hex. */
export function isIncarnation(text: string): boolean {
  return INCARNATION.test(text);
}

export function newIncarnation(random: RandomSource): string {
  return random.hex(16);
}

/** 64 random bits as lower-case hex, fresh with each change of a room's owner. */
export function isNonce(text: string): boolean {
  return NONCE.test(text);
}

export function newNonce(random: RandomSource): string {
  return random.hex(8);
}

/** `epoch.nonce` with an epoch that a double holds exactly. */
export function isTag(text: string): boolean {
  const match = TAG.exec(text);
  return match !== null && Number.isSafeInteger(Number(match[1]));
}

/** A room id in which any character may be `*`, which stands for any run of characters, also none. */
export function isRoomPattern(text: string): boolean {
  return ROOM_PATTERN.test(text);
}

/** Whether `room` is described by `pattern`. Each literal between stars is looked for once, from left to right: taking the
 *  leftmost place never hurts, because a star takes whatever follows, so nothing is tried twice. */
export function matchesPattern(pattern: string, room: string): boolean {
  const firstStar = pattern.indexOf('*');
  if (firstStar < 0) return pattern === room;
  const lastStar = pattern.lastIndexOf('*');
  const suffixLength = pattern.length - lastStar - 1;
  if (firstStar + suffixLength > room.length) return false;
  if (!room.startsWith(pattern.slice(0, firstStar))) return false;
  if (!room.endsWith(pattern.slice(lastStar + 1))) return false;
  const end = room.length - suffixLength;
  let at = firstStar;
  for (const literal of pattern.slice(firstStar, lastStar).split('*')) {
    const found = room.indexOf(literal, at);
    if (found < 0 || found + literal.length > end) return false;
    at = found + literal.length;
  }
  return true;
}
