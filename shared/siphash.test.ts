import { describe, expect, it } from 'vitest';
import { SeededRandom } from './random.ts';
import { SipHash } from './siphash.ts';

/** The paper's algorithm word for word, on 64-bit integers: slow, and easy to compare with the paper. */
function reference(key: Buffer, message: Buffer): bigint {
  const mask = 2n ** 64n - 1n;
  const rotate = (x: bigint, by: bigint) => ((x << by) | (x >> (64n - by))) & mask;
  const k0 = key.readBigUInt64LE(0);
  const k1 = key.readBigUInt64LE(8);
  let [v0, v1, v2, v3] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const rounds = (count: number) => {
    for (let i = 0; i < count; i++) {
      v0 = (v0 + v1) & mask;
      v2 = (v2 + v3) & mask;
      v1 = rotate(v1, 13n) ^ v0;
      v3 = rotate(v3, 16n) ^ v2;
      v0 = rotate(v0, 32n);
      v2 = (v2 + v1) & mask;
      v0 = (v0 + v3) & mask;
      v1 = rotate(v1, 17n) ^ v2;
      v3 = rotate(v3, 21n) ^ v0;
      v2 = rotate(v2, 32n);
    }
  };
  const padded = Buffer.alloc((Math.floor(message.length / 8) + 1) * 8);
  message.copy(padded);
  padded[padded.length - 1] = message.length & 0xff;
  for (let at = 0; at < padded.length; at += 8) {
    const word = padded.readBigUInt64LE(at);
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
  v2 ^= 0xffn;
  rounds(4);
  return v0 ^ v1 ^ v2 ^ v3;
}

function hashed(key: Buffer, message: Buffer): bigint {
  const into = { hi: 0, lo: 0 };
  new SipHash(key).ofLatin1(message.toString('latin1'), into);
  return (BigInt(into.hi >>> 0) << 32n) | BigInt(into.lo >>> 0);
}

const ascending = (length: number) => Buffer.from(Array.from({ length }, (_, i) => i));

describe('SipHash-2-4', () => {
  it('gives the value of the paper’s appendix A', () => {
    expect(hashed(ascending(16), ascending(15))).toBe(0xa129ca6149be45e5n);
  });

  // From vectors.h of the authors' reference code: key 00 01 … 0f, messages of 0 to 8 ascending bytes, read little-endian.
  it.each([
    [0, 0x726fdb47dd0e0e31n],
    [1, 0x74f839c593dc67fdn],
    [2, 0x0d6c8009d9a94f5an],
    [3, 0x85676696d7fb7e2dn],
    [4, 0xcf2794e0277187b7n],
    [5, 0x18765564cd99a68dn],
    [6, 0xcbc9466e58fee3cen],
    [7, 0xab0200f58b01d137n],
    [8, 0x93f5f5799a932462n],
  ])('gives the authors’ value for %d bytes', (length, value) => {
    expect(hashed(ascending(16), ascending(length))).toBe(value);
  });

  it('agrees with the algorithm on 64-bit integers for any key and message', () => {
    const random = new SeededRandom(1);
    for (let i = 0; i < 500; i++) {
      const key = Buffer.from(random.hex(16), 'hex');
      const message = Buffer.from(random.hex(random.below(300)), 'hex');
      expect(hashed(key, message)).toBe(reference(key, message));
    }
  });

  it('takes keys of 16 bytes only', () => {
    expect(() => new SipHash(Buffer.alloc(15))).toThrow(RangeError);
  });
});
