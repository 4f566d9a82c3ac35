/** Whether a request may become a WebSocket. Owns: the checks before the 101, in one pure function. Does not know: sockets, who
 *  the user is, whether the room may be entered.
 *  Strict, since whatever stands in front of the router and the router must never read one request in two ways: each header that
 *  matters occurs exactly once, and nothing may follow the headers.
 *  @see RFC 6455 §4.2.1, RFC 9110 §7.8, DESIGN §7 */
import type { IncomingMessage } from 'node:http';
import type { ErrorCode } from '../shared/errors.ts';
import { isSessionId, isTag, parseRoomId } from '../shared/ids.ts';
import { BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL } from '../shared/protocol.ts';
import { requestFault } from './request-form.ts';

/** What the checks read of a request. */
export type UpgradeHead = Pick<IncomingMessage, 'method' | 'httpVersion' | 'url' | 'rawHeaders'>;

/** A request that may be upgraded. */
export interface UpgradeRequest {
  readonly room: string;
  /** `?user=`, as given: not yet known to be a user id. */
  readonly user: string | undefined;
  /** The access token, from the Authorization header or, where a client cannot set one, from a subprotocol. */
  readonly bearer: string | undefined;
  /** `?ticket=`: a single-use one. */
  readonly ticket?: string | undefined;
  /** Of the page that asks; one that may connect. */
  readonly origin?: string | undefined;
  readonly resume: ResumeRequest | undefined;
  /** How many of the last messages a first join asks for. */
  readonly history: number;
}

export interface ResumeRequest {
  readonly session: string;
  readonly token: string;
  readonly cursor: { readonly seq: number; readonly tag: string } | undefined;
  /** The highest id under which it has published, where it says so. */
  readonly sent?: number | undefined;
}

export type UpgradeVerdict =
  | { readonly ok: true; readonly request: UpgradeRequest }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      /** Where it is not the status of the code. */
      readonly status?: number;
      readonly message: string;
      readonly headers?: Readonly<Record<string, string>>;
    };

const HISTORY_MAX = 100;

const KEY = /^[A-Za-z0-9+/]{22}==$/;
const ROOM_PATH = /^\/rooms\/([^/]+)$/;
const NUMBER = /^(?:0|[1-9][0-9]{0,15})$/;
const PARAMETERS = ['user', 'ticket', 'session', 'resume', 'sent', 'after', 'tag', 'history'] as const;

/** Checks one request for an upgrade.
 *  @param origins  origins that may connect, exactly as browsers write them; undefined: the same host as the request's own.
 *                  A request without an Origin comes from no browser and is let through. `null` never is.
 *  @param isSecure  whether it came over TLS that ends here */
export function checkUpgrade(
  head: UpgradeHead,
  origins: readonly string[] | undefined,
  isSecure = false,
): UpgradeVerdict {
  const fault = requestFault(head);
  if (fault !== undefined) return { ok: false, ...fault };
  const headers = headerLists(head.rawHeaders);
  const all = (name: string): readonly string[] => headers.get(name) ?? [];
  const only = (name: string): string | undefined => (all(name).length === 1 ? all(name)[0] : undefined);

  if (head.method !== 'GET') {
    return { ok: false, code: 'method_not_allowed', message: 'an upgrade is a GET', headers: { Allow: 'GET' } };
  }
  if (head.httpVersion !== '1.1') return bad('an upgrade needs HTTP/1.1');
  const host = only('host');
  if (host === undefined || host === '') return bad('exactly one Host header is needed');
  if (all('transfer-encoding').length > 0) return bad('an upgrade has no body');
  if (all('content-length').some((length) => length !== '0')) return bad('an upgrade has no body');

  const target = head.url ?? '';
  const query = target.indexOf('?');
  const segment = ROOM_PATH.exec(query < 0 ? target : target.slice(0, query))?.[1];
  if (segment === undefined) {
    return { ok: false, code: 'not_found', message: 'WebSockets are taken at /rooms/{room}' };
  }

  if (only('upgrade')?.toLowerCase() !== 'websocket') return bad('exactly one "Upgrade: websocket" header is needed');
  if (!tokens(all('connection')).some((token) => token.toLowerCase() === 'upgrade')) {
    return bad('a "Connection: Upgrade" header is needed');
  }
  if (only('sec-websocket-version') !== '13') {
    return {
      ok: false,
      code: 'upgrade_required',
      message: 'version 13 of the WebSocket protocol is needed',
      headers: { 'Sec-WebSocket-Version': '13' },
    };
  }
  const key = only('sec-websocket-key');
  if (key === undefined || !KEY.test(key)) return bad('exactly one Sec-WebSocket-Key of 16 bytes is needed');

  const parsed = parseRoomId(segment);
  if (!parsed.ok) return { ok: false, code: parsed.code, message: parsed.message };
  if (all('origin').length > 1) return bad('more than one Origin header');
  const origin = only('origin');
  if (origin !== undefined && !isOriginAllowed(origin, host, origins, isSecure)) {
    return { ok: false, code: 'not_allowed', message: 'this origin may not connect' };
  }
  return readParameters(
    query < 0 ? '' : target.slice(query + 1),
    parsed.room,
    bearerOf(all('authorization'), all('sec-websocket-protocol')),
    origin,
  );
}

/** Whether the client of this request learns why it is refused only once it is connected: a page's, or one that speaks `bellhop.v1`. */
export function readsNotices({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers.origin !== undefined || tokens([headers['sec-websocket-protocol'] ?? '']).includes(SUBPROTOCOL);
}

/** Whether a page of `origin` may connect to `host`. Where TLS ends here the host's own pages are those that came over TLS; where it
 *  does not, a proxy may have ended it, so either scheme is the host's own. */
export function isOriginAllowed(
  origin: string,
  host: string,
  origins: readonly string[] | undefined,
  isSecure = false,
): boolean {
  if (origin === 'null') return false;
  if (origins !== undefined) return origins.includes('*') || origins.includes(origin);
  let url: URL;
  try {
    url = new URL(origin);
  } catch {
    return false;
  }
  if (url.protocol !== 'https:' && (isSecure || url.protocol !== 'http:')) return false;
  const ownHost = host.toLowerCase();
  // A browser leaves the scheme's own port out of an origin; a proxy may have put it into Host.
  return url.host === ownHost || `${url.host}:${url.protocol === 'https:' ? 443 : 80}` === ownHost;
}

function readParameters(
  query: string,
  room: string,
  bearer: string | undefined,
  origin: string | undefined,
): UpgradeVerdict {
  const given = new URLSearchParams(query);
  for (const name of PARAMETERS) {
    if (given.getAll(name).length > 1) return bad(`the parameter ${name} occurs more than once`);
  }
  const value = (name: (typeof PARAMETERS)[number]): string | undefined => given.get(name) ?? undefined;

  const history = value('history') ?? '0';
  if (!NUMBER.test(history)) return bad('history must be a number');

  const after = value('after');
  const tag = value('tag');
  if ((after === undefined) !== (tag === undefined)) return bad('after and tag belong together');
  if (after !== undefined && !isSafeNumber(after)) return bad('after must be the seq of a message');
  if (tag !== undefined && !isTag(tag)) return bad('tag must be the tag of a message');

  const session = value('session');
  const token = value('resume');
  if ((session === undefined) !== (token === undefined)) return bad('session and resume belong together');
  if (session !== undefined && !isSessionId(session)) return bad('session must be the id of a session');

  const sent = value('sent');
  if (sent !== undefined && !isSafeNumber(sent)) return bad('sent must be the highest id of a publish, or 0');

  const cursor = after === undefined || tag === undefined ? undefined : { seq: Number(after), tag };
  return {
    ok: true,
    request: {
      room,
      user: value('user'),
      bearer,
      ticket: value('ticket'),
      origin,
      resume:
        session === undefined || token === undefined
          ? undefined
          : { session, token, cursor, sent: sent === undefined ? undefined : Number(sent) },
      history: Math.min(HISTORY_MAX, Number(history)),
    },
  };
}

function isSafeNumber(text: string): boolean {
  return NUMBER.test(text) && Number.isSafeInteger(Number(text));
}

/** The header wins over the subprotocol: who can set headers means it. */
function bearerOf(authorization: readonly string[], subprotocols: readonly string[]): string | undefined {
  const [header] = authorization;
  const match = authorization.length === 1 && header !== undefined ? /^bearer +(\S+)$/i.exec(header) : null;
  if (match?.[1] !== undefined) return match[1];
  const offered = tokens(subprotocols).find((token) => token.startsWith(BEARER_SUBPROTOCOL_PREFIX));
  return offered?.slice(BEARER_SUBPROTOCOL_PREFIX.length);
}

function bad(message: string): UpgradeVerdict {
  return { ok: false, code: 'bad_request', message };
}

function headerLists(rawHeaders: readonly string[]): Map<string, string[]> {
  const lists = new Map<string, string[]>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    const list = lists.get(name);
    if (list === undefined) lists.set(name, [rawHeaders[i + 1] ?? '']);
    else list.push(rawHeaders[i + 1] ?? '');
  }
  return lists;
}

function tokens(values: readonly string[]): string[] {
  return values.flatMap((value) => value.split(',').map((token) => token.trim())).filter((token) => token !== '');
}
