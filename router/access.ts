/** Whether a connection comes from this machine and is meant for it, and whether it speaks TLS. Owns: what loopback looks like in
 *  addresses and `Host`, and what tells that somebody else is spoken for. */
import type { IncomingMessage } from 'node:http';
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
