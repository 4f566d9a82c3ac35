/** Whether a connection comes from this machine and is meant for it, and whether it speaks TLS. Owns: what loopback looks like in
 *  addresses and `Host`, and what tells that somebody else is spoken for. */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';

/** @param address  of either end of a socket */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}

/** @param host  as a request names it, with its port */
export function isLoopbackHost(host: string): boolean {
  const name = host.replace(/:[0-9]+$/, '').toLowerCase();
  return name === 'localhost' || name === '[::1]' || /^127(\.[0-9]{1,3}){3}$/.test(name);
}

/** Whether a proxy on the way says so: it speaks for somebody who may be anywhere, and may have named any host. */
export function isForwarded({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers.forwarded !== undefined || headers['x-forwarded-for'] !== undefined;
}

/** Whether it is TLS that ends here, not at a proxy. */
export function isSecure(socket: Duplex): boolean {
  return 'encrypted' in socket && socket.encrypted === true;
}

/** Whether a page may be asking that has led a host name of its own to this machine (DNS rebinding): then its origin is that of the very
 *  request, and says nothing. A browser names no proxy, and cannot be made to name one in a WebSocket's request. An address is no name
 *  that could be led anywhere: whoever is asked under one has a port forwarded to this machine. */
export function isRebound(request: Pick<IncomingMessage, 'headers' | 'socket'>): boolean {
  const { origin, host = '' } = request.headers;
  if (origin === undefined || isForwarded(request)) return false;
  return isLoopbackAddress(request.socket.localAddress ?? '') && !isLoopbackHost(host) && !isAddress(host);
}

function isAddress(host: string): boolean {
  return isIP(host.replace(/:[0-9]+$/, '').replace(/^\[(.*)\]$/, '$1')) !== 0;
}
