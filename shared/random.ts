/** Chance as an argument. Owns: where random bits come from. A seeded source replays a simulator run or a fuzz case. */
import { randomBytes, randomFillSync } from 'node:crypto';

export interface RandomSource {
  /** Uniform in [0, 1). */
  unit(): number;
  /** `bytes` random bytes as lower-case hex (two characters a byte). */
  hex(bytes: number): string;
}

const POOL_BYTES = 4_096;
const pool = Buffer.alloc(POOL_BYTES);
/** Bytes before this are used up; none are there yet. */
let poolAt = POOL_BYTES;

/** Random bytes of the operating system, fetched 4 KiB at a time: a call for each id costs more than all else about an id. */
export const systemRandom: RandomSource = {
  unit: () => Math.random(),
  hex(bytes) {
    if (bytes > POOL_BYTES) return randomBytes(bytes).toString('hex');
    if (poolAt + bytes > POOL_BYTES) {
      randomFillSync(pool);
      poolAt = 0;
    }
    const text = pool.toString('hex', poolAt, poolAt + bytes);
    // Never given twice, and not left in memory for others to find.
    pool.fill(0, poolAt, poolAt + bytes);
    poolAt += bytes;
    return text;
  },
};

/** Deterministic source (xoshiro128**, Blackman and Vigna 2018; seeded by splitmix32). Not for secrets. */
export class SeededRandom implements RandomSource {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    let state = seed >>> 0;
    const next = () => {
      state = (state + 0x9e3779b9) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) >>> 0;
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next();
  }

  #next(): number {
    const scrambled = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotateLeft(this.#d, 11);
    return scrambled;
  }

  unit(): number {
    return this.#next() / 2 ** 32;
  }

  hex(bytes: number): string {
    let text = '';
    for (let i = 0; i < bytes; i++) text += (this.#next() >>> 24).toString(16).padStart(2, '0');
    return text;
  }

  /** Uniform integer in [0, below). */
  below(below: number): number {
    return Math.floor(this.unit() * below);
  }

  /** One element of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined && list.length === 0) throw new RangeError('pick from an empty list');
    return item as T;
  }
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits)) | 0;
}

/** `periodMs` spread by ±`share` (0.1 = 10 %): every retry and period is jittered so that a herd does not march in step. */
export function jittered(random: RandomSource, periodMs: number, share = 0.1): number {
  return periodMs * (1 + (random.unit() * 2 - 1) * share);
}
