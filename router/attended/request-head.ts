/** The head of the upgrade that goes to an attended server, built anew from the client's. Owns: which headers go on, and what we
 *  add. Does not know: sockets.
 *  An allow-list: a page can set no other headers on a WebSocket, and whatever is not named here (hop-by-hop headers, forwarding
 *  headers, anything `x-bellhop-*`) would be the client's word where the server takes it for ours.
 *  Invariant: no line of the result holds a byte that could end it.
 *  @see RFC 6455 §4.1, RFC 9110 §7.6.1 */
import { BEARER_SUBPROTOCOL_PREFIX } from '../../shared/protocol.ts';

/** What we say of the client, in our own headers. */
export interface ClientFacts {
  readonly user: string;
  readonly room: string;
  readonly session: string;
  /** Grows with every change of the room's owner: a fencing token for the server's own database. */
  readonly epoch: number;
  readonly remoteAddress: string;
  /** Whether it came to us over TLS. */
  readonly isSecure: boolean;
}

/** What a client offered: the server's answer is held against it. */
export interface Offer {
  readonly key: string;
  readonly subprotocols: readonly string[];
  /** Names of extensions, lower case. */
  readonly extensions: readonly string[];
}

export interface RequestHead {
  readonly offer: Offer;
  /** Names and values that go on unchanged. */
  readonly passed: readonly (readonly [string, string])[];
  /** As the client asked for us, for X-Forwarded-Host. */
  readonly host: string;
  /** The client's query without our own parameters. */
  readonly query: string;
}

const PASSED = ['Origin', 'User-Agent', 'Accept-Language'] as const;
const OWN_PARAMETERS = new Set(['user', 'ticket', 'session', 'resume', 'sent', 'after', 'tag', 'history']);
/** RFC 9110 §5.6.2 token. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VISIBLE = /^[\x20-\x7e]+$/;
const QUERY_PART = /^[A-Za-z0-9._~:@!$'()*+,;=%/?-]+$/;

/** Reads what of a client's request goes on. The request has passed `checkUpgrade`.
 *  @param keepAuthorization  false where the token was meant for us
 *  @returns a sentence where the request cannot be put to a server as it is */
export function readRequest(
  rawHeaders: readonly string[],
  url: string,
  keepAuthorization: boolean,
): RequestHead | string {
  const all = (name: string): string[] => {
    const values: string[] = [];
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      if (rawHeaders[at]?.toLowerCase() === name.toLowerCase()) values.push(rawHeaders[at + 1] ?? '');
    }
    return values;
  };
  const offered = listOf(all('Sec-WebSocket-Protocol'));
  if (!offered.every((token) => TOKEN.test(token))) return 'Sec-WebSocket-Protocol must list tokens';
  if (new Set(offered).size !== offered.length) return 'Sec-WebSocket-Protocol names one twice';
  const extensions = all('Sec-WebSocket-Extensions').join(', ');
  if (extensions !== '' && !VISIBLE.test(extensions)) return 'Sec-WebSocket-Extensions is malformed';
  const key = all('Sec-WebSocket-Key')[0] ?? '';
  // A token is shown to us, not to whoever is behind us.
  const subprotocols = offered.filter((token) => !token.startsWith(BEARER_SUBPROTOCOL_PREFIX));

  const passed: [string, string][] = [
    ['Sec-WebSocket-Version', '13'],
    ['Sec-WebSocket-Key', key],
  ];
  if (subprotocols.length > 0) passed.push(['Sec-WebSocket-Protocol', subprotocols.join(', ')]);
  if (extensions !== '') passed.push(['Sec-WebSocket-Extensions', extensions]);
  // What a client names in Connection is for us alone (RFC 9110 §7.6.1).
  const hops = new Set(listOf(all('Connection')).map((name) => name.toLowerCase()));
  for (const name of keepAuthorization ? [...PASSED, 'Authorization'] : PASSED) {
    const values = hops.has(name.toLowerCase()) ? [] : all(name);
    const value = values[0];
    if (values.length === 1 && value !== undefined && VISIBLE.test(value)) passed.push([name, value]);
  }
  const cookies = (hops.has('cookie') ? [] : all('Cookie')).filter((value) => VISIBLE.test(value));
  if (cookies.length > 0) passed.push(['Cookie', cookies.join('; ')]);
  const host = all('Host')[0] ?? '';
  return {
    offer: { key, subprotocols, extensions: extensionNames(extensions) },
    passed,
    host: VISIBLE.test(host) ? host : '',
    query: ownQuery(url),
  };
}

/** The headers of the request that is put to the server, in order. */
export function requestHeaders(
  head: RequestHead,
  client: ClientFacts,
  authority: string,
): (readonly [string, string])[] {
  return [
    ['Host', authority],
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
    ...head.passed,
    ['X-Forwarded-For', client.remoteAddress],
    ['X-Forwarded-Proto', client.isSecure ? 'https' : 'http'],
    ['X-Forwarded-Host', head.host],
    ['X-Bellhop-User', client.user],
    ['X-Bellhop-Room', client.room],
    ['X-Bellhop-Session', client.session],
    ['X-Bellhop-Epoch', String(client.epoch)],
  ];
}

/** Names of the extensions in a header's value, lower case. */
export function extensionNames(value: string): string[] {
  return listOf([value]).map((one) => (one.split(';')[0] ?? '').trim().toLowerCase());
}

function listOf(values: readonly string[]): string[] {
  return values.flatMap((value) => value.split(',').map((one) => one.trim())).filter((one) => one !== '');
}

/** Parts are kept as they were written, but for ours and for those that no URL should hold. */
function ownQuery(url: string): string {
  const at = url.indexOf('?');
  if (at < 0) return '';
  const parts = url.slice(at + 1).split('&');
  return parts.filter((part) => QUERY_PART.test(part) && !OWN_PARAMETERS.has(nameOf(part))).join('&');
}

/** The parameter's name as it will be read: `%75ser` is `user`. */
function nameOf(part: string): string {
  return [...new URLSearchParams(part).keys()][0] ?? '';
}
