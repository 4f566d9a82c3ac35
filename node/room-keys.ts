/** Under which numbers backends' publishes stand in a room, by the key that each bears. Owns: the memory, as far as it reaches.
 *  Does not know: logs. In a durable room the log's marks are the truth; this is what the owner can put back of them, and what answers
 *  without asking. In a relay room it is all there is.
 *  Invariant: at most `KEYS_MAX` keys a room, and no more in all rooms of a node than their budget; the oldest go first. */
import type { SenderMark } from '../shared/directory/directory.ts';

export const KEYS_MAX = 1_000;

/** Keys that all rooms of a node remember. */
export interface KeyBudget {
  count: number;
  readonly countMax: number;
}

/** The sender under which a log knows a key. */
export const senderOf = (key: string): string => `k:${key}`;
export const keyOf = (sender: string): string => sender.slice('k:'.length);
export const isKeySender = (sender: string): boolean => sender.startsWith('k:');

export class RoomKeys {
  readonly #budget: KeyBudget;
  readonly #seqs = new Map<string, number>();

  constructor(budget: KeyBudget) {
    this.#budget = budget;
  }

  find(key: string): number | undefined {
    return this.#seqs.get(key);
  }

  remember(key: string, seq: number): void {
    if (this.#seqs.delete(key)) this.#budget.count--;
    this.#seqs.set(key, seq);
    this.#budget.count++;
    while (this.#seqs.size > KEYS_MAX || (this.#budget.count > this.#budget.countMax && this.#seqs.size > 1))
      this.#forgetOldest();
  }

  /** Takes over what a log, or another owner, knows. Of too many, those of the latest publishes stay. */
  restore(known: Iterable<readonly [key: string, seq: number]>): void {
    const latest = [...known].sort(([, a], [, b]) => a - b).slice(-KEYS_MAX);
    for (const [key, seq] of latest) this.remember(key, seq);
  }

  entries(): IterableIterator<[string, number]> {
    return this.#seqs.entries();
  }

  /** As a log keeps them: one key names one publish, whose id is 1. */
  *marks(): Generator<[sender: string, mark: SenderMark]> {
    for (const [key, seq] of this.#seqs) yield [senderOf(key), { seat: 0, cseq: 0, id: 1, seq }];
  }

  /** The room is not served here any more. */
  close(): void {
    this.#budget.count -= this.#seqs.size;
    this.#seqs.clear();
  }

  #forgetOldest(): void {
    for (const key of this.#seqs.keys()) {
      this.#seqs.delete(key);
      this.#budget.count--;
      return;
    }
  }
}
