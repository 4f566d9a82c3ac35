/** Everybody who reads a room's id, asked about one text. Owns: how each is asked. Does not know: which ids are right: that they all say
 *  the same is what counts. */
import { NodeCalls } from '../../node/calls.ts';
import type { NodeCore } from '../../node/core.ts';
import { roomFrom } from '../../router/http-answer.ts';
import { checkUpgrade } from '../../router/upgrade.ts';
import { buildKeys } from '../../shared/directory/keys.ts';
import { BellhopError } from '../../shared/errors.ts';
import { FrameDecoder } from '../../shared/link/decode.ts';
import { FRAME_HEADER_BYTES, FRAME_TYPES } from '../../shared/link/frame-header.ts';
import { LinkProtocolError } from '../../shared/link/protocol-error.ts';

export interface RoomReadings {
  /** The room that each reads in a segment of a path; undefined where it refuses. */
  readonly edge: string | undefined;
  readonly api: string | undefined;
  /** What a node takes as the very text: in an OPEN, in a CALL, as part of a key. */
  readonly open: string | undefined;
  readonly call: string | undefined;
  readonly keys: string | undefined;
}

const KEYS = buildKeys({ cluster: 'c' });
const HEADERS = ['Host', 'a', 'Upgrade', 'websocket', 'Connection', 'Upgrade'];
const RAW_HEADERS = [...HEADERS, 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version', '13'];
/** A node that holds no room: it answers for each id whether that is one. */
const EMPTY = { attends: false, rooms: { held: () => undefined } } as unknown as NodeCore;
const CALLS = new NodeCalls(EMPTY, () => ({ monoMs: 0, wallMs: 0 }));

/** @param segment  of a path, as a client sends it
 *  @param decoded  what the segment says after one percent-decode; undefined where that cannot be done */
export function readRoom(segment: string, decoded: string | undefined): RoomReadings {
  return {
    edge: byEdge(segment),
    api: byApi(segment),
    open: decoded === undefined ? undefined : byOpen(decoded),
    call: decoded === undefined ? undefined : byCall(decoded),
    keys: decoded === undefined ? undefined : byKeys(decoded),
  };
}

/** Exactly one percent-decode, as RFC 3986 has it. */
export function decodedOnce(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function byEdge(segment: string): string | undefined {
  const head = { method: 'GET', httpVersion: '1.1', rawHeaders: RAW_HEADERS };
  const verdict = checkUpgrade({ ...head, url: `/rooms/${segment}` }, undefined);
  return verdict.ok ? verdict.request.room : undefined;
}

function byApi(segment: string): string | undefined {
  try {
    return roomFrom(segment);
  } catch (error) {
    if (error instanceof BellhopError && error.code === 'bad_room') return undefined;
    throw error;
  }
}

function byOpen(room: string): string | undefined {
  const session = { handle: 1, session: 's', user: 'u', seat: 1, kind: 'join', since: 1 };
  const payload = Buffer.from(JSON.stringify({ room, floor: 0, serial: 1, sessions: [session] }));
  if (payload.length > 60_000) return undefined;
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = FRAME_TYPES.open.code;
  try {
    const [message] = new FrameDecoder().push(Buffer.concat([header, payload]));
    return message?.type === 'open' ? message.room : undefined;
  } catch (error) {
    if (error instanceof LinkProtocolError) return undefined;
    throw error;
  }
}

function byCall(room: string): string | undefined {
  let code = '';
  CALLS.handle({ type: 'call', id: 1, op: 'presence', args: { room } }, (answer) => {
    code = 'error' in answer ? answer.error.code : 'ok';
  });
  // `not_owner`: it is a room, only not one that is held here.
  return code === 'not_owner' ? room : undefined;
}

function byKeys(room: string): string | undefined {
  try {
    KEYS.room(room);
    return room;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
