/** What RFC 6455 asks of a server, as bytes that a client sends and what must come back. Owns: the shape of a case. */

/** What a client saw. Messages and pongs travel apart: order counts within each. */
export interface Seen {
  /** What was said aloud and came back. */
  readonly said: readonly string[];
  readonly pongs: readonly string[];
  /** Messages that were refused, with the connection going on. */
  readonly refused: number;
  /** The server's close code; 0 for a close frame without one; undefined where the connection lives on. */
  readonly closed: number | undefined;
}

export interface Case {
  readonly name: string;
  /** Frames as sent, one write each unless a delivery cuts them otherwise. */
  readonly send: readonly Buffer[];
  readonly expect: Partial<Seen>;
  /** What a bare `ws` does where that is another thing, and why Bellhop differs. */
  readonly bare?: { readonly expect: Partial<Seen>; readonly why: string };
  /** The last frame is cut short: nothing can be said after it. */
  readonly isCut?: boolean;
}

export interface Category {
  readonly name: string;
  /** Extensions that the client offers, and that are agreed on. */
  readonly offer?: string;
  readonly cases: readonly Case[];
}

export function seen({ said = [], pongs = [], refused = 0, closed }: Partial<Seen>): Seen {
  return { said, pongs, refused, closed };
}
