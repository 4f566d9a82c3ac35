/** Which addresses a link may be dialled at, whatever a record says. Owns: the classes that are refused always, what an operator's list
 *  means, and the look-up that holds host names to the same. Does not know: records or sockets.
 *
 *  A list's entries: an address or network (`10.1.0.0/16`, `[fd00::/8]`), a host name in which `*` stands for any part of one label
 *  (`node-*.nodes.svc`), or `private`: loopback, this machine's name and the private ranges. Behind each a port or a range of ports
 *  may stand (`node-*:7070`, `10.0.0.0/8:7000-7099`, `[fd00::/8]:7070`).
 *  Invariant: no address of a class that is refused always is dialled, also not through a name that resolves to it.
 *  @see RFC 6890 (special-purpose addresses) */
import { type LookupAddress, lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { hostname } from 'node:os';
import type { LinkAddress } from './dial.ts';

interface Entry {
  readonly matches: (host: string) => boolean;
  readonly from: number;
  readonly to: number;
}

/** Networks that are nobody's link server: what answers there answers for the machine's provider, for many, or for nobody. */
const NEVER: readonly (readonly [network: string, why: string])[] = [
  ['0.0.0.0/8', 'an any address'],
  ['::/128', 'an any address'],
  ['169.254.0.0/16', 'a link-local or metadata address'],
  ['fe80::/10', 'a link-local address'],
  ['fd00:ec2::254/128', 'a metadata address'],
  ['fd20:ce::254/128', 'a metadata address'],
  ['100.100.100.200/32', 'a metadata address'],
  ['168.63.129.16/32', 'a metadata address'],
  ['192.0.0.0/24', 'a metadata address'],
  ['224.0.0.0/4', 'a multicast address'],
  ['ff00::/8', 'a multicast address'],
  ['240.0.0.0/4', 'a reserved or broadcast address'],
  // Those carry an IPv4 address inside and lead to it.
  ['64:ff9b::/96', 'an address that is translated'],
  ['2002::/16', 'an address that is translated'],
  ['::/96', 'an address that is translated'],
];
const PRIVATE = ['127.0.0.0/8', '::1/128', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'];
/** What names reach an address like the ones above, on a machine of theirs. */
const NEVER_NAMES = /^(?:metadata|instance-data|metadata\.google\.internal|metadata\.goog)$/i;
const ENTRY =
  /^(?:\[(?<v6>[^\]]+)\]|(?<bare>[^:]+|[0-9A-Fa-f:./]*::[0-9A-Fa-f:./]*))(?::(?<from>\d{1,5})(?:-(?<to>\d{1,5}))?)?$/;

const LOOPBACK = networks(['127.0.0.0/8', '::1/128']);
const never = NEVER.map(([network, why]) => ({ list: networks([network]), why }));

/** Says what class an address is of that is never dialled; undefined for any other, and for a host name that looks innocent. */
export function neverDialled(host: string): string | undefined {
  const family = isIP(host);
  if (family === 0) return NEVER_NAMES.test(host) ? 'a metadata host' : undefined;
  // ::1 lies in ::/96 and is no translation of anything.
  if (has(LOOPBACK, host)) return undefined;
  return never.find(({ list }) => has(list, host))?.why;
}

export class LinkAllow {
  readonly #entries: readonly Entry[];

  /** @param list  an operator's; empty: `private`
   *  @throws RangeError with one sentence for an entry that is none */
  constructor(list: readonly string[]) {
    this.#entries = (list.length === 0 ? ['private'] : list).flatMap(entriesOf);
  }

  /** Says why this address is not to be dialled; undefined where it may be.
   *  @param address  port 0: any port will do, as one that is not known yet */
  refusal({ host, port }: LinkAddress): string | undefined {
    const why = neverDialled(host);
    if (why !== undefined) return `${host} is ${why}`;
    const hosts = this.#entries.filter(({ matches }) => matches(host));
    if (hosts.length === 0) return `${isIP(host) === 0 ? 'the host name' : 'the address'} ${host} is not allowed`;
    if (port === 0 || hosts.some(({ from, to }) => port >= from && port <= to)) return undefined;
    return `port ${port} of ${host} is not allowed`;
  }
}

/** Resolves a name for a dial, and fails where it names an address that is never dialled: `ELINKREFUSED`. */
export const guardedLookup: LookupFunction = (name, options, done) => {
  lookup(name, { ...options, all: true }, (error, found: LookupAddress[]) => {
    if (error !== null) return done(error, '', 0);
    const bad = found.find(({ address }) => neverDialled(address) !== undefined);
    const [first] = found;
    if (bad !== undefined || first === undefined) {
      const text = `${name} resolves to ${bad?.address ?? 'nothing'}, ${bad && neverDialled(bad.address)}`;
      return done(Object.assign(new Error(text), { code: 'ELINKREFUSED' }), '', 0);
    }
    if (options.all === true) done(null, found);
    else done(null, first.address, first.family);
  });
};

function entriesOf(text: string): Entry[] {
  const parts = ENTRY.exec(text)?.groups;
  const what = parts?.['v6'] ?? parts?.['bare'] ?? '';
  const from = Number(parts?.['from'] ?? 1);
  const to = Number(parts?.['to'] ?? parts?.['from'] ?? 65_535);
  const isBracketed = parts?.['v6'] !== undefined;
  if (
    parts === undefined ||
    (isBracketed && isIP(what.split('/')[0] ?? '') !== 6) ||
    from < 1 ||
    to > 65_535 ||
    from > to
  ) {
    throw new RangeError(`${JSON.stringify(text)} is no address, network or host name with a port or without`);
  }
  return matchersOf(what, text).map((matches) => ({ matches, from, to }));
}

function matchersOf(what: string, text: string): ((host: string) => boolean)[] {
  if (what === 'private') {
    const own = hostname().toLowerCase();
    const list = networks(PRIVATE);
    return [(host) => has(list, host) || host.toLowerCase() === 'localhost' || host.toLowerCase() === own];
  }
  const [address = '', bits] = what.split('/');
  const family = isIP(address);
  if (family !== 0) {
    const longest = family === 4 ? 32 : 128;
    if (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= longest)) {
      throw new RangeError(`${JSON.stringify(text)} is no network`);
    }
    const list = networks([`${address}/${bits ?? longest}`]);
    return [(host) => has(list, host)];
  }
  if (bits !== undefined || !/^[A-Za-z0-9*_-]+(?:\.[A-Za-z0-9*_-]+)*$/.test(what) || /^[\d.]+$/.test(what)) {
    throw new RangeError(`${JSON.stringify(text)} is no address, network or host name`);
  }
  const pattern = new RegExp(`^${what.replaceAll('.', '\\.').replaceAll(/\*+/g, '[^.]*')}$`, 'i');
  return [(host) => isIP(host) === 0 && pattern.test(host)];
}

function networks(list: readonly string[]): BlockList {
  const blocks = new BlockList();
  for (const network of list) {
    const [address = '', bits] = network.split('/');
    blocks.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
  return blocks;
}

/** An IPv4 address that is written as IPv6 (`::ffff:…`) counts as what it is. */
function has(list: BlockList, host: string): boolean {
  const family = isIP(host);
  return family !== 0 && list.check(host, family === 6 ? 'ipv6' : 'ipv4');
}
