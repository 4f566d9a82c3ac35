/** What every request must be like before its path is looked at, upgrade or not. Owns: the form of the target, one Host that names one, and how
 *  many headers there may be. Does not know: paths, methods.
 *  A target that a proxy and the router could read in two ways is refused, whatever stands behind it: absolute forms, a second
 *  slash in front (`//host`), backslashes, and line ends or NUL in an escape.
 *  @see RFC 9112 §3.2, RFC 9110 §7.2 */
import type { IncomingMessage } from 'node:http';
import type { ErrorCode } from '../shared/errors.ts';

export interface RequestFault {
  readonly code: ErrorCode;
  readonly status: number;
  readonly message: string;
}

/** Browsers send some 15, proxies add a few. */
export const HEADERS_MAX = 100;
const ENDS_A_LINE = /%(?:0[ad]|00)/i;
/** RFC 3986 §3.2.2 without commas, which would make it two, and without user or zone. It may be empty. */
const HOST = /^(?:(?:[A-Za-z0-9._~!$&'()*+;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?)?$/;

export function requestFault(request: Pick<IncomingMessage, 'url' | 'rawHeaders'>): RequestFault | undefined {
  const { rawHeaders } = request;
  if (rawHeaders.length > 2 * HEADERS_MAX) {
    return { code: 'payload_too_large', status: 431, message: `a request has at most ${HEADERS_MAX} headers` };
  }
  const hosts = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'host');
  if (hosts.length > 1) return bad('exactly one Host header is needed');
  if (hosts[0] !== undefined && !HOST.test(hosts[0])) return bad('Host names no host');
  const target = request.url ?? '';
  if (!target.startsWith('/') || target.startsWith('//') || target.includes('#') || target.includes('\\')) {
    return bad('the target must be a path');
  }
  const query = target.indexOf('?');
  if (ENDS_A_LINE.test(query < 0 ? target : target.slice(0, query))) return bad('a path holds no line end and no NUL');
  return undefined;
}

function bad(message: string): RequestFault {
  return { code: 'bad_request', status: 400, message };
}
