/** SipHash-2-4, a keyed hash of short inputs. Owns: the hash, in 32-bit arithmetic (a BigInt costs some fifty times as much).
 *  Does not know: what it is used for. Not for authentication of messages; that is HMAC's.
 *  @see Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012 */

/** 64 bits as two signed halves: whole small integers to the engine, which unsigned ones above 2^31 are not. */
export interface Hash64 {
  hi: number;
  lo: number;
}

const KEY_BYTES = 16;

export class SipHash {
  readonly #k0lo: number;
  readonly #k0hi: number;
  readonly #k1lo: number;
  readonly #k1hi: number;

  /** @param key  16 bytes */
  constructor(key: Buffer) {
    if (key.length !== KEY_BYTES) throw new RangeError(`a SipHash key has ${KEY_BYTES} bytes`);
    this.#k0lo = key.readInt32LE(0);
    this.#k0hi = key.readInt32LE(4);
    this.#k1lo = key.readInt32LE(8);
    this.#k1hi = key.readInt32LE(12);
  }

  /** Hashes a text whose characters all lie below U+0100, one byte each: ids are ASCII. */
  ofLatin1(text: string, into: Hash64): void {
    const length = text.length;
    let v0l = this.#k0lo ^ 0x70736575;
    let v0h = this.#k0hi ^ 0x736f6d65;
    let v1l = this.#k1lo ^ 0x6e646f6d;
    let v1h = this.#k1hi ^ 0x646f7261;
    let v2l = this.#k0lo ^ 0x6e657261;
    let v2h = this.#k0hi ^ 0x6c796765;
    let v3l = this.#k1lo ^ 0x79746573;
    let v3h = this.#k1hi ^ 0x74656462;
    const lastBlock = length & ~7;
    // One turn for each block, the last of which holds the bytes left over and the length, then one to finish.
    for (let at = 0; at <= lastBlock + 8; at += 8) {
      let lo = 0;
      let hi = 0;
      let rounds = 2;
      if (at < lastBlock) {
        lo = word(text, at);
        hi = word(text, at + 4);
      } else if (at === lastBlock) {
        for (let i = at; i < length; i++) {
          const byte = text.charCodeAt(i) & 0xff;
          if (i - at < 4) lo |= byte << ((i - at) * 8);
          else hi |= byte << ((i - at - 4) * 8);
        }
        hi |= length << 24;
      } else {
        v2l ^= 0xff;
        rounds = 4;
      }
      v3l ^= lo;
      v3h ^= hi;
      // SipRound, as in figure 2.1 of the paper. The sum of two low halves carried if it came out below one of them.
      for (; rounds > 0; rounds--) {
        let t: number;
        // v0 += v1; v1 <<<= 13; v1 ^= v0; v0 <<<= 32
        v0l = (v0l + v1l) | 0;
        v0h = (v0h + v1h + (v0l >>> 0 < v1l >>> 0 ? 1 : 0)) | 0;
        t = (v1h << 13) | (v1l >>> 19);
        v1l = ((v1l << 13) | (v1h >>> 19)) ^ v0l;
        v1h = t ^ v0h;
        t = v0l;
        v0l = v0h;
        v0h = t;
        // v2 += v3; v3 <<<= 16; v3 ^= v2
        v2l = (v2l + v3l) | 0;
        v2h = (v2h + v3h + (v2l >>> 0 < v3l >>> 0 ? 1 : 0)) | 0;
        t = (v3h << 16) | (v3l >>> 16);
        v3l = ((v3l << 16) | (v3h >>> 16)) ^ v2l;
        v3h = t ^ v2h;
        // v0 += v3; v3 <<<= 21; v3 ^= v0
        v0l = (v0l + v3l) | 0;
        v0h = (v0h + v3h + (v0l >>> 0 < v3l >>> 0 ? 1 : 0)) | 0;
        t = (v3h << 21) | (v3l >>> 11);
        v3l = ((v3l << 21) | (v3h >>> 11)) ^ v0l;
        v3h = t ^ v0h;
        // v2 += v1; v1 <<<= 17; v1 ^= v2; v2 <<<= 32
        v2l = (v2l + v1l) | 0;
        v2h = (v2h + v1h + (v2l >>> 0 < v1l >>> 0 ? 1 : 0)) | 0;
        t = (v1h << 17) | (v1l >>> 15);
        v1l = ((v1l << 17) | (v1h >>> 15)) ^ v2l;
        v1h = t ^ v2h;
        t = v2l;
        v2l = v2h;
        v2h = t;
      }
      v0l ^= lo;
      v0h ^= hi;
    }
    into.lo = v0l ^ v1l ^ v2l ^ v3l;
    into.hi = v0h ^ v1h ^ v2h ^ v3h;
  }
}

/** Four characters as a little-endian 32-bit word. */
function word(text: string, at: number): number {
  return (
    (text.charCodeAt(at) & 0xff) |
    ((text.charCodeAt(at + 1) & 0xff) << 8) |
    ((text.charCodeAt(at + 2) & 0xff) << 16) |
    ((text.charCodeAt(at + 3) & 0xff) << 24)
  );
}
