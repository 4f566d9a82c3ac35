/** Sessions that were closed while an OPEN of theirs was under way: when the answer comes, their node is told how they went. Owns: that
 *  memory, bounded, oldest dropped first. */
const GONE_MAX = 10_000;

export class GoneSessions {
  readonly #gone = new Map<number, 'left' | 'broken'>();

  remember(handle: number, how: 'left' | 'broken'): void {
    this.#gone.set(handle, how);
    if (this.#gone.size > GONE_MAX) this.#gone.delete(this.#gone.keys().next().value ?? handle);
  }

  /** Takes out how a session went; one that is not remembered never had a seat. */
  take(handle: number): 'left' | 'broken' {
    const how = this.#gone.get(handle) ?? 'left';
    this.#gone.delete(handle);
    return how;
  }
}
