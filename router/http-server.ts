/** The HTTP server of the edge, with TLS or without. Owns: what TLS adds. Does not know: what is answered.
 *  Invariants: a connection keeps the certificate it began with; a new one closes nothing; a socket that does not get through its TLS
 *  handshake in time is destroyed. */
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import { TLS_VERSION_MIN, type TlsFiles } from '../shared/tls-files.ts';

export type EdgeTls = Pick<TlsFiles, 'current' | 'onChange'>;
export type HttpServer = Server | SecureServer;

export function createHttpServer(
  limits: Parameters<typeof createServer>[0] & { readonly headersTimeout: number },
  tls: EdgeTls | undefined,
  request: RequestListener,
): HttpServer {
  if (tls === undefined) return createServer(limits, request);
  const secured = { ...tls.current, minVersion: TLS_VERSION_MIN, handshakeTimeout: limits.headersTimeout } as const;
  const server = createSecureServer({ ...limits, ...secured }, request);
  // Before Node's own listener, which would have it answered over TLS that is not there: such an answer never leaves.
  server.prependListener('tlsClientError', (_error, socket) => socket.destroy());
  server.on('secureConnection', (socket) => socket.on('error', ignore));
  tls.onChange((identity) => server.setSecureContext({ ...identity, minVersion: TLS_VERSION_MIN }));
  return server;
}

function ignore(): void {}
