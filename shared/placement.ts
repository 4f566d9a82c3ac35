/** Where a room would go: weighted rendezvous hashing with a keyed hash. Owns: (candidates, weights, room) → order.
 *  Does not know: who owns a room; the directory does, placement is a hint that all processes compute alike.
 *  Invariants: the order depends on nothing but the key, the room and each candidate's name and weight, so that a node that
 *  joins only takes and one that leaves only gives; and it never changes between versions (a test holds golden vectors), or a
 *  rolling upgrade would move every room.
 *  @see Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998 (rendezvous hashing);
 *  Mirrokni, Thorup and Zadimoghaddam, "Consistent hashing with bounded loads", 2017; DESIGN §4 Placement */
import { createHmac } from 'node:crypto';
import { type Hash64, SipHash } from './siphash.ts';

export interface Candidate {
  readonly node: string;
  /** Share of rooms relative to the other candidates. One that is not above 0 gets none. */
  readonly weight: number;
}

export interface LoadedCandidate extends Candidate {
  /** Rooms it holds now. */
  readonly load: number;
}

/** A node may hold this many times its weighted share before an ownerless room goes to the next in order. */
export const LOAD_BOUND = 1.25;

const NODE_HASHES_MAX = 4_096;
/** Draws further apart than this have different scores, whatever is rounded: the logarithm of one in (0, 1) lies above −37. */
const CLEARLY_LOWER = 1 - 1e-9;
/** Not in the alphabet of rooms, so that no room hashes like a node. */
const NODE_PREFIX = '/node/';

/** The placement key of a cluster that has none of its own. Secrets may be rotated, this key may not: every room would move.
 *  @returns 16 bytes */
export function placementKeyFrom(secret: string): Buffer {
  return createHmac('sha256', secret).update('bellhop placement').digest().subarray(0, 16);
}

/** Under one key. Whoever does not know it cannot choose room names that meet on one node, because a room's hash is SipHash
 *  under that key and everything after it is a fixed function of the hash. */
export class Placement {
  readonly #hash: SipHash;
  readonly #room: Hash64 = { hi: 0, lo: 0 };
  /** Bounded: emptied when full. */
  readonly #nodes = new Map<string, Hash64>();

  /** @param key  16 secret bytes, the same in every process of the cluster */
  constructor(key: Buffer) {
    this.#hash = new SipHash(key);
  }

  /** All candidates that take rooms, best first. */
  order(room: string, candidates: readonly Candidate[]): string[] {
    this.#hash.ofLatin1(room, this.#room);
    return candidates
      .filter(takesRooms)
      .map(({ node, weight }) => ({ node, score: scoreOf(this.#uniform(node), weight) }))
      .sort((a, b) => b.score - a.score || (a.node < b.node ? -1 : 1))
      .map(({ node }) => node);
  }

  /** The first of `order`, found without sorting; undefined if no candidate takes rooms. */
  first(room: string, candidates: readonly Candidate[]): string | undefined {
    this.#hash.ofLatin1(room, this.#room);
    let best: string | undefined;
    let bestScore = 0;
    let bestWeight = 0;
    let bestDraw = 0;
    for (const candidate of candidates) {
      if (!takesRooms(candidate)) continue;
      const { node, weight } = candidate;
      const draw = this.#uniform(node);
      // Among equal weights the larger draw has the higher score; a logarithm is worth its price only for one that may win.
      if (weight === bestWeight && draw < bestDraw * CLEARLY_LOWER) continue;
      const score = scoreOf(draw, weight);
      if (best === undefined || score > bestScore || (score === bestScore && node < best)) {
        best = node;
        bestScore = score;
        bestWeight = weight;
        bestDraw = draw;
      }
    }
    return best;
  }

  /** Where an ownerless room goes: the first in order whose load lies below `bound` times its weighted share of all rooms, this
   *  one included. With a bound above 1 there always is one; with another, the first in order. */
  choose(room: string, candidates: readonly LoadedCandidate[], bound: number = LOAD_BOUND): string | undefined {
    let weights = 0;
    let rooms = 1;
    const byNode = new Map<string, LoadedCandidate>();
    for (const candidate of candidates) {
      if (!takesRooms(candidate)) continue;
      byNode.set(candidate.node, candidate);
      weights += candidate.weight;
      rooms += candidate.load;
    }
    const order = this.order(room, candidates);
    const roomy = order.find((node) => {
      const candidate = byNode.get(node);
      return candidate !== undefined && candidate.load < bound * rooms * (candidate.weight / weights);
    });
    return roomy ?? order[0];
  }

  /** What the node draws for the room hashed last: uniform in (0, 1), and independent of what any other node draws. */
  #uniform(node: string): number {
    let hash = this.#nodes.get(node);
    if (hash === undefined) {
      hash = { hi: 0, lo: 0 };
      this.#hash.ofLatin1(NODE_PREFIX + node, hash);
      if (this.#nodes.size >= NODE_HASHES_MAX) this.#nodes.clear();
      this.#nodes.set(node, hash);
    }
    return uniform(this.#room.hi ^ hash.hi, this.#room.lo ^ hash.lo);
  }
}

/** The weighted score of a draw: −weight / ln(u). The chance that a node's score is the highest is its share of all weights. */
function scoreOf(draw: number, weight: number): number {
  return -weight / Math.log(draw);
}

function takesRooms(candidate: Candidate): boolean {
  return candidate.weight > 0 && candidate.weight < Infinity;
}

/** Mixes 64 bits into a number strictly between 0 and 1: four Feistel rounds, a permutation of the 64 bits, of which the upper
 *  52 are kept (with the half added, 53 would round up to 1). */
function uniform(hi: number, lo: number): number {
  hi ^= scramble(lo + 0x9e3779b9);
  lo ^= scramble(hi + 0x7f4a7c15);
  hi ^= scramble(lo + 0xf39cc060);
  lo ^= scramble(hi + 0x5cedc834);
  return ((hi >>> 0) * 2 ** 20 + (lo >>> 12) + 0.5) / 2 ** 52;
}

/** lowbias32, a 32-bit finaliser found by search (Wellons, "Prospecting for hash functions", 2018). */
function scramble(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return x ^ (x >>> 16);
}
