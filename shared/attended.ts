/** Rooms that live in a server which knows nothing of Bellhop: an attendant stands beside it. Owns: how such rooms' programs are
 *  named, and where a room's socket goes. Does not know: who dials, what is spoken there.
 *  Invariant: from a program's name alone every process can tell whether its rooms are attended.
 *  @see DESIGN §5 Bring your own server */

/** No module makes a program of such a name: a colon in it would make the path of a drive or a URL. */
const PREFIX = 'attended:';
const SERVICE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const ROOM_MARK = '{room}';
/** What may stand in a target's path and query: RFC 3986 §3.3 and §3.4 without surprises, and the mark. */
const PATH = /^\/[A-Za-z0-9._~:@!$&'()*+,;=%/?{}-]*$/;

/** Whether attendants may stand for `service`: those of one service serve each other's rooms. */
export function isService(service: string): boolean {
  return SERVICE.test(service);
}

/** The program that attendants of a service list. */
export function attendedProgram(service: string): string {
  return `${PREFIX}${service}`;
}

export function isAttendedProgram(program: string): boolean {
  return program.startsWith(PREFIX);
}

/** Where one room's socket goes. */
export interface TargetAddress {
  readonly host: string;
  readonly port: number;
  /** Path and query, ready for a request line. */
  readonly path: string;
}

/** Checks a target and writes it in full: `ws://host:port/path`, in which `{room}` stands for the room's id. Without that mark the
 *  room's id follows the path.
 *  @throws RangeError with one sentence for the operator */
export function targetTemplate(text: string): string {
  const match = /^ws:\/\/([^/?#@]+)(\/[^#]*)?$/.exec(text);
  const authority = match?.[1];
  if (authority === undefined || !URL.canParse(`ws://${authority}/`)) {
    throw new RangeError(`${JSON.stringify(text)} is not ws://host:port/path`);
  }
  const given = match?.[2] ?? '/';
  if (!PATH.test(given) || given.split(ROOM_MARK).join('').match(/[{}]/) !== null) {
    throw new RangeError(`${JSON.stringify(given)} cannot be the path of a target`);
  }
  const { host } = new URL(`ws://${authority}/`);
  if (given.includes(ROOM_MARK)) return `ws://${host}${given}`;
  if (given.includes('?')) throw new RangeError('a target with a query must say where {room} goes');
  return `ws://${host}${given.replace(/\/$/, '')}/${ROOM_MARK}`;
}

/** The address of a room's socket. `query` is the client's own, without a leading `?`.
 *  @throws RangeError where the template is not one */
export function addressOf(template: string, room: string, query: string): TargetAddress {
  const url = new URL(template);
  // Of the characters that a room's id may have, none means anything in a path or a query.
  const path = template.slice(template.indexOf('/', 'ws://'.length)).split(ROOM_MARK).join(room);
  const joined = query === '' ? path : `${path}${path.includes('?') ? '&' : '?'}${query}`;
  if (url.protocol !== 'ws:' || !/^\/[\x21-\x7e]*$/.test(joined)) throw new RangeError('not a target');
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 80 : Number(url.port), path: joined };
}
