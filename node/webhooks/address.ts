/** Which addresses a node sends webhooks to. Owns: the list of those that it does not. Does not know: DNS, sockets.
 *  Link-local addresses and those under which clouds serve their machines' own credentials have no receiver of webhooks; a name that
 *  leads there is a mistake or an attack. Private networks and this machine are let through: backends live there. */
import { BlockList, isIP } from 'node:net';

const REFUSED = new BlockList();
REFUSED.addSubnet('169.254.0.0', 16, 'ipv4');
REFUSED.addSubnet('fe80::', 10, 'ipv6');
// Not link-local, and yet a cloud's metadata.
REFUSED.addAddress('100.100.100.200', 'ipv4');
REFUSED.addAddress('192.0.0.192', 'ipv4');
REFUSED.addAddress('fd00:ec2::254', 'ipv6');
REFUSED.addAddress('fd20:ce::254', 'ipv6');
// Nobody's, or everybody's.
REFUSED.addSubnet('0.0.0.0', 8, 'ipv4');
REFUSED.addAddress('::', 'ipv6');
REFUSED.addSubnet('224.0.0.0', 3, 'ipv4');
REFUSED.addSubnet('ff00::', 8, 'ipv6');

/** Whether webhooks may not go to this address.
 *  @param address  an IP address, also one of IPv4 in its IPv6 form */
export function isRefusedAddress(address: string): boolean {
  const plain = address.replace(/^\[|\]$/g, '');
  const family = isIP(plain);
  if (family === 0) return false;
  return REFUSED.check(plain, family === 4 ? 'ipv4' : 'ipv6');
}
