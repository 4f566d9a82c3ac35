/** Where this client stands in the room's numbering. Owns: the cursor, and which messages are new under it. Does not know: sockets.
 *  Invariant: between two `set`s each seq is taken at most once, and in ascending order.
 *  @see DESIGN §6 */
interface Position {
  readonly seq: number;
  readonly tag: string;
}

export class Cursor {
  #at: Position | undefined;

  get at(): Position | undefined {
    return this.#at;
  }

  /** Begins anew: a first welcome, or a reset. */
  set({ seq, tag }: Position): void {
    this.#at = { seq, tag };
  }

  /** Moves on to a message. @returns false where it was taken before */
  take({ seq, tag }: Position): boolean {
    const at = this.#at;
    // Tags of one history follow each other by epoch, and what was missed comes under those of its time. Only a later tag could
    // begin its numbering anew.
    if (at !== undefined && seq <= at.seq && epochOf(tag) <= epochOf(at.tag)) return false;
    this.#at = { seq, tag };
    return true;
  }
}

function epochOf(tag: string): number {
  return Number(tag.split('.')[0]);
}
