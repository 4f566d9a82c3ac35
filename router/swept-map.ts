/** A bounded memory of callers. Owns: which entry is forgotten when. Does not know: what an entry means.
 *  A hand goes round the entries, two at each addition or question, and takes out what is spent. It keeps its place between calls: a Map
 *  that is read from its beginning each time passes over all that was deleted there.
 *  Invariant: after `set` there are at most `entriesMax`; above it the next under the hand goes, spent or not. */

/** More than are added meanwhile, so that spent ones do not stay. */
const LOOKED_AT_ONCE = 2;

export class SweptMap<V> {
  readonly #entries = new Map<string, V>();
  readonly #entriesMax: number;
  readonly #isSpent: (value: V) => boolean;
  #hand: Iterator<[string, V]> | undefined;

  /** @param isSpent  whether it makes no difference that this entry is forgotten */
  constructor(entriesMax: number, isSpent: (value: V) => boolean) {
    this.#entriesMax = entriesMax;
    this.#isSpent = isSpent;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: V): void {
    this.#entries.set(key, value);
    while (this.#entries.size > this.#entriesMax) {
      const next = this.#next();
      if (next !== undefined && next[0] !== key) this.#entries.delete(next[0]);
    }
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  /** Moves the hand on. */
  sweep(): void {
    for (let i = 0; i < LOOKED_AT_ONCE; i++) {
      const next = this.#next();
      if (next !== undefined && this.#isSpent(next[1])) this.#entries.delete(next[0]);
    }
  }

  /** Undefined once a round. */
  #next(): [string, V] | undefined {
    this.#hand ??= this.#entries.entries();
    const { done, value } = this.#hand.next();
    if (done !== true) return value;
    this.#hand = undefined;
    return undefined;
  }
}
