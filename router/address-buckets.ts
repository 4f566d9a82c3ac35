/** How often each address connects. Owns: which addresses count as one, and a token bucket for each, in bounded memory. Does not know:
 *  where an address was read from.
 *  An IPv6 network of 64 bits is one caller: whoever has one address of it has them all (RFC 4291 §2.5.4, RFC 6177).
 *  Loopback is not limited: whoever is there is a proxy, whose clients' addresses we do not see, or on this very machine.
 *  Invariant: at most `keysMax` buckets are kept. Full ones are forgotten, which changes nothing; beyond the bound others are too, so
 *  whoever has more networks than that is held by the rate for all (handshakes.ts). */
import { isIPv4, isIPv6 } from 'node:net';
import type { Clock } from '../shared/clock.ts';
import { Bucket, type BucketRate } from './bucket.ts';
import { SweptMap } from './swept-map.ts';

const KEYS_MAX = 65_536;

export class AddressBuckets {
  readonly #clock: Clock;
  readonly #rate: BucketRate;
  readonly #buckets: SweptMap<Bucket>;

  constructor(clock: Clock, rate: BucketRate, keysMax = KEYS_MAX) {
    this.#clock = clock;
    this.#rate = rate;
    this.#buckets = new SweptMap(keysMax, (bucket) => bucket.isFull(rate, clock.now().monoMs));
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Counts a connection. @param address  undefined or no address: that of a socket which is gone */
  take(address: string | undefined): boolean {
    const key = address === undefined ? undefined : addressKey(address);
    if (key === undefined) return true;
    const nowMs = this.#clock.now().monoMs;
    const known = this.#buckets.get(key);
    const bucket = known ?? new Bucket(this.#rate, nowMs);
    const taken = bucket.take(this.#rate, nowMs);
    if (known === undefined) this.#buckets.set(key, bucket);
    this.#buckets.sweep();
    return taken;
  }
}

/** What an address is counted under.
 *  @returns an IPv4 address, also where it came mapped into IPv6, or the first 64 bits of an IPv6 address; undefined for loopback and
 *  for what is no address */
export function addressKey(address: string): string | undefined {
  if (isIPv4(address)) return isLoopback4(address) ? undefined : address;
  // `fe80::1%eth0` names the interface behind.
  const [bare = ''] = address.split('%');
  if (!isIPv6(bare)) return undefined;
  const words = wordsOf(bare);
  const beginsWithZeros = words.slice(0, 5).every((word) => word === 0);
  const [high = 0, low = 0] = words.slice(6);
  if (beginsWithZeros && words[5] === 0xffff) {
    const mapped = `${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}`;
    return isLoopback4(mapped) ? undefined : mapped;
  }
  if (beginsWithZeros && words[5] === 0 && high === 0 && low === 1) return undefined;
  return words
    .slice(0, 4)
    .map((word) => word.toString(16))
    .join(':');
}

function isLoopback4(address: string): boolean {
  return address.startsWith('127.');
}

/** The eight words of an IPv6 address. @param address  known to be one */
function wordsOf(address: string): number[] {
  const hex = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a: string, b: string, c: string, d: string) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((word) => word.toString(16)).join(':'),
  );
  const [front = '', back] = hex.split('::');
  const read = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const head = read(front);
  if (back === undefined) return head;
  const tail = read(back);
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
}
