/** Sets of IP addresses, written as addresses and CIDR ranges. Owns: their syntax, and the one spelling of an address. Does not know:
 *  what a set is for.
 *  Invariant: an IPv4 address is the same one in whichever family it came: `::ffff:10.0.0.1` is `10.0.0.1`.
 *  @see RFC 4632, RFC 4291 §2.5.5.2, RFC 5952 */
import { BlockList, isIP, SocketAddress } from 'node:net';

const MAPPED = /^::ffff:([0-9]{1,3}(?:\.[0-9]{1,3}){3})$/i;

export interface AddressRanges {
  /** False for what is no address. */
  has(address: string): boolean;
}

/** Reads ranges such as `10.0.0.0/8`, `fd00::/8` or `192.0.2.7`.
 *  @throws RangeError with a sentence's middle, for the first that is neither */
export function addressRanges(texts: readonly string[]): AddressRanges {
  const list = new BlockList();
  for (const text of texts) {
    const [address = '', length, ...more] = text.split('/');
    const family = isIP(address);
    const bits = family === 6 ? 128 : 32;
    const isLength = length === undefined || (/^(?:0|[1-9][0-9]{0,2})$/.test(length) && Number(length) <= bits);
    if (family === 0 || address.includes('%') || !isLength || more.length > 0) {
      throw new RangeError(`${JSON.stringify(text.slice(0, 64))} is no address and no range of addresses`);
    }
    list.addSubnet(address, length === undefined ? bits : Number(length), family === 6 ? 'ipv6' : 'ipv4');
  }
  return {
    has(address) {
      const plain = plainAddress(address);
      return plain !== undefined && list.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4');
    },
  };
}

/** The one spelling of an address; undefined for what is none. A zone (`fe80::1%eth0`) says nothing elsewhere and is left out. */
export function plainAddress(text: string): string | undefined {
  const address = text.split('%', 1)[0] ?? '';
  switch (isIP(address)) {
    case 4:
      return address;
    case 6: {
      const { address: plain } = new SocketAddress({ address, family: 'ipv6' });
      return MAPPED.exec(plain)?.[1] ?? plain;
    }
    default:
      return undefined;
  }
}
