/** Where Redis is. Owns: the four kinds of URL and what each part means. Does not know: connections.
 *
 *    redis://[user:password@]host[:port][/db]                      one server
 *    redis+sentinel://[user:password@]h1[:port],h2/master[?db=0]   a primary that sentinels name; the credentials are Redis',
 *                                                                  ?sentinelUser=…&sentinelPassword=… those of the sentinels
 *    redis+cluster://[user:password@]h1[:port],h2                  Redis Cluster; the hosts are seeds
 *
 *  `rediss`, `rediss+sentinel` and `rediss+cluster` are the same over TLS. */

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Credentials {
  readonly username?: string;
  readonly password?: string;
}

export type Endpoint = { readonly tls: boolean; readonly credentials: Credentials } & (
  | { readonly kind: 'standalone'; readonly address: Address; readonly db: number }
  | {
      readonly kind: 'sentinel';
      readonly sentinels: readonly Address[];
      readonly master: string;
      readonly db: number;
      readonly sentinelCredentials: Credentials;
    }
  | { readonly kind: 'cluster'; readonly seeds: readonly Address[] }
);

const REDIS_PORT = 6_379;
const SENTINEL_PORT = 26_379;
const URL_PATTERN =
  /^(?<scheme>rediss?)(?:\+(?<kind>sentinel|cluster))?:\/\/(?:(?<auth>[^@/]*)@)?(?<hosts>[^/?#@]+)(?:\/(?<path>[^?#]*))?(?:\?(?<query>[^#]*))?$/;

/** Reads a Redis URL.
 *  @throws RangeError with one sentence that never repeats the password */
export function parseRedisUrl(url: string): Endpoint {
  const parts = URL_PATTERN.exec(url)?.groups;
  if (parts === undefined) {
    throw new RangeError(
      'Not a Redis URL: expected redis://, redis+sentinel:// or redis+cluster:// (rediss for TLS) and a host',
    );
  }
  const { kind, hosts = '', path = '' } = parts;
  const query = new URLSearchParams(parts['query'] ?? '');
  const common = { tls: parts['scheme'] === 'rediss', credentials: parseAuth(parts['auth']) };
  const addresses = hosts
    .split(',')
    .map((host) => parseAddress(host, kind === 'sentinel' ? SENTINEL_PORT : REDIS_PORT));
  if (kind === 'sentinel') {
    if (path === '')
      throw new RangeError('A redis+sentinel URL names its master: redis+sentinel://h1:26379,h2:26379/master');
    const sentinelCredentials = credentials(query.get('sentinelUser') ?? '', query.get('sentinelPassword') ?? '');
    const db = parseDb(query.get('db') ?? '');
    return { kind, ...common, sentinels: addresses, master: decodeURIComponent(path), db, sentinelCredentials };
  }
  if (kind === 'cluster') {
    if (path !== '') throw new RangeError('A redis+cluster URL has no path: a cluster has database 0 alone');
    return { kind, ...common, seeds: addresses };
  }
  const [address, ...rest] = addresses;
  if (address === undefined || rest.length > 0) {
    throw new RangeError('A redis:// URL names one host; several belong to redis+sentinel:// or redis+cluster://');
  }
  return { kind: 'standalone', ...common, address, db: parseDb(path) };
}

/** The URL as it may be logged: without its credentials. */
export function redactRedisUrl(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//***@').replace(/(sentinelPassword=)[^&]*/g, '$1***');
}

function parseAddress(text: string, defaultPort: number): Address {
  const match = /^(?:\[(?<v6>[0-9A-Fa-f:.%]+)\]|(?<name>[^:[\]]+))(?::(?<port>\d{1,5}))?$/.exec(text)?.groups;
  const host = match?.['v6'] ?? match?.['name'];
  const port = match?.['port'] === undefined ? defaultPort : Number(match['port']);
  if (host === undefined || port < 1 || port > 65_535)
    throw new RangeError(`Not a host and port: ${JSON.stringify(text)}`);
  return { host, port };
}

function parseAuth(text: string | undefined): Credentials {
  if (text === undefined || text === '') return {};
  const colon = text.indexOf(':');
  if (colon < 0) throw new RangeError('A Redis URL with a user needs a password too: redis://user:password@host');
  return credentials(decodeURIComponent(text.slice(0, colon)), decodeURIComponent(text.slice(colon + 1)));
}

function credentials(username: string, password: string): Credentials {
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
}

function parseDb(text: string): number {
  if (text === '') return 0;
  if (!/^\d{1,4}$/.test(text)) throw new RangeError(`Not a database number: ${JSON.stringify(text)}`);
  return Number(text);
}
