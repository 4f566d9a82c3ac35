/** Dials a link once. Owns: how an address is read. Does not know: whether to dial again (dialer.ts). */
import { connect, type TcpNetConnectOpts } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { TLS_VERSION_MIN, type TlsFiles } from '../tls-files.ts';
import { guardedLookup } from './allow.ts';
import { LinkConnection, type LinkOptions } from './connection.ts';

/** Where a node's link server listens, as its record names it. */
export interface LinkAddress {
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port`, where an IPv6 host stands in brackets (RFC 3986 §3.2.2); undefined where it is none. */
export function parseAddress(text: string): LinkAddress | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** Dials. What becomes of it is told by the options' events: `onUp`, or `onDown` with 'unreachable', 'handshake' or another
 *  reason, within `handshakeMs` either way. */
export function dialLink(address: LinkAddress, options: LinkOptions): LinkConnection {
  const to: TcpNetConnectOpts = { host: address.host, port: address.port, lookup: guardedLookup };
  return new LinkConnection(options.tls === undefined ? connect(to) : secured(to, options.tls), 'dialer', options);
}

/** The certificate must be of the cluster's authority. Its names are not compared: who answers is proved by the handshake behind. */
function secured(to: TcpNetConnectOpts, tls: Pick<TlsFiles, 'current'>) {
  return connectTls({ ...to, ...tls.current, minVersion: TLS_VERSION_MIN, checkServerIdentity: () => undefined });
}
