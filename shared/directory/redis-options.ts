/** Every option of ioredis that retries, queues or waits, each set on purpose. Owns: these choices. Does not know: when a client
 *  is made or let go (redis-connection.ts).
 *  Invariant: a client made with these options sends a command at most once, on its one connection, or not at all. */
import { hostname } from 'node:os';
import type { RedisOptions } from 'ioredis';
import type { Endpoint } from './redis-url.ts';

export interface ClientSettings {
  readonly commandTimeoutMs: number;
  readonly reconnectMs: number;
  readonly name: string;
}

/** Options for one client of one connection. */
export function clientOptions(endpoint: Endpoint, settings: ClientSettings): RedisOptions & { replyMapping: 'legacy' } {
  const { commandTimeoutMs, reconnectMs } = settings;
  return {
    ...place(endpoint, settings),
    ...endpoint.credentials,
    // The constructor does no I/O; the connection dials when it means to.
    lazyConnect: true,
    // One client, one connection: RedisConnection decides when there is another, and with what jitter.
    retryStrategy: () => null,
    // Reconnecting because of an error reply would resend.
    reconnectOnError: null,
    // A command given to a connection that is not there is refused, not kept for the next one.
    enableOfflineQueue: false,
    // Nothing in flight survives its connection.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    autoResubscribe: false,
    // RedisConnection reads INFO itself, before it hands out the connection; a server that is loading is dialled again at once
    // rather than waited for.
    enableReadyCheck: false,
    maxLoadingRetryTime: 0,
    // Every script is one write of its own; a cluster refuses pipelines across slots.
    enableAutoPipelining: false,
    connectTimeout: reconnectMs,
    // Not ioredis' `commandTimeout`: it hides whether the reply came later, by which a slow server is told from a lost one.
    // RedisConnection times each command itself, with the same period.
    // How long an ended socket may wait for the other side before it is destroyed.
    disconnectTimeout: commandTimeoutMs,
    // A peer that vanished is found by the silence of its replies; probes only keep idle mappings of middleboxes alive.
    keepAlive: 10_000,
    noDelay: true,
    // RESP2 needs no HELLO, so a connection without credentials is ready as soon as it is open.
    protocol: 2,
    replyMapping: 'legacy',
    connectionName: `bellhop-${settings.name}@${hostname()}`.replace(/[^\x21-\x7e]/g, '_'),
    disableClientInfo: true,
  };
}

function place(endpoint: Endpoint, { commandTimeoutMs, reconnectMs }: ClientSettings): RedisOptions {
  const tls = endpoint.tls ? {} : undefined;
  switch (endpoint.kind) {
    case 'standalone':
      return {
        ...endpoint.address,
        db: endpoint.db,
        ...(tls && { tls: { ...tls, ...serverName(endpoint.address.host) } }),
      };
    case 'sentinel': {
      const { username, password } = endpoint.sentinelCredentials;
      return {
        sentinels: endpoint.sentinels.map((address) => ({ ...address })),
        name: endpoint.master,
        role: 'master',
        db: endpoint.db,
        // One round of all sentinels is one attempt.
        sentinelRetryStrategy: () => null,
        sentinelReconnectStrategy: () => null,
        sentinelCommandTimeout: Math.min(commandTimeoutMs, reconnectMs),
        // A failover is noticed by a lost connection or a READONLY; the next attempt asks the sentinels again.
        failoverDetector: false,
        ...(username === undefined ? {} : { sentinelUsername: username }),
        ...(password === undefined ? {} : { sentinelPassword: password }),
        ...(tls && { tls, sentinelTLS: tls, enableTLSForSentinelMode: true }),
      };
    }
    case 'cluster':
      throw new TypeError('A cluster is reached through one connection for each of its primaries');
    default:
      return endpoint satisfies never;
  }
}

/** The name to verify a certificate against: a host name, not an address. */
function serverName(host: string): { servername?: string } {
  return /^[\d.]+$|:/.test(host) ? {} : { servername: host };
}
