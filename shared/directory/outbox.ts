/** What a room still has to tell its backends, as the directory keeps it. Owns: those shapes. Does not know: who is told, or how. */

/** Names an event of a room, and orders it among the others: the epoch of the owner that made it, and its number under that. */
export interface OutboxId {
  readonly epoch: number;
  readonly number: number;
}

export interface OutboxEvent {
  readonly id: OutboxId;
  readonly change?: { readonly session: string; readonly user: string; readonly present: boolean } | undefined;
  /** What receivers are told; absent where nobody wants to know. */
  readonly json?: string | undefined;
}
