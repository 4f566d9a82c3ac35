/** Where a client is. Owns: when a proxy's word is taken for it. Does not know: what an address is used for.
 *  `X-Forwarded-For` is read from its end, since each proxy adds whom it saw there, and whatever stands before the first address that
 *  is not a proxy of ours may have been written by the client.
 *  Invariants: without a trusted peer the answer is the peer; what is answered is an address in its one spelling, or empty where the
 *  socket is gone. `Forwarded` (RFC 7239) is not read: two headers that may disagree would be one too many. */
import type { IncomingMessage } from 'node:http';
import { type AddressRanges, addressRanges, plainAddress } from '../shared/address-ranges.ts';

/** What is read of a request. */
export type AddressedRequest = Pick<IncomingMessage, 'rawHeaders'> & {
  readonly socket: Pick<IncomingMessage['socket'], 'remoteAddress'>;
};

export type ClientAddress = (request: AddressedRequest) => string;

/** @param trusted  proxies whose X-Forwarded-For is believed, as addresses and ranges
 *  @throws RangeError where one is neither */
export function clientAddress(trusted: readonly string[]): ClientAddress {
  const proxies = addressRanges(trusted);
  return ({ rawHeaders, socket }) => {
    const peer = plainAddress(socket.remoteAddress ?? '') ?? '';
    return trusted.length > 0 && proxies.has(peer) ? forwardedFor(rawHeaders, peer, proxies) : peer;
  };
}

/** The rightmost address that is no proxy of ours; the leftmost one where all are. A list that cannot be read further ends there. */
function forwardedFor(rawHeaders: readonly string[], peer: string, proxies: AddressRanges): string {
  const values = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'x-forwarded-for');
  let client = peer;
  for (const entry of values.join(',').split(',').reverse()) {
    const address = addressIn(entry.trim());
    if (address === undefined) return client;
    client = address;
    if (!proxies.has(address)) return client;
  }
  return client;
}

/** Some proxies add the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function addressIn(entry: string): string | undefined {
  const bare = /^\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?$/.exec(entry) ?? /^([0-9.]+):[0-9]{1,5}$/.exec(entry);
  return plainAddress(bare?.[1] ?? entry);
}
